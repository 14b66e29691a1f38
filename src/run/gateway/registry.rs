//! The streams that may come: expected before the call is placed, claimed once, by their token.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::Notify;

use super::Overloaded;
use crate::base::{AttemptId, Boot, CallId, limits};
use crate::core::call::{Answerer, CallScript};
use crate::edge::carrier::StreamProof;
use crate::run::agent::AgentLine;

/// A stream that may come.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The attempt.
    pub attempt: AttemptId,
    /// The call that it becomes.
    pub call: CallId,
    /// The token given to the carrier.
    pub token: String,
    /// Not accepted from here on.
    pub expires: Boot,
    /// How it proves whose it is.
    pub proof: StreamProof,
    /// What to do.
    pub script: Arc<CallScript>,
    /// A better script that may be ready by the time of the answer.
    pub late: Option<Arc<LateScript>>,
}

/// A script whose greeting is being rendered while the phone rings.
#[derive(Debug, Default)]
pub struct LateScript {
    ready: OnceLock<Arc<CallScript>>,
    missed: AtomicU64,
}

impl LateScript {
    /// From here on, whoever answers hears it.
    pub fn is_ready(&self, script: Arc<CallScript>) {
        // All of them are made from the same sound: the first counts.
        let _the_first_counts = self.ready.set(script);
    }

    /// The script, once it is ready.
    pub fn get(&self) -> Option<&Arc<CallScript>> {
        self.ready.get()
    }

    /// Calls that were answered before it was ready: they heard the fall-back.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// What the carrier says about who answered, on its way to the stream.
#[derive(Debug, Default)]
pub(in crate::run) struct CarrierWord {
    who: OnceLock<Answerer>,
    told: Notify,
}

impl CarrierWord {
    pub(super) fn tell(&self, who: Answerer) {
        // It is told once a call; a repeat says the same.
        let _the_first_counts = self.who.set(who);
        self.told.notify_one();
    }

    /// Waits for it.
    pub(in crate::run) async fn heard(&self) -> Answerer {
        loop {
            if let Some(who) = self.who.get() {
                return *who;
            }
            self.told.notified().await;
        }
    }
}

struct Slot {
    /// The agent's session, until the stream takes it.
    agent: Option<AgentLine>,
    word: Arc<CarrierWord>,
    expected: Expected,
    answered: Option<Boot>,
    /// Zero of its log, once its stream has begun.
    began: Option<Boot>,
}

/// The streams that may come, by attempt. Cheap to clone, safe to share.
#[derive(Clone, Default)]
pub struct Registry {
    slots: Arc<Mutex<HashMap<AttemptId, Slot>>>,
}

impl Registry {
    /// Expects a stream. Replaces what was expected for the attempt, unless that stream is live.
    pub fn expect(&self, expected: Expected) -> Result<(), Overloaded> {
        let mut slots = self.lock();
        if slots.len() >= limits::EXPECTED_STREAMS || slots.get(&expected.attempt).is_some_and(|it| it.began.is_some())
        {
            return Err(Overloaded);
        }
        let word = Arc::default();
        slots.insert(expected.attempt, Slot { agent: None, word, expected, answered: None, began: None });
        Ok(())
    }

    /// Gives the agent's session of an expected stream. It ends when the stream is not expected any more.
    pub fn lend(&self, attempt: AttemptId, agent: AgentLine) {
        if let Some(slot) = self.lock().get_mut(&attempt) {
            slot.agent = Some(agent);
        }
    }

    /// The agent's session of a stream that has begun: once.
    pub(in crate::run) fn take_agent(&self, attempt: AttemptId) -> Option<AgentLine> {
        self.lock().get_mut(&attempt)?.agent.take()
    }

    /// Expects it no longer: the call ended without a stream. A live stream goes on.
    pub fn forget(&self, attempt: AttemptId) {
        let mut slots = self.lock();
        if slots.get(&attempt).is_some_and(|slot| slot.began.is_none()) {
            slots.remove(&attempt);
        }
    }

    /// Streams expected or live.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing is expected and nothing live.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the expected stream for this token: once. Gives it and the zero of its log.
    pub(in crate::run) fn claim(
        &self,
        attempt: AttemptId,
        token: &str,
        now: Boot,
    ) -> Option<(Expected, Boot, Option<Boot>)> {
        let mut slots = self.lock();
        let slot = slots.get_mut(&attempt)?;
        if slot.began.is_some() || now >= slot.expected.expires || slot.expected.token != token {
            return None;
        }
        let zero = slot.answered.unwrap_or(now);
        slot.began = Some(zero);
        if let Some(late) = &slot.expected.late {
            match late.get() {
                Some(script) => slot.expected.script = Arc::clone(script),
                None => {
                    late.missed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Some((slot.expected.clone(), zero, slot.answered))
    }

    /// Whether a stream of this attempt that waits to begin is opened by its token alone.
    pub(super) fn opens_by_token(&self, attempt: AttemptId, token: &str) -> bool {
        self.lock().get(&attempt).is_some_and(|slot| {
            let Expected { proof, token: own, .. } = &slot.expected;
            *proof == StreamProof::Token && slot.began.is_none() && own == token
        })
    }

    /// The carrier's word about the call of this attempt, whenever it comes.
    pub(in crate::run) fn word_of(&self, attempt: AttemptId) -> Option<Arc<CarrierWord>> {
        self.lock().get(&attempt).map(|slot| Arc::clone(&slot.word))
    }

    /// The call of a live stream, and the zero of its log.
    pub(super) fn live(&self, attempt: AttemptId) -> Option<(CallId, Boot)> {
        let slots = self.lock();
        let slot = slots.get(&attempt)?;
        slot.began.map(|zero| (slot.expected.call, zero))
    }

    pub(in crate::run) fn ended(&self, attempt: AttemptId) {
        self.lock().remove(&attempt);
    }

    /// Notes the answer; gives the call and the zero of its log if its stream is live already.
    pub(super) fn answered(&self, attempt: AttemptId, now: Boot) -> Option<(CallId, Boot)> {
        let mut slots = self.lock();
        let slot = slots.get_mut(&attempt)?;
        if slot.answered.is_some() {
            return None;
        }
        slot.answered = Some(now);
        slot.began.map(|zero| (slot.expected.call, zero))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<AttemptId, Slot>> {
        // Every change is one step: a panic elsewhere leaves the map whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
