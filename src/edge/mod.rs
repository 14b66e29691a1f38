//! Rooms that speak to another program or machine. Sockets and child processes, no spawn, no sleep.

pub mod carrier;
pub mod engine;
pub mod gateway;
