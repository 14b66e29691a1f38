//! `GET /api/clones/{caller_id}` and `GET /metrics/cloning`: what is asked of the room of voice clones, and how it is told.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::House;
use crate::base::time::parse_span;
use crate::base::{Phone, limits};
use crate::core::api::page::Spread;
use crate::core::api::{Answer, Query};
use crate::edge::gateway::Boxed;
use crate::run::clock::Clock;
use crate::run::clone::{CloneState, Cloner};

/// Where a caller's voice stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloneLook {
    /// It is being made, or waits for its turn.
    Making,
    /// It is there.
    Ready {
        /// The service's id of it.
        voice: String,
    },
    /// There is none.
    Failed {
        /// A stable word.
        reason: String,
    },
}

/// What the API asks of the room that clones voices. None of it wants a voice: asking makes none.
pub trait CloneRoom: Send + Sync {
    /// Where the voice of a caller stands; `None`: nobody wants it, and it is not there.
    fn look(&self, caller: &Phone) -> Option<CloneLook>;
    /// Ready when a voice that is being made is made or has failed; at once if none is being made. By notification.
    fn settled(&self, caller: &Phone) -> Boxed<'static, ()>;
    /// How it went over the last `window`: an object with numbers.
    fn figures(&self, window: Duration) -> Value;
    /// Times from the wish to the voice since the start.
    fn seconds(&self) -> Spread;
}

impl CloneRoom for Cloner {
    fn look(&self, caller: &Phone) -> Option<CloneLook> {
        Some(match &*self.peek(caller)?.borrow() {
            CloneState::Making => CloneLook::Making,
            CloneState::Ready { voice, .. } => CloneLook::Ready { voice: voice.clone() },
            CloneState::Failed { why } => CloneLook::Failed { reason: why.kind().to_owned() },
        })
    }

    fn settled(&self, caller: &Phone) -> Boxed<'static, ()> {
        let told = self.peek(caller);
        Box::pin(async move {
            if let Some(mut told) = told {
                // A room that has gone tells nothing more: what it knows is looked at anew.
                let _settled_or_gone = told.wait_for(|state| *state != CloneState::Making).await.map(|_| ());
            }
        })
    }

    fn figures(&self, window: Duration) -> Value {
        serde_json::to_value(self.metrics(window)).expect("figures are numbers")
    }

    fn seconds(&self) -> Spread {
        Cloner::seconds(self)
    }
}

fn off() -> Answer {
    Answer::refused(404, "no_clones", "this process clones no voices")
}

/// The state of a caller's voice, at most `wait_ms` later: sooner, if it settles.
pub(super) async fn state(room: Option<&Arc<dyn CloneRoom>>, clock: &dyn Clock, caller: &str, query: &str) -> Answer {
    let Some(room) = room else { return off() };
    let wait = match Query::read(query).number("wait_ms", limits::API_CLONE_WAIT.as_millis() as u64) {
        Ok(wait) => Duration::from_millis(wait.unwrap_or(0)),
        Err(message) => return Answer::refused(400, "bad_query", &message),
    };
    let Ok(caller) = Phone::parse(caller, None) else {
        return Answer::refused(400, "bad_caller", "the caller's id is + and the number");
    };
    if room.look(&caller) == Some(CloneLook::Making) && !wait.is_zero() {
        tokio::select! {
            () = room.settled(&caller) => {}
            () = clock.sleep(wait) => {}
        }
    }
    match room.look(&caller) {
        None => Answer::refused(404, "no_clone", "nobody has wanted this caller's voice"),
        Some(CloneLook::Making) => Answer::json(200, json!({ "state": "making", "voice": null, "reason": null })),
        Some(CloneLook::Ready { voice }) => {
            Answer::json(200, json!({ "state": "ready", "voice": voice, "reason": null }))
        }
        Some(CloneLook::Failed { reason }) => {
            Answer::json(200, json!({ "state": "failed", "voice": null, "reason": reason }))
        }
    }
}

