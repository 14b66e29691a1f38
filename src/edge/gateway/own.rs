//! A thread and a single-threaded runtime of its own for a future: the gateway's.

use std::future::Future;
pub use std::thread::JoinHandle as Running;

use crate::base::Failure;

/// Runs the future that `make` gives on a thread of its own, to its end.
///
/// The runtime looks at its sockets after every eighth task, so that a waiting stream is seen soon.
pub fn start<F: Future<Output = ()>>(
    name: &str,
    make: impl FnOnce() -> F + Send + 'static,
) -> Result<Running<()>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(8)
        .build()
        .map_err(|error| Failure::bug(format!("no runtime: {error}")))?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(make()))
        .map_err(|error| Failure::bug(format!("no thread: {error}")))
}

/// Lets this process open as many files as it may: a live call has a socket, an event log and a recording. Gives how many.
pub fn raise_file_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::debug!(%error, "the limit of open files stays");
    }
    // No limit is written as "none".
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Never writes this process's memory to the disk: it holds people's numbers and the accounts' keys.
pub fn keep_memory_private() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Core).maximum;
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum }) {
        tracing::debug!(%error, "core dumps stay on");
    }
}
