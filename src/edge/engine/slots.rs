//! How many requests of ours a service bears at once: as configured, lowered by what the service says.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A gate of slots that may become narrower and wide again.
#[derive(Debug)]
pub struct Slots {
    most: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    /// Requests that may be out now, 1 to `most`.
    limit: usize,
    /// Requests that are out.
    busy: usize,
    /// Good answers since the limit last moved.
    calm: usize,
}

/// The right to have one request out; freed by dropping.
#[derive(Debug)]
pub struct Slot<'a> {
    slots: &'a Slots,
}

impl Slots {
    /// A gate of this many slots, at least one.
    pub fn new(most: usize) -> Slots {
        let most = most.max(1);
        Slots { most, state: Mutex::new(State { limit: most, busy: 0, calm: 0 }), freed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot.
    pub async fn enter(&self) -> Slot<'_> {
        loop {
            // Made before the look, so that a slot which is freed in between still wakes this.
            let freed = self.freed.notified();
            {
                let mut state = self.state();
                if state.busy < state.limit {
                    state.busy += 1;
                    return Slot { slots: self };
                }
            }
            freed.await;
        }
    }

    /// What the service says: the most requests of the account at once, and how many are out now, others' included.
    pub fn told(&self, most: Option<u64>, current: Option<u64>) {
        let Some(most) = most else { return };
        let mut state = self.state();
        let ours = state.busy as u64;
        let others = current.unwrap_or(ours).saturating_sub(ours);
        let left = usize::try_from(most.saturating_sub(others)).unwrap_or(self.most).clamp(1, self.most);
        if left < state.limit {
            state.limit = left;
            state.calm = 0;
        }
    }

    /// How many may be out now.
    pub fn limit(&self) -> usize {
        self.state().limit
    }
}

impl Slot<'_> {
    /// The service took the request: after as many good answers as there are slots, there is one more.
    pub fn served(&self) {
        let mut state = self.slots.state();
        state.calm += 1;
        if state.calm >= state.limit && state.limit < self.slots.most {
            state.limit += 1;
            state.calm = 0;
        }
    }

    /// The service said that too many are out: as many as our others may stay. Returns whether there are others of ours
    /// whose end is worth waiting for.
    pub fn crowded(self) -> bool {
        let mut state = self.slots.state();
        let others = state.busy.saturating_sub(1);
        state.limit = state.limit.min(others.max(1));
        state.calm = 0;
        others > 0
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.slots.state().busy -= 1;
        self.slots.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_crowded_request_waits_for_one_of_ours_to_end() {
        let slots = Slots::new(4);
        let (first, second, third) = (slots.enter().await, slots.enter().await, slots.enter().await);
        assert!(third.crowded(), "two others are out");
        assert_eq!(slots.limit(), 2);
        assert!(slots.enter().now_or_never().is_none(), "not before one of them ends");
        let waiting = slots.enter();
        drop(first);
        let again = waiting.await;
        drop((second, again));
        let alone = slots.enter().await;
        assert!(!alone.crowded(), "nobody's end to wait for: the caller must come back later");
        assert_eq!(slots.limit(), 1);
    }

    #[tokio::test]
    async fn headers_lower_the_gate_and_good_answers_raise_it_slowly() {
        let slots = Slots::new(8);
        let one = slots.enter().await;
        slots.told(Some(10), Some(1));
        assert_eq!(slots.limit(), 8, "never beyond what is configured");
        slots.told(Some(5), Some(3));
        assert_eq!(slots.limit(), 3, "two of others are out");
        slots.told(Some(2), Some(40));
        assert_eq!(slots.limit(), 1, "never none");
        slots.told(None, Some(40));
        one.served();
        assert_eq!(slots.limit(), 2);
        one.served();
        assert_eq!(slots.limit(), 2, "two good answers for the next");
        one.served();
        assert_eq!(slots.limit(), 3);
    }

    #[tokio::test]
    async fn every_waiter_is_served_in_the_end() {
        let slots = Arc::new(Slots::new(3));
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let slots = Arc::clone(&slots);
                tokio::spawn(async move {
                    let slot = slots.enter().await;
                    tokio::task::yield_now().await;
                    slot.served();
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(slots.limit(), 3);
    }
}
