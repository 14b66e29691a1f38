//! What every carrier's HTTP client has in common: no request is repeated, redirected or sent by a proxy, and each has a
//! connection of its own, so that whether anything has left can be told.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, Response, Url};

use crate::base::Failure;
use crate::base::limits::CARRIER_BODY_BYTES;
use crate::edge::cause;

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
        let client = bare(connect).pool_max_idle_per_host(0).timeout(whole).build().map_err(unbuilt)?;
        Ok(House { base, client })
    }

    /// A second client for what rings nobody (questions, streams of sound): its connections are kept, and its requests have
    /// the time that each is given.
    pub fn questions(connect: Duration) -> Result<Client, Failure> {
        bare(connect).pool_max_idle_per_host(4).build().map_err(unbuilt)
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

fn bare(connect: Duration) -> ClientBuilder {
    Client::builder()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(connect)
        .tcp_nodelay(true)
        .user_agent(concat!("ahoy/", env!("CARGO_PKG_VERSION")))
}

fn unbuilt(error: reqwest::Error) -> Failure {
    Failure::bug(format!("no HTTP client: {error}"))
}

/// An answer's body, up to a bound. Errors: what failed, in words.
pub(super) async fn body(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| cause(&error))? {
        if body.len() + chunk.len() > CARRIER_BODY_BYTES {
            return Err(format!("the answer is longer than {CARRIER_BODY_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
