//! An Asterisk at work: its events become facts, its media legs become streams of our sessions.
//!
//! Three things wait here: the event socket (opened again when it breaks), the port that Asterisk connects its legs to, and a
//! task for each leg. Nothing is decided but whose it is: `core/wire` reads, the session speaks, the ledger remembers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::talk::{Heard, LegSocket, Who, talk};
use super::{Attached, Board, Ended, EventHouse, ToLeg, keep_listening};
use crate::base::{AttemptId, Failure, Wall, limits};
use crate::core::config::AsteriskConfig;
use crate::core::dial::CallStatus;
use crate::core::wire::ari::{self, Told, What};
use crate::core::wire::audiosocket::{FRAME, Said};
use crate::edge::carrier::asterisk::Asterisk;
use crate::edge::carrier::asterisk::audio::{AudioDoor, AudioSocket};
use crate::edge::carrier::events::EventSocket;
use crate::edge::carrier::{AskFault, Carrier};
use crate::run::clock::Clock;
use crate::run::gateway::Streams;

struct House {
    asterisk: Arc<Asterisk>,
    board: Board<()>,
}

/// Opens the media port and the event socket, and keeps both. Errors: the port is taken, the events cannot be opened.
pub(super) async fn attach(
    asterisk: Arc<Asterisk>,
    config: &AsteriskConfig,
    streams: Streams,
    clock: Arc<dyn Clock>,
) -> Result<Attached, Failure> {
    let audio = AudioDoor::open(config.media_listen).await?;
    let own = audio.address().map_err(|error| Failure::bug(format!("no local address: {error}")))?;
    asterisk.set_media_address(config.media_address.clone().unwrap_or_else(|| own.to_string()));
    let board = Board::new(Arc::clone(&asterisk) as Arc<dyn Carrier>, streams, clock);
    let house = Arc::new(House { asterisk, board });
    let mut tasks = JoinSet::new();
    tasks.spawn(answer(Arc::clone(&house), audio));
    keep_listening(&house, &mut tasks).await.map_err(|words| unheard(&words))?;
    Ok(Attached(tasks))
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
        match (joined, leg) {
            (Ok(()), Some(leg)) => {
                let _gone_already = leg.send(ToLeg::Answered).await;
            }
            (joined, _) => {
                let fault = joined.err();
                tracing::error!(%attempt, ?fault, "an answered call has no media leg: it is hung up");
                let Some(sid) = self.asterisk.own_sid(attempt) else { return };
                self.board.hang_up(attempt, &sid).await;
            }
        }
    }
}

/// Takes the legs that Asterisk connects.
async fn answer(house: Arc<House>, audio: AudioDoor) {
    let mut legs = JoinSet::new();
    let strangers = Arc::new(Semaphore::new(limits::LEG_STRANGERS));
    loop {
        tokio::select! {
            came = audio.accept() => match came {
                Ok(socket) => {
                    // Too many that have not said who they are: this one is closed.
                    if let Ok(place) = Arc::clone(&strangers).try_acquire_owned() {
                        let house = Arc::clone(&house);
                        legs.spawn(async move {
                            let named = timeout(limits::LEG_NAME, named(&house, socket)).await.ok().flatten();
                            drop(place);
                            if let Some((attempt, token, socket)) = named {
                                live(house, attempt, token, socket).await;
                            }
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the system gives no more connections to media legs");
                    house.board.clock.sleep(limits::ACCEPT_PAUSE).await;
                }
            },
            Some(done) = legs.join_next() => if let Err(error) = done {
                tracing::error!(%error, "a media leg ended in a bug");
            },
        }
    }
}

async fn named(house: &House, mut socket: AudioSocket) -> Option<(AttemptId, String, AudioSocket)> {
    match socket.next().await? {
        Said::Name(name) => {
            let (attempt, token) = house.asterisk.leg(name)?;
            Some((attempt, token, socket))
        }
        Said::Sound(_) | Said::Key(_) | Said::HungUp | Said::Error(_) | Said::Other(_) => None,
    }
}

/// A leg from its connection to its end. Until the call is answered and in the bridge nothing is sent.
async fn live(house: Arc<House>, attempt: AttemptId, token: String, mut socket: AudioSocket) {
    let (to, mut told) = mpsc::channel(limits::LEG_MESSAGES);
    house.board.lines().entry(attempt).or_default().leg = Some(to);
    loop {
        tokio::select! {
            said = socket.next() => match said {
                // The line before the answer: nobody of ours listens.
                Some(Said::Sound(_) | Said::Key(_) | Said::Name(_) | Said::Other(_) | Said::Error(_)) => {}
                Some(Said::HungUp) | None => return,
            },
            what = told.recv() => match what {
                Some(ToLeg::Answered) => break,
                Some(ToLeg::Key(_)) => {}
                Some(ToLeg::Over) | None => return socket.close().await,
            },
        }
    }
    let Some(sid) = house.asterisk.own_sid(attempt) else { return };
    let stream = ari::media_of(attempt);
    let session = talk(&house.board, Who { attempt, sid: &sid, stream: &stream, token }, &mut socket, &mut told).await;
    socket.close().await;
    // Its log and its summary: the session ends by itself now that its socket is closed.
    if let Err(error) = session.await {
        tracing::error!(%attempt, %error, "a session ended in a bug");
    }
}

impl LegSocket for AudioSocket {
    fn send(&mut self, frame: &[i16; FRAME]) -> bool {
        AudioSocket::send(self, frame)
    }

    /// Nothing is held there.
    fn cut(&mut self) {}

    async fn next(&mut self) -> Heard {
        match AudioSocket::next(self).await {
            Some(Said::Sound(samples)) => Heard::Sound(samples),
            // Keys come by the channel's events, once.
            Some(Said::Key(_) | Said::Name(_) | Said::Other(_) | Said::Error(_)) => Heard::Nothing,
            Some(Said::HungUp) | None => Heard::Over,
        }
    }
}
