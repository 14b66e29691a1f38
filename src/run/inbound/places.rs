//! A desk's places, and the carrier's repeats.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::{Sid, limits};

/// How many calls a desk has, and may have.
pub(super) struct Places {
    taken: AtomicUsize,
    most: usize,
}

/// A place, given back unless it is kept.
pub(super) struct Place<'a>(&'a Places);

impl Places {
    pub fn new(most: usize) -> Places {
        Places { taken: AtomicUsize::new(0), most }
    }

    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// A place, if one is free.
    pub fn take(&self) -> Option<Place<'_>> {
        let free = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).ok().map(|_| Place(self))
    }

    /// A place that was kept is free again.
    pub fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Place<'_> {
    /// It is a call's: [`Places::give_back`] frees it.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// What each of the last calls was answered with: a carrier that repeats its question hears the same.
#[derive(Default)]
pub(super) struct Repeats {
    documents: HashMap<Sid, String>,
    order: VecDeque<Sid>,
}

impl Repeats {
    pub fn get(&self, sid: &Sid) -> Option<String> {
        self.documents.get(sid).cloned()
    }

    pub fn keep(&mut self, sid: Sid, document: String) {
        if self.documents.insert(sid.clone(), document).is_none() {
            self.order.push_back(sid);
        }
        if self.order.len() > limits::INBOUND_REPEATS
            && let Some(oldest) = self.order.pop_front()
        {
            self.documents.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_not_kept_is_free_again_and_no_more_are_given_than_there_are() {
        let places = Places::new(2);
        let first = places.take().expect("free");
        first.keep();
        let second = places.take().expect("free");
        assert!(places.take().is_none());
        drop(second);
        assert_eq!(places.taken(), 1);
        places.give_back();
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn a_storm_of_calls_keeps_the_last_answers_only() {
        let mut repeats = Repeats::default();
        let sid = |n: usize| format!("CA{n}").parse::<Sid>().expect("a sid");
        for n in 0..limits::INBOUND_REPEATS + 10 {
            repeats.keep(sid(n), n.to_string());
            repeats.keep(sid(n), n.to_string());
        }
        assert_eq!(repeats.get(&sid(9)), None);
        assert_eq!(repeats.get(&sid(10)).as_deref(), Some("10"));
        assert_eq!(repeats.documents.len(), limits::INBOUND_REPEATS);
    }
}
