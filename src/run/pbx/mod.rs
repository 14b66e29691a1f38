//! Telephone systems of one's own at work: their events become facts, their sound becomes streams of our sessions.
//!
//! What they share stands here: the event socket that is opened again when it breaks, the calls as this process knows them,
//! the leg between a call's sound and its session. Nothing is decided but whose it is: `core/wire` reads, the session speaks,
//! the ledger remembers.

mod asterisk;
mod door;
mod talk;
mod threecx;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::base::{AttemptId, Failure, Sid, Wall, limits};
use crate::core::config::CarrierKind;
use crate::core::dial::CallStatus;
use crate::edge::carrier::events::{Came, EventSocket};
use crate::edge::carrier::{Carrier, Ending};
use crate::run::carriers::{OpenCarrier, System};
use crate::run::clock::Clock;
use crate::run::gateway::{StatusEvent, Streams};
use crate::store::workspace::Workspace;

/// What a leg is told about its call.
enum ToLeg {
    /// It was answered: speak.
    Answered,
    /// A key.
    Key(char),
    /// The call is over.
    Over,
}

/// A call as this process knows it. `M`: what else its system has to remember of it.
#[derive(Default)]
struct Line<M> {
    leg: Option<mpsc::Sender<ToLeg>>,
    /// When it was answered, by the system's clock or ours.
    answered: Option<Wall>,
    joined: bool,
    more: M,
}

/// The calls of a system.
struct Board<M> {
    carrier: Arc<dyn Carrier>,
    streams: Streams,
    clock: Arc<dyn Clock>,
    lines: Mutex<HashMap<AttemptId, Line<M>>>,
    working: Arc<Semaphore>,
}

/// Tasks of a telephone system; dropping it stops them all.
pub struct Attached(#[allow(dead_code)] JoinSet<()>);

/// Attaches a carrier that is a telephone system of one's own; any other needs nothing.
pub async fn attach_to(
    ws: &Workspace,
    carrier: &OpenCarrier,
    streams: Option<Streams>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Attached>, Failure> {
    let (Some(system), Some(streams)) = (&carrier.system, streams) else { return Ok(None) };
    let config = &ws.config.carriers[&carrier.name];
    match (system, &config.kind) {
        (System::Asterisk(asterisk), CarrierKind::Asterisk(kind)) => {
            asterisk::attach(Arc::clone(asterisk), kind, streams, Arc::clone(clock)).await.map(Some)
        }
        (System::ThreeCx(threecx), CarrierKind::ThreeCx(kind)) => {
            let place = threecx::Place::of(ws, carrier, kind, config.ring_timeout)?;
            threecx::attach(Arc::clone(threecx), place, streams, Arc::clone(clock)).await.map(Some)
        }
        (_, _) => Ok(None),
    }
}

#[derive(Default)]
struct Ended {
    duration_s: Option<u32>,
    sip_code: Option<u16>,
    words: Vec<(String, String)>,
}

impl<M: Default> Board<M> {
    fn new(carrier: Arc<dyn Carrier>, streams: Streams, clock: Arc<dyn Clock>) -> Board<M> {
        let working = Arc::new(Semaphore::new(limits::PBX_EVENTS));
        Board { carrier, streams, clock, lines: Mutex::default(), working }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<AttemptId, Line<M>>> {
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
        let Some(sid) = self.carrier.own_sid(attempt) else { return };
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

    async fn hang_up(&self, attempt: AttemptId, sid: &Sid) {
        if let Err(fault) = self.carrier.end(sid, Ending::HangUp).await {
            tracing::warn!(%attempt, %fault, "a call could not be hung up");
        }
    }

    /// Seconds from the answer to the end.
    fn talked(&self, answered: Option<Wall>, ended: Wall) -> Option<u32> {
        let seconds = answered.map(|at| ended.since(at).as_millis().div_ceil(1_000));
        seconds.and_then(|it| u32::try_from(it).ok())
    }
}

/// Whoever hears a system's events.
trait EventHouse: Send + Sync + Sized + 'static {
    /// What is to be done about an event.
    type News: Send + 'static;
    /// For words to people.
    const NAME: &'static str;

    fn clock(&self) -> &Arc<dyn Clock>;
    /// Bounds the work that goes on at once.
    fn working(&self) -> &Arc<Semaphore>;
    fn open(&self) -> impl Future<Output = Result<EventSocket, String>> + Send;
    /// Whether its events reach us from now on.
    fn told(&self, told: bool);
    /// Reads an event, in the order in which they came.
    fn read(&self, text: &str) -> Option<Self::News>;
    /// Does what it asks for, beside others.
    fn take(self: Arc<Self>, news: Self::News) -> impl Future<Output = ()> + Send;
    /// After a break: what became of the calls meanwhile?
    fn catch_up(self: Arc<Self>) -> impl Future<Output = ()> + Send;
}

/// Begins to keep the event socket open. Errors: it could not be opened, in words.
async fn keep_listening<H: EventHouse>(house: &Arc<H>, tasks: &mut JoinSet<()>) -> Result<(), String> {
    let (first, opened) = oneshot::channel();
    tasks.spawn(listen(Arc::clone(house), first));
    match timeout(limits::PLACE_TIMEOUT, opened).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) | Err(_) => Err("no answer".to_owned()),
    }
}

/// Keeps the event socket open. A system may give up on whoever does not read at once, so the work goes on beside the reading.
async fn listen<H: EventHouse>(house: Arc<H>, first: oneshot::Sender<Result<(), String>>) {
    let mut first = Some(first);
    let mut work = JoinSet::new();
    let mut wait = limits::EVENTS_BACKOFF;
    loop {
        match house.open().await {
            Ok(socket) => {
                house.told(true);
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
                house.told(false);
                tracing::warn!(
                    why,
                    "the {}'s event socket broke: nobody new is called until it is open again",
                    H::NAME
                );
            }
            Err(words) => {
                if let Some(first) = first.take() {
                    let _nobody_waits = first.send(Err(words));
                    return;
                }
                tracing::debug!(words, "the event socket is still closed");
            }
        }
        house.clock().sleep(wait).await;
        wait = (wait * 2).min(limits::EVENTS_BACKOFF_MOST);
    }
}

async fn read<H: EventHouse>(house: &Arc<H>, mut socket: EventSocket, work: &mut JoinSet<()>) -> String {
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
            () = house.clock().sleep(limits::EVENTS_PING) => {
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
                let Some(news) = house.read(&text) else { continue };
                // Many at once: the rest waits in the socket.
                let Ok(permit) = Arc::clone(house.working()).acquire_owned().await else { return "closed".to_owned() };
                let house = Arc::clone(house);
                work.spawn(async move {
                    house.take(news).await;
                    drop(permit);
                });
            }
        }
    }
}
