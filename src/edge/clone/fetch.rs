//! A sample behind an address that the owner wrote into the list: fetched once, bounded, without following elsewhere.

use reqwest::{Client, Url};

use crate::base::limits;
use crate::base::text::printable;
use crate::core::clone::CloneFault;

/// Fetches a sample of at most `most` bytes. Our keys go nowhere with it, and a redirect is not followed.
pub async fn fetch(address: &str, most: usize) -> Result<Vec<u8>, CloneFault> {
    crate::edge::install_tls();
    let broken = |why: String| CloneFault::Unreadable(printable(&why));
    let url = Url::parse(address).map_err(|_| broken("its address is none".to_owned()))?;
    // Only the host is told: a path may hold a number, and a query a key.
    let host = url.host_str().unwrap_or_default().to_owned();
    let client = Client::builder()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(limits::SERVICE_CONNECT)
        .timeout(limits::CLONE_FETCH)
        .user_agent(concat!("ahoy/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| broken(error.to_string()))?;
    let lost = |error: reqwest::Error| {
        let how = if error.is_timeout() { "does not answer in time" } else { "cannot be reached, or breaks off" };
        CloneFault::Unreadable(format!("{} {how}", printable(&host)))
    };
    let mut answer = client.get(url).send().await.map_err(lost)?;
    match answer.status().as_u16() {
        200..=299 => {}
        404 | 410 => return Err(CloneFault::NoSample),
        http => return Err(broken(format!("{host} answers HTTP {http}"))),
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(lost)? {
        if bytes.len() + chunk.len() > most {
            return Err(CloneFault::BadSample(crate::core::clone::SampleFault::Large {
                has: bytes.len() + chunk.len(),
                most,
            }));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
