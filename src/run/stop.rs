//! The operator's hand: first Ctrl-C drains, second cancels, third leaves. SIGTERM (cron's `timeout`) counts as a first.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::base::Failure;
use crate::core::dial::desk::Stop;

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
                    Stop::Drain => Stop::Cancel,
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
