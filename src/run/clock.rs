//! The only `now()` of the program.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::base::{Boot, Wall};

/// Time as a door: production reads the machine, simulations read a paused clock.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn wall(&self) -> Wall;
    /// The boot-time clock (Linux: CLOCK_BOOTTIME, which goes on while the machine sleeps).
    fn boot(&self) -> Boot;
    /// Waits for a span.
    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineClock;

impl Clock for MachineClock {
    fn wall(&self) -> Wall {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn boot(&self) -> Boot {
        let stamp = rustix::time::clock_gettime(BOOT);
        let seconds = u64::try_from(stamp.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(stamp.tv_nsec).unwrap_or(0);
        Boot(seconds * 1_000_000 + nanos / 1_000)
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(span))
    }
}

#[cfg(target_os = "linux")]
const BOOT: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const BOOT: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
