//! Rooms that wait, spawn and time out. They perform what `core` decided.

use std::future::Future;

use crate::base::Failure;

pub mod agent;
pub mod aloud;
pub mod api;
pub mod asking;
pub mod campaign;
pub mod carriers;
pub mod clock;
pub mod clone;
pub mod control;
pub mod demo;
pub mod doctor;
pub mod gateway;
pub(crate) mod inbound;
pub mod latencies;
pub mod leads;
pub mod ledger;
pub mod listen;
pub mod logging;
pub mod metrics;
pub mod pbx;
pub mod reconcile;
pub mod recordings;
pub mod render;
pub mod replay;
mod session;
pub mod sim;
pub mod stop;
pub mod suppress;
pub mod voices;
pub mod writings;

/// Waits for a future on a thread of a runtime that was told to expect it ([`tokio::task::block_in_place`]).
pub fn block_here<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(future)
}

/// Runs a command's future to its end on a runtime of `threads` workers.
pub fn block_on<T>(threads: usize, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .enable_all()
        .build()
        .map_err(|error| Failure::bug(format!("no runtime: {error}")))?;
    runtime.block_on(future)
}
