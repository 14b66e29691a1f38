//! Rooms that speak to another program or machine. Sockets and child processes, no spawn, no sleep.

pub mod agent;
pub mod api;
pub mod carrier;
pub mod clone;
pub mod control;
pub mod engine;
pub mod gateway;
pub mod player;
pub mod probe;
pub mod summarizer;
pub mod transcriber;

/// Chooses the TLS library of the process (rustls on ring). Call before the first HTTPS client is made; repeating it is harmless.
pub fn install_tls() {
    // The error says only that a provider is installed already.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
}

/// The chain of causes, without the URL: its query holds phone numbers.
pub fn cause(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timeout".to_owned() } else { "connection".to_owned() };
    let mut next = std::error::Error::source(error);
    while let Some(inner) = next {
        text.push_str(": ");
        text.push_str(&crate::base::text::printable(&inner.to_string()));
        next = inner.source();
    }
    text
}
