//! The operator's hand: first Ctrl-C drains, second cancels, third leaves. SIGTERM (cron's `timeout`) counts as a first.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use std::future::Future;

use crate::base::{Exit, Failure};
use crate::core::dial::desk::Stop;

/// The operator's hand as a command sees it.
pub type Stopped = watch::Receiver<Stop>;

/// Starts to listen for signals. The receiver's value only gets firmer.
pub fn listen() -> Result<watch::Receiver<Stop>, Failure> {
    let deaf = |error: std::io::Error| Failure::bug(format!("cannot listen for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(deaf)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(deaf)?;
    let (send, receive) = watch::channel(Stop::No);
    tokio::spawn(async move {
        loop {
            let firmer = tokio::select! {
                _ = interrupt.recv() => match *send.borrow() {
                    Stop::No => Stop::Drain,
                    Stop::Drain | Stop::Unanswered => Stop::Cancel,
                    Stop::Cancel | Stop::Exit => Stop::Exit,
                },
                _ = terminate.recv() => (*send.borrow()).max(Stop::Drain),
                () = send.closed() => return,
            };
            send.send_replace(firmer);
        }
    });
    Ok(receive)
}

/// Runs a future to its end, or drops it at the first signal: what it started (tasks, child processes) ends with it.
pub async fn or_stopped<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut stop = listen()?;
    tokio::select! {
        done = work => done,
        _ = stop.changed() => {
            Err(Failure::new(Exit::Stopped, "stopped by a signal; what was finished stays").next("run it again to go on"))
        }
    }
}
