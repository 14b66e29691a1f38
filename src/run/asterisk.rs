//! An Asterisk at work: its events become facts, its media legs become streams of our sessions.
//!
//! Three things wait here: the event socket (opened again when it breaks), the port that Asterisk connects its legs to, and a
//! task for each leg. Nothing is decided but whose it is: `core/wire` reads, the session speaks, the ledger remembers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::base::{AttemptId, Boot, Failure, Sid, Wall, limits};
use crate::core::config::{AsteriskConfig, CarrierKind};
use crate::core::dial::CallStatus;
use crate::core::wire::ari::{self, Told, What};
use crate::core::wire::audiosocket::Said;
use crate::core::wire::leg::Leg;
use crate::edge::carrier::asterisk::Asterisk;
use crate::edge::carrier::asterisk::audio::{AudioDoor, AudioSocket};
use crate::edge::carrier::asterisk::events::{Came, EventSocket};
use crate::edge::carrier::{AskFault, Carrier};
use crate::run::carriers::OpenCarrier;
use crate::run::clock::Clock;
use crate::run::gateway::{StatusEvent, Streams};
use crate::store::workspace::Workspace;

mod door;

use door::{End, door};

/// What a leg is told about its call.
enum ToLeg {
    /// It was answered and is in the bridge: speak.
    Answered,
    /// A key.
    Key(char),
    /// The call is over.
    Over,
}

/// A call as this process knows it.
#[derive(Default)]
struct Line {
    leg: Option<mpsc::Sender<ToLeg>>,
    /// When it was answered, by Asterisk's clock or ours.
    answered: Option<Wall>,
    joined: bool,
}

struct House {
    asterisk: Arc<Asterisk>,
    streams: Streams,
    clock: Arc<dyn Clock>,
    lines: Mutex<HashMap<AttemptId, Line>>,
    working: Arc<Semaphore>,
}

