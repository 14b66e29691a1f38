//! Rooms that speak to another program or machine. Sockets and child processes, no spawn, no sleep.

pub mod carrier;
pub mod control;
pub mod engine;
pub mod gateway;
pub mod player;
pub mod probe;
pub mod transcriber;

/// Chooses the TLS library of the process (rustls on ring). Call before the first HTTPS client is made; repeating it is harmless.
pub fn install_tls() {
    // The error says only that a provider is installed already.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
}
