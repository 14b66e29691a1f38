//! How many connections there may be, and for how long one may say nothing.
//!
//! A connection is a stranger until it has shown a right signature. Strangers share a small budget, and one address has
//! a small share of it; whoever showed a signature leaves it. So a flood of strangers never takes a caller's place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::limits;

/// The bounds of a server. Tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// A request's head must be there within this time after the connection is free for it.
    pub head: Duration,
    /// A request's body must be there within this time.
    pub body: Duration,
    /// Strangers at once.
    pub strangers: usize,
    /// Strangers at once from one address.
    pub strangers_per_address: usize,
    /// Whether the share of one address binds loopback too. False in production: a proxy on this machine that
    /// terminates TLS brings all connections from one address.
    pub loopback_too: bool,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            head: limits::HTTP_HEAD,
            body: limits::HTTP_BODY,
            strangers: limits::STRANGERS,
            strangers_per_address: limits::STRANGERS_PER_ADDRESS,
            loopback_too: false,
        }
    }
}

/// Who is connected and has not shown a signature yet.
#[derive(Debug, Clone)]
pub struct Guard {
    bounds: Bounds,
    by_address: Arc<Mutex<Counted>>,
}

#[derive(Debug, Default)]
struct Counted {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A stranger's place; dropping it frees the place.
#[derive(Debug)]
pub struct Stranger {
    guard: Guard,
    address: IpAddr,
}

impl Guard {
    /// Nobody is connected.
    pub fn new(bounds: Bounds) -> Guard {
        Guard { bounds, by_address: Arc::default() }
    }

    /// The bounds.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// A place for a new connection, or `None`: it is to be closed at once.
    pub fn admit(&self, address: IpAddr) -> Option<Stranger> {
        let mut counted = self.lock();
        if counted.all >= self.bounds.strangers {
            return None;
        }
        let shares = self.bounds.loopback_too || !address.is_loopback();
        let theirs = counted.by_address.entry(address).or_insert(0);
        if shares && *theirs >= self.bounds.strangers_per_address {
            return None;
        }
        *theirs += 1;
        counted.all += 1;
        Some(Stranger { guard: self.clone(), address })
    }

    /// Strangers at this moment.
    pub fn strangers(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
        // Every change is one step: a panic elsewhere leaves the counts whole.
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut counted = self.guard.lock();
        counted.all -= 1;
        if let Some(theirs) = counted.by_address.get_mut(&self.address) {
            *theirs -= 1;
            if *theirs == 0 {
                counted.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    #[test]
    fn one_address_cannot_take_every_place_and_places_come_back() {
        let bounds = Bounds { strangers: 5, strangers_per_address: 2, ..Bounds::default() };
        let guard = Guard::new(bounds);
        let first: Vec<_> = (0..4).filter_map(|_| guard.admit(address(1))).collect();
        assert_eq!(first.len(), 2);
        let others: Vec<_> = (2..9).filter_map(|last| guard.admit(address(last))).collect();
        assert_eq!((others.len(), guard.strangers()), (3, 5), "no more than all places");
        drop(first);
        assert!(guard.admit(address(1)).is_some());
        drop(others);
        assert_eq!(guard.strangers(), 0);
        assert!(guard.lock().by_address.is_empty(), "an address that has gone is forgotten");
    }

    #[test]
    fn a_proxy_on_this_machine_has_no_share_of_its_own() {
        let bounds = Bounds { strangers: 5, strangers_per_address: 2, ..Bounds::default() };
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let guard = Guard::new(bounds);
        assert_eq!((0..9).filter_map(|_| guard.admit(loopback)).collect::<Vec<_>>().len(), 5);
        let guard = Guard::new(Bounds { loopback_too: true, ..bounds });
        assert_eq!((0..9).filter_map(|_| guard.admit(loopback)).collect::<Vec<_>>().len(), 2);
    }
}
