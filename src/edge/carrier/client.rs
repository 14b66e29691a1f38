//! What every carrier's HTTP client has in common: no request is repeated, redirected or sent by a proxy, and each has a
//! connection of its own, so that whether anything has left can be told.

use std::time::Duration;

use reqwest::{Client, Url};

use crate::base::Failure;

/// Where a carrier is, and the client for it. A path of `base_url` is kept as prefix.
#[derive(Debug)]
pub(super) struct House {
    /// Where it is, as it was written.
    pub base: Url,
    /// The client.
    pub client: Client,
}

impl House {
    /// Makes the client. Errors: the base URL is no URL, or the TLS library cannot start.
    pub fn at(base_url: &str, connect: Duration, whole: Duration) -> Result<House, Failure> {
        crate::edge::install_tls();
        let base = Url::parse(base_url.trim_end_matches('/'))
            .ok()
            .filter(|url| url.has_host() && !url.cannot_be_a_base())
            .ok_or_else(|| Failure::usage(format!("base_url `{base_url}` is no http(s) URL")))?;
        let client = Client::builder()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .connect_timeout(connect)
            .timeout(whole)
            .tcp_nodelay(true)
            .user_agent(concat!("ahoy/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::bug(format!("no HTTP client: {error}")))?;
        Ok(House { base, client })
    }

    /// The address of a path there, which may have a query.
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let prefix = self.base.path().trim_end_matches('/').to_owned();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(&format!("{prefix}{path}"));
        url.set_query(query);
        url
    }
}
