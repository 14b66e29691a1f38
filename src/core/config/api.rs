//! `[api]` of `ahoy.toml`: the HTTP API of `ahoy serve`.

use std::net::SocketAddr;

use serde::Deserialize;

use crate::base::secret::SecretRef;

/// The HTTP API: where it listens, and the token that its callers show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiConfig {
    /// Address to listen on; port 0 takes a free one. Beyond loopback a proxy ends TLS before it.
    pub listen: SocketAddr,
    /// The bearer token.
    pub token: SecretRef,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedApi {
    listen: Option<SocketAddr>,
    token: Option<SecretRef>,
    tls: Option<String>,
}

impl TypedApi {
    /// `None`: it is off. Errors: the key, and what is wrong with it.
    pub(super) fn check(self) -> Result<Option<ApiConfig>, (&'static str, String)> {
        let by_proxy = match self.tls.as_deref() {
            None => false,
            Some("proxy") => true,
            Some(_) => return Err(("tls", "[api] tls is \"proxy\", or absent: ahoy ends no TLS itself".to_owned())),
        };
        let Some(listen) = self.listen else { return Ok(None) };
        if !listen.ip().is_loopback() && !by_proxy {
            return Err((
                "listen",
                "an API beyond loopback needs TLS by a proxy before it, or its token crosses the network in clear; \
                 with one in place, write tls = \"proxy\" in [api]"
                    .to_owned(),
            ));
        }
        let Some(token) = self.token else {
            return Err(("listen", "[api] needs token = { env = \"NAME\" }: it places calls".to_owned()));
        };
        Ok(Some(ApiConfig { listen, token }))
    }
}

#[cfg(test)]
mod tests {
    use crate::core::config::parse_workspace;

    fn api(body: &str) -> Result<Option<super::ApiConfig>, String> {
        let parsed = parse_workspace("ahoy.toml", &format!("[api]\n{body}\n"));
        parsed.map(|config| config.api).map_err(|fault| fault.to_string())
    }

    #[test]
    fn it_is_off_until_it_has_an_address_and_then_needs_a_token_by_name() {
        assert_eq!(api(""), Ok(None));
        assert_eq!(api("token = { env = \"T\" }"), Ok(None), "no address");
        assert!(api("listen = \"127.0.0.1:0\"\ntoken = { env = \"T\" }").expect("valid").is_some());
        assert!(api("listen = \"127.0.0.1:0\"").expect_err("no token").contains("token"));
        let clear = api("listen = \"127.0.0.1:0\"\ntoken = \"hunter2hunter2\"").expect_err("in clear");
        assert!(!clear.contains("hunter2"), "{clear}");
    }

    #[test]
    fn beyond_loopback_somebody_must_have_said_that_a_proxy_ends_tls() {
        let beyond = "listen = \"0.0.0.0:8080\"\ntoken = { env = \"T\" }";
        let refused = api(beyond).expect_err("in clear");
        assert!(refused.starts_with("ahoy.toml:2:") && refused.contains("TLS by a proxy"), "{refused}");
        assert!(api(&format!("{beyond}\ntls = \"proxy\"")).expect("valid").is_some());
        assert!(api(&format!("{beyond}\ntls = \"yes\"")).is_err());
    }
}