/// Tasks of an Asterisk; dropping it stops them all.
pub struct Attached(#[allow(dead_code)] JoinSet<()>);

/// Attaches a carrier that is an Asterisk; any other needs nothing.
pub async fn attach_to(
    ws: &Workspace,
    carrier: &OpenCarrier,
    streams: Option<Streams>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Attached>, Failure> {
    match (&carrier.asterisk, &ws.config.carriers[&carrier.name].kind, streams) {
        (Some(asterisk), CarrierKind::Asterisk(config), Some(streams)) => {
            attach(Arc::clone(asterisk), config, streams, Arc::clone(clock)).await.map(Some)
        }
        (_, _, _) => Ok(None),
    }
}

/// Opens the media port and the event socket, and keeps both. Errors: the port is taken, the events cannot be opened.
async fn attach(
    asterisk: Arc<Asterisk>,
    config: &AsteriskConfig,
    streams: Streams,
    clock: Arc<dyn Clock>,
) -> Result<Attached, Failure> {
    let audio = AudioDoor::open(config.media_listen).await?;
    let own = audio.address().map_err(|error| Failure::bug(format!("no local address: {error}")))?;
    asterisk.set_media_address(config.media_address.clone().unwrap_or_else(|| own.to_string()));
    let working = Arc::new(Semaphore::new(limits::ARI_EVENTS));
    let house = Arc::new(House { asterisk, streams, clock, lines: Mutex::default(), working });
    let (first, opened) = oneshot::channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(listen(Arc::clone(&house), first));
    tasks.spawn(answer(Arc::clone(&house), audio));
    let opened = timeout(limits::PLACE_TIMEOUT, opened).await;
    match opened {
        Ok(Ok(Ok(()))) => Ok(Attached(tasks)),
        Ok(Ok(Err(words))) => Err(unheard(&words)),
        Ok(Err(_)) | Err(_) => Err(unheard("no answer")),
    }
}

fn unheard(words: &str) -> Failure {
    Failure::bug(format!("the Asterisk's events cannot be opened: {words}")).next(
        "compare base_url, user, password and app with http.conf and ari.conf (docs/ASTERISK.md); ask `ahoy doctor`",
    )
}

impl House {
    fn lines(&self) -> MutexGuard<'_, HashMap<AttemptId, Line>> {
        // Every change is one step: a panic elsewhere leaves the map whole.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, attempt: AttemptId, what: ToLeg) {
        let leg = self.lines().get(&attempt).and_then(|line| line.leg.clone());
        // A leg that is gone, or that has not read for so long, has lost its call already.
        if let Some(leg) = leg {
            let _gone_or_stuck = leg.try_send(what);
        }
    }

    async fn report(&self, attempt: AttemptId, status: CallStatus, more: Ended) {
        let Some(sid) = self.asterisk.own_sid(attempt) else { return };
        let event = StatusEvent {
            attempt,
            sid: Some(sid),
            status,
            sequence: None,
            duration_s: more.duration_s,
            sip_code: more.sip_code,
            answered_by: None,
            form: more.words,
        };
        // Busy: asked again for as long as a carrier would repeat itself; after that the sweep asks.
        for wait in [0, 1, 2, 4, 8] {
            self.clock.sleep(Duration::from_secs(wait)).await;
            if self.streams.told(event.clone()).await.is_ok() {
                return;
            }
        }
        tracing::error!(%attempt, "an event could not be written down: the call will be asked about");
    }

    async fn take(self: Arc<House>, told: Told) {
        let attempt = told.attempt;
        match told.what {
            What::Ringing => self.report(attempt, CallStatus::Ringing, Ended::default()).await,
            What::Key(key) => self.tell(attempt, ToLeg::Key(key)),
            What::Up => {
                let at = told.at.unwrap_or_else(|| self.clock.wall());
                self.lines().entry(attempt).or_default().answered.get_or_insert(at);
                self.report(attempt, CallStatus::InProgress, Ended::default()).await;
            }
            What::Entered => {
                self.join(attempt, told.at).await;
                self.report(attempt, CallStatus::InProgress, Ended::default()).await;
            }
            What::Gone(cause) => {
                self.tell(attempt, ToLeg::Over);
                let line = self.lines().remove(&attempt);
                let answered = line.and_then(|line| line.answered);
                let status = ari::ending(cause, answered.is_some());
                let ended = told.at.unwrap_or_else(|| self.clock.wall());
                let seconds = answered.map(|at| ended.since(at).as_millis().div_ceil(1_000));
                let words = [("cause", Some(cause.cause)), ("tech_cause", cause.tech)];
                let words = words.into_iter().filter_map(|(name, code)| Some((name.to_owned(), code?.to_string())));
                let more = Ended {
                    duration_s: seconds.and_then(|it| u32::try_from(it).ok()),
                    sip_code: cause.tech,
                    words: words.collect(),
                };
                self.report(attempt, status, more).await;
                self.asterisk.clear_away(attempt).await;
            }
        }
    }

    /// The callee is in our application: into the bridge, then the leg may speak. Once.
    async fn join(&self, attempt: AttemptId, at: Option<Wall>) {
        {
            let mut lines = self.lines();
            let line = lines.entry(attempt).or_default();
            line.answered.get_or_insert(at.unwrap_or_else(|| self.clock.wall()));
            if std::mem::replace(&mut line.joined, true) {
                return;
            }
        }
        let joined = self.asterisk.join(attempt).await;
        let since = self.clock.boot();
        let leg = loop {
            // It connected before the telephone rang, or never will.
            let leg = self.lines().get(&attempt).and_then(|line| line.leg.clone());
            if leg.is_some() || joined.is_err() || self.clock.boot().since(since) > limits::LEG_WAIT {
                break leg;
            }
            self.clock.sleep(Duration::from_millis(20)).await;
        };
        match (joined, leg) {
            (Ok(()), Some(leg)) => {
                let _gone_already = leg.send(ToLeg::Answered).await;
            }
            (joined, _) => {
                let fault = joined.err();
                tracing::error!(%attempt, ?fault, "an answered call has no media leg: it is hung up");
                self.hang_up(attempt).await;
            }
        }
    }

    async fn hang_up(&self, attempt: AttemptId) {
        let Some(sid) = self.asterisk.own_sid(attempt) else { return };
        if let Err(fault) = self.asterisk.end(&sid, crate::edge::carrier::Ending::HangUp).await {
            tracing::warn!(%attempt, %fault, "a call could not be hung up");
        }
    }

    /// After a break: what became of the calls meanwhile? One that is gone is left to the sweep: nobody saw how it ended.
    async fn catch_up(self: Arc<House>) {
        let known: Vec<AttemptId> = self.lines().keys().copied().collect();
        for attempt in known {
            let Some(sid) = self.asterisk.own_sid(attempt) else { continue };
            match self.asterisk.fetch(&sid).await {
                Ok(call) if call.status == CallStatus::InProgress => {
                    Arc::clone(&self).take(Told { attempt, at: None, what: What::Entered }).await;
                }
                Ok(call) => self.report(attempt, call.status, Ended::default()).await,
                Err(AskFault::Gone) => {
                    self.tell(attempt, ToLeg::Over);
                    self.lines().remove(&attempt);
                    self.asterisk.clear_away(attempt).await;
                }
                Err(fault) => tracing::warn!(%attempt, %fault, "a call could not be asked about"),
            }
        }
    }
}

#[derive(Default)]
struct Ended {
    duration_s: Option<u32>,
    sip_code: Option<u16>,
    words: Vec<(String, String)>,
}

/// Keeps the event socket open. Asterisk gives up on whoever does not read at once, so the work goes on beside the reading.
async fn listen(house: Arc<House>, first: oneshot::Sender<Result<(), String>>) {
    let mut first = Some(first);
    let mut work = JoinSet::new();
    let mut wait = limits::EVENTS_BACKOFF;
    loop {
        match house.asterisk.listen().await {
            Ok(socket) => {
                house.asterisk.set_told(true);
                wait = limits::EVENTS_BACKOFF;
                match first.take() {
                    Some(first) => {
                        let _nobody_waits = first.send(Ok(()));
                    }
                    None => {
                        work.spawn(Arc::clone(&house).catch_up());
                    }
                }
                let why = read(&house, socket, &mut work).await;
                house.asterisk.set_told(false);
                tracing::warn!(why, "the Asterisk's event socket broke: nobody new is called until it is open again");
            }
            Err(words) => {
                if let Some(first) = first.take() {
                    let _nobody_waits = first.send(Err(words));
                    return;
                }
                tracing::debug!(words, "the event socket is still closed");
            }
        }
        house.clock.sleep(wait).await;
        wait = (wait * 2).min(limits::EVENTS_BACKOFF_MOST);
    }
}

async fn read(house: &Arc<House>, mut socket: EventSocket, work: &mut JoinSet<()>) -> String {
    let mut quiet = false;
    loop {
        let came = tokio::select! {
            came = socket.next() => came,
            Some(done) = work.join_next() => {
                if let Err(error) = done {
                    tracing::error!(%error, "the work on an event ended in a bug");
                }
                continue;
            }
            () = house.clock.sleep(limits::EVENTS_PING) => {
                if std::mem::replace(&mut quiet, true) {
                    return "it says nothing".to_owned();
                }
                if let Err(words) = socket.ping().await {
                    return words;
                }
                continue;
            }
        };
        quiet = false;
        match came {
            Came::Alive => {}
            Came::Over(why) => return why,
            Came::Event(text) => {
                let Some(told) = ari::read(&text) else { continue };
                // Many at once: the rest waits in the socket.
                let Ok(permit) = Arc::clone(&house.working).acquire_owned().await else { return "closed".to_owned() };
                let house = Arc::clone(house);
                work.spawn(async move {
                    house.take(told).await;
                    drop(permit);
                });
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
                    house.clock.sleep(limits::ACCEPT_PAUSE).await;
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
    house.lines().entry(attempt).or_default().leg = Some(to);
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
    let (ours, theirs) = door();
    let session = tokio::spawn(house.streams.clone().serve(Box::new(theirs), token));
    talk(&house, (attempt, &sid), &mut socket, &mut told, ours).await;
    socket.close().await;
    // Its log and its summary: the session ends by itself now that its socket is closed.
    if let Err(error) = session.await {
        tracing::error!(%attempt, %error, "a session ended in a bug");
    }
}

async fn talk(
    house: &House,
    (attempt, sid): (AttemptId, &Sid),
    socket: &mut AudioSocket,
    told: &mut mpsc::Receiver<ToLeg>,
    mut ours: End,
) {
    let now = || house.clock.boot();
    let mut leg = Leg::new(&ari::media_of(attempt), sid.as_str(), now());
    loop {
        while let Some(message) = leg.message() {
            if !ours.give(message).await {
                return;
            }
        }
        while let Some(frame) = leg.frame(now()) {
            if !socket.send(&frame) {
                tracing::warn!(%attempt, "the Asterisk does not take our sound any more");
                return;
            }
        }
        let until = wait_of(leg.next_due(), now());
        tokio::select! {
            biased;
            said = ours.said() => match said {
                Some(text) => leg.said(&text, now()),
                // Our session has ended.
                None => break,
            },
            what = told.recv() => match what {
                Some(ToLeg::Key(key)) => leg.key(key),
                Some(ToLeg::Answered) => {}
                Some(ToLeg::Over) | None => {
                    leg.stop();
                    break;
                }
            },
            said = socket.next() => match said {
                Some(Said::Sound(samples)) => leg.heard(&samples),
                // Keys come by the channel's events, once.
                Some(Said::Key(_) | Said::Name(_) | Said::Other(_) | Said::Error(_)) => {}
                Some(Said::HungUp) | None => {
                    leg.stop();
                    break;
                }
            },
            () = house.clock.sleep(until) => {}
        }
    }
    while let Some(message) = leg.message() {
        if !ours.give(message).await {
            break;
        }
    }
    if leg.dropped + leg.strange as usize > 0 {
        tracing::warn!(%attempt, dropped = leg.dropped, strange = leg.strange, "sound that a leg had no room for");
    }
}

fn wait_of(due: Boot, now: Boot) -> Duration {
    due.since(now)
}
