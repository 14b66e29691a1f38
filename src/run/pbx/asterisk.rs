//! An Asterisk at work: its events become facts, its media legs become streams of our sessions.
//!
//! Three things wait here: the event socket (opened again when it breaks), the port that Asterisk connects its legs to (where it
//! does), and a task for each leg. Nothing is decided but whose it is: `core/wire` reads, the session speaks, the ledger remembers.

mod ahead;
mod legs;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Attached, Board, Ended, EventHouse, ToLeg, keep_listening};
use crate::base::text::printable;
use crate::base::{AttemptId, Failure, Wall, limits};
use crate::core::config::{AsteriskConfig, AsteriskMedia};
use crate::core::dial::CallStatus;
use crate::core::wire::ari::{self, Told, What};
use crate::core::wire::chan_websocket;
use crate::edge::carrier::asterisk::Asterisk;
use crate::edge::carrier::events::EventSocket;
use crate::edge::carrier::{AskFault, Carrier};
use crate::run::clock::Clock;
use crate::run::gateway::Streams;

struct House {
    asterisk: Arc<Asterisk>,
    board: Board<()>,
}

/// Opens the event socket and the way of the media, and keeps both. Errors: the events cannot be opened, the port is taken, its
/// version has not what is asked for.
pub(super) async fn attach(
    asterisk: Arc<Asterisk>,
    config: &AsteriskConfig,
    streams: Streams,
    clock: Arc<dyn Clock>,
) -> Result<Attached, Failure> {
    let board = Board::new(Arc::clone(&asterisk) as Arc<dyn Carrier>, streams, clock);
    let house = Arc::new(House { asterisk, board });
    let mut tasks = JoinSet::new();
    keep_listening(&house, &mut tasks).await.map_err(|words| unheard(&words))?;
    if goes_ahead(&house.asterisk, config.media).await? {
        legs::open_ahead(&house, config, &mut tasks).await?;
    } else {
        legs::open_audio(&house, config, &mut tasks).await?;
    }
    Ok(Attached(tasks))
}

/// Whether the sound goes by `chan_websocket`.
async fn goes_ahead(asterisk: &Asterisk, media: AsteriskMedia) -> Result<bool, Failure> {
    if media == AsteriskMedia::AudioSocket {
        return Ok(false);
    }
    let unasked = |fault: AskFault| unheard(&fault.to_string());
    let version = asterisk.version().await.map_err(unasked)?;
    let has = chan_websocket::is_in(&version);
    // A build from sources says no version that tells: only whoever writes the word may mean it.
    let worth_asking = has == Some(true) || (has.is_none() && media == AsteriskMedia::WebSocket);
    let goes = worth_asking && asterisk.runs("chan_websocket.so").await.map_err(unasked)?;
    let version = printable(&version);
    if media == AsteriskMedia::WebSocket && !goes {
        let why = if worth_asking { "the module does not run" } else { "it has no marks there" };
        return Err(Failure::usage(format!("the Asterisk {version} has no media by chan_websocket: {why}"))
            .next("use 20.18, 22.8, 23.2 or newer and load chan_websocket.so, or write media = \"audiosocket\""));
    }
    tracing::info!(version, by = if goes { "chan_websocket" } else { "AudioSocket" }, "media of the Asterisk");
    Ok(goes)
}

fn unheard(words: &str) -> Failure {
    Failure::bug(format!("the Asterisk's events cannot be opened: {words}")).next(
        "compare base_url, user, password and app with http.conf and ari.conf (docs/ASTERISK.md); ask `ahoy doctor`",
    )
}

