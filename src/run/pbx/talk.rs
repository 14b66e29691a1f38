//! Between a call's sound and its session: frames out on absolute deadlines, pieces in, as a carrier's media stream.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::door::{End, door};
use super::{Board, ToLeg};
use crate::base::{AttemptId, Sid};
use crate::core::wire::audiosocket::FRAME;
use crate::core::wire::leg::Leg;
use crate::core::wire::telling::Teller;

/// What a call's sound brings.
pub(super) enum Heard {
    /// The callee's sound.
    Sound(Vec<i16>),
    /// Nothing that matters here.
    Nothing,
    /// It is over.
    Over,
}

/// A call's sound, both ways.
pub(super) trait LegSocket: Send {
    /// Sends a frame; `false`: the other side takes no more.
    fn send(&mut self, frame: &[i16; FRAME]) -> bool;
    /// What was sent is to be heard no more.
    fn cut(&mut self);
    /// The next thing that comes. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Heard> + Send;
}

/// Whose sound it is.
pub(super) struct Who<'a> {
    pub attempt: AttemptId,
    pub sid: &'a Sid,
    /// Name of the stream.
    pub stream: &'a str,
    /// Opens the session.
    pub token: String,
}

/// Speaks and listens until the call or its session is over. Gives the session, which writes its log and its summary for a
/// moment longer: wait for it with the socket closed.
pub(super) async fn talk<M: Default, S: LegSocket>(
    board: &Board<M>,
    who: Who<'_>,
    socket: &mut S,
    told: &mut mpsc::Receiver<ToLeg>,
) -> JoinHandle<()> {
    let (ours, theirs) = door();
    let session = tokio::spawn(board.streams.clone().serve(Box::new(theirs), who.token));
    let mut leg = Leg::new(who.stream, who.sid.as_str(), board.clock.boot());
    carry(board, who.attempt, &mut leg, socket, told, ours).await;
    if leg.dropped + leg.strange as usize > 0 {
        let attempt = who.attempt;
        tracing::warn!(%attempt, dropped = leg.dropped, strange = leg.strange, "sound that a leg had no room for");
    }
    session
}

async fn carry<M: Default, S: LegSocket>(
    board: &Board<M>,
    attempt: AttemptId,
    leg: &mut Leg,
    socket: &mut S,
    told: &mut mpsc::Receiver<ToLeg>,
    mut ours: End,
) {
    let now = || board.clock.boot();
    loop {
        if !tell(&mut leg.teller, &mut ours).await {
            return;
        }
        while let Some(frame) = leg.frame(now()) {
            if !socket.send(&frame) {
                tracing::warn!(%attempt, "the telephone system does not take our sound any more");
                return;
            }
        }
        let until: Duration = leg.next_due().since(now());
        tokio::select! {
            biased;
            said = ours.said() => match said {
                Some(text) => {
                    leg.said(&text, now());
                    if leg.take_cut() {
                        socket.cut();
                    }
                }
                // Our session has ended.
                None => break,
            },
            what = told.recv() => if !goes_on(&mut leg.teller, what) {
                break;
            },
            heard = socket.next() => match heard {
                Heard::Sound(samples) => samples.chunks(FRAME).for_each(|piece| leg.heard(piece)),
                Heard::Nothing => {}
                Heard::Over => {
                    leg.teller.stop();
                    break;
                }
            },
            () = board.clock.sleep(until) => {}
        }
    }
    tell(&mut leg.teller, &mut ours).await;
}

/// Hands over what a leg has for our session. False: the session has ended.
pub(super) async fn tell(teller: &mut Teller, ours: &mut End) -> bool {
    while let Some(message) = teller.message() {
        if !ours.give(message).await {
            return false;
        }
    }
    true
}

/// What a leg is told of its call. False: the call is over.
pub(super) fn goes_on(teller: &mut Teller, what: Option<ToLeg>) -> bool {
    match what {
        Some(ToLeg::Key(key)) => teller.key(key),
        Some(ToLeg::Answered) => {}
        Some(ToLeg::Over) | None => teller.stop(),
    }
    !matches!(what, Some(ToLeg::Over) | None)
}
