//! One media stream: frames on absolute deadlines, our messages as they come.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::base::Boot;
use crate::base::limits::SIM_MEDIA_WRITE;
use crate::core::sim::call::Event;
use crate::core::sim::callee::{FRAME_MS, Script};
use crate::core::sim::line::What;
use crate::core::sim::stream::{StreamIds, StreamMachine, Weather};
use crate::core::wire::dialect::Dialect;
use crate::core::wire::twiml;
use crate::core::wire::twiml::Stream;
use crate::edge::carrier::sim::api::World;
use crate::edge::carrier::sim::media::{self, Arrival, MediaSocket, Room};

/// Whose stream.
pub(super) struct Wire {
    /// `CA…`
    pub sid: String,
    /// The document's `<Stream>`.
    pub noun: Stream,
    /// The callee.
    pub script: Script,
    /// The call's ear.
    pub events: mpsc::Sender<Event>,
}

/// Most frames sent in one wake-up: a second of sound. More would starve reading.
const BURST: u32 = 50;

/// Frames before the fault `media_drop` breaks a stream.
const DROPPED_AT: u32 = 60;

/// Frames for which the fault `media_stall` reads nothing: one that our side sits out, one that it does not.
const STALLS: [u32; 2] = [50, 3_000];

/// The fault `media_stall`: nothing is read from our first message on.
#[derive(Clone, Copy)]
struct Stall {
    frames: u32,
    read: bool,
}

impl Stall {
    fn reads(self, frames: u32) -> bool {
        !self.read || frames >= self.frames
    }
}

enum Over {
    Carrier,
    Us,
    Callee,
    /// The fault `media_drop`.
    Dropped,
    Broken(String),
}

/// Opens the socket and lives the stream until somebody ends it.
pub(super) async fn run(world: Arc<World>, wire: Wire, mut stopped: oneshot::Receiver<()>) {
    let stalls = world.strikes("media_stall", &wire.sid, 0);
    let room = if stalls { Room::Little } else { Room::Usual };
    let opened = if world.strikes("no_stream", &wire.sid, 0) {
        Err("fault no_stream".to_owned())
    } else if world.dialect == Dialect::Telnyx && wire.noun.form == twiml::StreamForm::Plain {
        Err("bidirectionalMode is mp3: bare sound would not be played".to_owned())
    } else {
        tokio::select! {
            opened = media::open(&wire.noun.url, &world.token, world.dialect, room) => opened,
            () = (world.doors.sleep)(Duration::from_secs(5)) => Err("no answer to the upgrade in 5 s".to_owned()),
            _ = &mut stopped => return,
        }
    };
    let mut socket = match opened {
        Ok(socket) => socket,
        Err(cause) => {
            world.note(&wire.sid, What::StreamFailed { cause });
            let _call_is_over = wire.events.send(Event::StreamClosed).await;
            return;
        }
    };
    let ids = StreamIds {
        account: world.account.clone(),
        call: wire.sid.clone(),
        stream: super::stream_sid(&world, &wire.sid),
    };
    let began = world.now().boot;
    let stalled_for = STALLS[usize::from(!wire.script.noise.is_multiple_of(2))];
    let mut machine = match world.dialect {
        Dialect::Twilio => StreamMachine::new(ids, wire.script, &wire.noun.parameters, began.0),
        Dialect::SignalWire => StreamMachine::lean(ids, wire.script, began.0),
        Dialect::Telnyx => StreamMachine::telnyx(ids, wire.script, &wire.noun.parameters, began.0),
    };
    let strikes = |name| world.strikes(name, &wire.sid, 0);
    let weather =
        Weather { gaps: strikes("media_gap"), repeats: strikes("media_repeat"), garbage: strikes("media_garbage") };
    machine = machine.in_weather(weather);
    let stall = stalls.then_some(Stall { frames: stalled_for, read: false });
    let over = pump(&world, &wire.sid, &mut socket, &mut machine, (began, &mut stopped, stall)).await;
    let dropped = matches!(&over, Over::Dropped);
    let event = match &over {
        Over::Callee => Event::CalleeLeft,
        Over::Carrier | Over::Us | Over::Dropped | Over::Broken(_) => Event::StreamClosed,
    };
    let bare = world.strikes("bare_close", &wire.sid, 0);
    match &over {
        Over::Us => machine.stopped("us"),
        Over::Dropped => machine.stopped("media_drop"),
        Over::Broken(cause) => machine.stopped(cause),
        Over::Carrier | Over::Callee if bare => machine.stopped("bare_close"),
        Over::Carrier => machine.stop("carrier"),
        Over::Callee => machine.stop("callee"),
    }
    if let Some(tape) = machine.tape() {
        world.book().sound_of(&wire.sid, &tape);
    }
    let flushed = flush(&world, &wire.sid, &mut socket, &mut machine).await;
    if flushed.is_ok() && !bare && !dropped {
        tokio::select! {
            _closed_by_both_or_not = socket.close() => {}
            () = (world.doors.sleep)(SIM_MEDIA_WRITE) => {}
        }
    }
    let _call_is_over = wire.events.send(event).await;
}

async fn pump(
    world: &World,
    sid: &str,
    socket: &mut MediaSocket,
    machine: &mut StreamMachine,
    (began, stopped, mut stall): (Boot, &mut oneshot::Receiver<()>, Option<Stall>),
) -> Over {
    let frame = Duration::from_millis(FRAME_MS).div_f64(world.speedup);
    let mut frames: u32 = 0;
    let drops = world.strikes("media_drop", sid, 0);
    let recorded = world.book().get(sid).map(|entry| Arc::clone(&entry.recorded));
    loop {
        if let Err(cause) = flush(world, sid, socket, machine).await {
            return Over::Broken(cause);
        }
        if recorded.as_ref().is_some_and(|it| it.load(Ordering::Acquire)) {
            machine.record();
        }
        if drops && frames >= DROPPED_AT {
            return Over::Dropped;
        }
        if machine.hung_up() {
            return Over::Callee;
        }
        // Deadlines are absolute: a late wake-up sends several frames, and the clock does not drift.
        let due = frame.mul_f64(f64::from(frames + 1));
        let wait = due.saturating_sub(world.now().boot.since(began));
        tokio::select! {
            biased;
            _ = &mut *stopped => return Over::Carrier,
            arrival = socket.next(), if stall.is_none_or(|stall| stall.reads(frames)) => match arrival {
                Arrival::Text(text) => {
                    if let Some(stall) = &mut stall {
                        stall.read = true;
                    }
                    machine.receive(&text, world.now().boot.0);
                }
                Arrival::Binary => machine.receive_binary(),
                Arrival::Control => {}
                Arrival::Closed => return Over::Us,
                Arrival::Broken(cause) => return Over::Broken(cause),
            },
            () = (world.doors.sleep)(wait) => {
                let now = world.now().boot;
                let mut sent = 0;
                while sent < BURST && !machine.hung_up() && frame.mul_f64(f64::from(frames + 1)) <= now.since(began) {
                    machine.frame(now.0);
                    frames += 1;
                    sent += 1;
                }
            }
        }
    }
}

/// Writes what the machine has said: to the log first, then to the socket.
async fn flush(world: &World, sid: &str, socket: &mut MediaSocket, machine: &mut StreamMachine) -> Result<(), String> {
    for what in machine.notes() {
        world.note(sid, what);
    }
    let messages = machine.messages();
    if messages.is_empty() {
        return Ok(());
    }
    tokio::select! {
        written = socket.send(messages) => written,
        () = (world.doors.sleep)(SIM_MEDIA_WRITE) => Err("our side does not read".to_owned()),
    }
}
