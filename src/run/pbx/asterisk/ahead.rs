//! Between a WebSocket of an Asterisk and a session: sound ahead, control, marks.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::base::{AttemptId, Boot, limits};
use crate::core::wire::ahead::Ahead;
use crate::core::wire::chan_websocket;
use crate::edge::carrier::asterisk::websocket::{Came, ChanSocket};
use crate::run::pbx::door::{End, door};
use crate::run::pbx::talk::{Who, goes_on, tell};
use crate::run::pbx::{Board, ToLeg};

/// As often it is looked at, at least.
const LOOK: Duration = Duration::from_millis(500);

/// Speaks and listens until the call or its session is over. Gives the session, which writes its log and its summary for a
/// moment longer: wait for it with the socket closed.
pub(super) async fn talk_ahead(
    board: &Board<()>,
    who: Who<'_>,
    socket: &mut ChanSocket,
    told: &mut mpsc::Receiver<ToLeg>,
) -> JoinHandle<()> {
    let (ours, theirs) = door();
    let session = tokio::spawn(board.streams.clone().serve(Box::new(theirs), who.token));
    let mut leg = Ahead::new(who.stream, who.sid.as_str(), board.clock.boot());
    carry(board, who.attempt, &mut leg, socket, told, ours).await;
    let attempt = who.attempt;
    if leg.dropped > 0 || leg.strange > 0 {
        tracing::warn!(%attempt, dropped = leg.dropped, strange = leg.strange, "what a leg had no room or no use for");
    }
    if let Some(words) = &leg.complaint {
        tracing::error!(%attempt, words, "the Asterisk found a message of ours wrong");
    }
    session
}

/// Whether the connection takes what it is given.
struct Flow {
    written: u64,
    /// When something was last taken, or nothing waited.
    since: Boot,
}

impl Flow {
    fn has_stalled(&mut self, socket: &ChanSocket, now: Boot) -> bool {
        if socket.waiting() == 0 || socket.written() != self.written {
            (self.written, self.since) = (socket.written(), now);
        }
        now.since(self.since) > limits::STREAM_STALL
    }
}

async fn carry(
    board: &Board<()>,
    attempt: AttemptId,
    leg: &mut Ahead,
    socket: &mut ChanSocket,
    told: &mut mpsc::Receiver<ToLeg>,
    mut ours: End,
) {
    let now = || board.clock.boot();
    let mut flow = Flow { written: socket.written(), since: now() };
    loop {
        if !tell(&mut leg.teller, &mut ours).await {
            return;
        }
        if leg.take_cut() {
            // The flush comes before what has not been written yet.
            socket.cut();
        }
        while socket.waiting() < limits::LEG_OUT
            && let Some(out) = leg.next(now())
        {
            socket.queue(out);
        }
        if flow.has_stalled(socket, now()) || leg.is_stuck(now()) {
            tracing::warn!(%attempt, "the Asterisk does not take our sound any more");
            return;
        }
        let due = if socket.waiting() < limits::LEG_OUT { leg.next_due(now()) } else { None };
        let until = due.map_or(LOOK, |due| due.since(now()).min(LOOK));
        tokio::select! {
            biased;
            said = ours.said() => match said {
                Some(text) => leg.said(&text, now()),
                // Our session has ended.
                None => break,
            },
            what = told.recv() => if !goes_on(&mut leg.teller, what) {
                break;
            },
            came = socket.next() => match came {
                Came::Sound(ulaw) => leg.heard(&ulaw),
                Came::Text(text) => match chan_websocket::read(&text) {
                    Some(said) => leg.told(said, now()),
                    None => leg.babble(),
                },
                Came::Alive => {}
                Came::Over(_) => {
                    leg.teller.stop();
                    break;
                }
            },
            () = board.clock.sleep(until) => {}
        }
    }
    tell(&mut leg.teller, &mut ours).await;
}