/// The window that a query names, an hour if none.
fn window(query: &str) -> Result<Duration, String> {
    let Some(text) = Query::read(query).text("window") else { return Ok(limits::API_WINDOW) };
    match parse_span(&text) {
        Ok(span) if (Duration::from_secs(60)..=limits::API_WINDOW_MOST).contains(&span) => Ok(span),
        Ok(_) | Err(_) => Err("window is 1m to 24h, such as 30m".to_owned()),
    }
}

impl House {
    /// How cloning went over a window; the wait in the menu is the ledger's.
    pub(super) async fn cloning(&self, query: &str) -> Answer {
        let Some(room) = &self.clones else { return off() };
        let window = match window(query) {
            Ok(window) => window,
            Err(message) => return Answer::refused(400, "bad_query", &message),
        };
        let since = self.engine.clock().wall() - window;
        let waits = self.look(self.engine.ledger().run(move |ledger| ledger.menu_wait(since))).await;
        let Some(Ok(wait)) = waits else {
            return Answer::refused(503, "ledger", "the ledger cannot be read now").after(5);
        };
        let mut figures = room.figures(window);
        figures["menu_wait_s"] = wait.map_or(Value::Null, |ms| (ms / 1_000.0).into());
        Answer::json(200, figures)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::run::clock::MachineClock;

    struct Room(watch::Sender<Option<CloneLook>>);

    impl CloneRoom for Room {
        fn look(&self, _: &Phone) -> Option<CloneLook> {
            self.0.borrow().clone()
        }

        fn settled(&self, _: &Phone) -> Boxed<'static, ()> {
            let mut told = self.0.subscribe();
            Box::pin(async move {
                let _sender_gone = told.wait_for(|look| *look != Some(CloneLook::Making)).await;
            })
        }

        fn figures(&self, window: Duration) -> Value {
            json!({ "window_s": window.as_secs() })
        }

        fn seconds(&self) -> Spread {
            Spread { bounds: Vec::new(), counts: vec![0], sum_s: 0.0 }
        }
    }

    async fn asked(room: &Arc<dyn CloneRoom>, query: &str) -> (u16, String) {
        let answer = state(Some(room), &MachineClock, "+442079460000", query).await;
        let crate::core::api::Body::Json(value) = answer.body else { panic!("JSON") };
        let word = value["state"].as_str().or(value["error"]["reason"].as_str()).unwrap_or_default().to_owned();
        (answer.status, word)
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_poll_ends_with_the_voice_or_its_time_and_asks_nobody_meanwhile() {
        let (told, _held) = watch::channel(None);
        let room: Arc<dyn CloneRoom> = Arc::new(Room(told.clone()));
        assert_eq!(asked(&room, "wait_ms=5000").await, (404, "no_clone".to_owned()), "at once: nothing is being made");
        told.send_replace(Some(CloneLook::Making));
        let began = tokio::time::Instant::now();
        assert_eq!(asked(&room, "wait_ms=5000").await, (200, "making".to_owned()));
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        let later = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            told.send_replace(Some(CloneLook::Ready { voice: "v1".to_owned() }));
        };
        let began = tokio::time::Instant::now();
        let (answer, ()) = tokio::join!(asked(&room, "wait_ms=5000"), later);
        assert_eq!((answer, began.elapsed()), ((200, "ready".to_owned()), Duration::from_secs(2)));
        for query in ["wait_ms=-1", "wait_ms=x", "wait_ms=99999999"] {
            assert_eq!(asked(&room, query).await, (400, "bad_query".to_owned()), "{query}");
        }
    }

    #[test]
    fn a_window_is_a_span_with_its_unit_within_a_day() {
        assert_eq!(window(""), Ok(limits::API_WINDOW));
        assert_eq!(window("window=30m"), Ok(Duration::from_secs(1_800)));
        for query in ["window=1", "window=0s", "window=25h", "window="] {
            assert!(window(query).is_err(), "{query}");
        }
    }
}