impl EventHouse for House {
    type News = Told;
    const NAME: &'static str = "Asterisk";

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.board.clock
    }

    fn working(&self) -> &Arc<Semaphore> {
        &self.board.working
    }

    async fn open(&self) -> Result<EventSocket, String> {
        self.asterisk.listen().await
    }

    fn told(&self, told: bool) {
        self.asterisk.set_told(told);
    }

    fn read(&self, text: &str) -> Option<Told> {
        ari::read(text)
    }

    async fn take(self: Arc<Self>, told: Told) {
        let attempt = told.attempt;
        match told.what {
            What::Ringing => self.board.report(attempt, CallStatus::Ringing, Ended::default()).await,
            What::Key(key) => self.board.tell(attempt, ToLeg::Key(key)),
            What::Up => {
                let at = told.at.unwrap_or_else(|| self.board.clock.wall());
                self.board.lines().entry(attempt).or_default().answered.get_or_insert(at);
                self.board.report(attempt, CallStatus::InProgress, Ended::default()).await;
            }
            What::Entered => {
                self.join(attempt, told.at).await;
                self.board.report(attempt, CallStatus::InProgress, Ended::default()).await;
            }
            What::Gone(cause) => {
                self.board.tell(attempt, ToLeg::Over);
                let line = self.board.lines().remove(&attempt);
                let answered = line.and_then(|line| line.answered);
                let status = ari::ending(cause, answered.is_some());
                let ended = told.at.unwrap_or_else(|| self.board.clock.wall());
                let words = [("cause", Some(cause.cause)), ("tech_cause", cause.tech)];
                let words = words.into_iter().filter_map(|(name, code)| Some((name.to_owned(), code?.to_string())));
                let more = Ended {
                    duration_s: self.board.talked(answered, ended),
                    sip_code: cause.tech,
                    words: words.collect(),
                };
                self.board.report(attempt, status, more).await;
                self.asterisk.clear_away(attempt).await;
            }
        }
    }

    /// One that is gone is left to the sweep: nobody saw how it ended.
    async fn catch_up(self: Arc<Self>) {
        let known: Vec<AttemptId> = self.board.lines().keys().copied().collect();
        for attempt in known {
            let Some(sid) = self.asterisk.own_sid(attempt) else { continue };
            match self.asterisk.fetch(&sid).await {
                Ok(call) if call.status == CallStatus::InProgress => {
                    Arc::clone(&self).take(Told { attempt, at: None, what: What::Entered }).await;
                }
                Ok(call) => self.board.report(attempt, call.status, Ended::default()).await,
                Err(AskFault::Gone) => {
                    self.board.tell(attempt, ToLeg::Over);
                    self.board.lines().remove(&attempt);
                    self.asterisk.clear_away(attempt).await;
                }
                Err(fault) => tracing::warn!(%attempt, %fault, "a call could not be asked about"),
            }
        }
    }
}

impl House {
    /// The callee is in our application: into the bridge, then the leg may speak. Once.
    async fn join(&self, attempt: AttemptId, at: Option<Wall>) {
        {
            let mut lines = self.board.lines();
            let line = lines.entry(attempt).or_default();
            line.answered.get_or_insert(at.unwrap_or_else(|| self.board.clock.wall()));
            if std::mem::replace(&mut line.joined, true) {
                return;
            }
        }
        let joined = self.asterisk.join(attempt).await;
        let since = self.board.clock.boot();
        let leg = loop {
            // It connected before the telephone rang, or never will.
            let leg = self.board.lines().get(&attempt).and_then(|line| line.leg.clone());
            if leg.is_some() || joined.is_err() || self.board.clock.boot().since(since) > limits::LEG_WAIT {
                break leg;
            }
            self.board.clock.sleep(Duration::from_millis(20)).await;
        };
        let speaks = match (&joined, leg) {
            (Ok(()), Some(leg)) => leg.send(ToLeg::Answered).await.is_ok(),
            (_, _) => false,
        };
        if !speaks {
            let fault = joined.err();
            tracing::error!(%attempt, ?fault, "an answered call has no media leg: it is hung up");
            self.end(attempt).await;
        }
    }

    /// Nobody is to answer, or to stay with, a call that cannot be heard.
    async fn end(&self, attempt: AttemptId) {
        if let Some(sid) = self.asterisk.own_sid(attempt) {
            self.board.hang_up(attempt, &sid).await;
        }
    }
}
