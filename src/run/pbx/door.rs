//! A media socket without a network: our session on one side, a leg on the other.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{self, OwnedPermit};

use crate::base::limits::LEG_MESSAGES;
use crate::edge::gateway::{MediaDoor, More, Outgoing, Turn};

type Room = Pin<Box<dyn Future<Output = Result<OwnedPermit<String>, SendError<()>>> + Send>>;

/// The session's side.
pub(super) struct SessionDoor {
    to: mpsc::Sender<String>,
    from: mpsc::Receiver<String>,
    /// Room for the next message is being waited for.
    room: Option<Room>,
    closed: bool,
}

/// The leg's side.
pub(super) struct End {
    to: mpsc::Sender<String>,
    from: mpsc::Receiver<String>,
}

/// Both sides.
pub(super) fn door() -> (End, SessionDoor) {
    let (to_session, from_leg) = mpsc::channel(LEG_MESSAGES);
    let (to_leg, from_session) = mpsc::channel(LEG_MESSAGES);
    let end = End { to: to_session, from: from_session };
    (end, SessionDoor { to: to_leg, from: from_leg, room: None, closed: false })
}

impl End {
    /// Gives the session a message; `false`: it is gone.
    pub(super) async fn give(&mut self, text: String) -> bool {
        self.to.send(text).await.is_ok()
    }

    /// The session's next message; `None`: it has closed. Cancel-safe.
    pub(super) async fn said(&mut self) -> Option<String> {
        self.from.recv().await
    }
}

impl SessionDoor {
    /// How many were written; `None`: the leg is gone.
    fn write(&mut self, cx: &mut Context<'_>, more: More<'_>, most: usize) -> Option<usize> {
        let mut wrote = 0;
        while wrote < most && !self.closed {
            let to = self.to.clone();
            let room = self.room.get_or_insert_with(|| Box::pin(to.reserve_owned()));
            let permit = match room.as_mut().poll(cx) {
                Poll::Pending => return Some(wrote),
                Poll::Ready(Err(_gone)) => {
                    // It may be asked again: a future that has told is not.
                    self.room = None;
                    return None;
                }
                Poll::Ready(Ok(permit)) => permit,
            };
            self.room = None;
            match more() {
                Some(Outgoing::Text(text)) => {
                    permit.send(text);
                }
                Some(Outgoing::Close) => {
                    // The leg sees the end of the messages.
                    self.closed = true;
                    let (nowhere, _) = mpsc::channel(1);
                    self.to = nowhere;
                }
                None => break,
            }
            wrote += 1;
        }
        Some(wrote)
    }
}

impl MediaDoor for SessionDoor {
    fn poll_turn(&mut self, cx: &mut Context<'_>, more: More<'_>, most: usize) -> Poll<Turn> {
        let wrote = self.write(cx, more, most);
        // What was said before the other side went counts: its last word says why.
        match (self.from.poll_recv(cx), wrote) {
            (Poll::Ready(Some(text)), _) => Poll::Ready(Turn::Text(text.into())),
            (Poll::Ready(None), _) => Poll::Ready(Turn::Closed),
            (Poll::Pending, None) => Poll::Ready(Turn::Broken),
            (Poll::Pending, Some(0)) => Poll::Pending,
            (Poll::Pending, Some(_)) => Poll::Ready(Turn::Wrote),
        }
    }

    fn write_now(&mut self, cx: &mut Context<'_>, more: More<'_>, most: usize) -> Option<usize> {
        self.write(cx, more, most)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn the_last_words_of_a_leg_that_is_gone_are_heard_and_then_it_is_closed_however_often_it_is_asked() {
        let (mut end, mut session) = door();
        assert!(end.give("stop".to_owned()).await);
        drop(end);
        let mut more = || Some(Outgoing::Text("sound".to_owned()));
        let first = poll_fn(|cx| session.poll_turn(cx, &mut more, 2)).await;
        assert!(matches!(first, Turn::Text(text) if &*text == "stop"));
        for _ in 0..3 {
            let turn = poll_fn(|cx| session.poll_turn(cx, &mut more, 2)).await;
            assert!(matches!(turn, Turn::Closed | Turn::Broken));
        }
    }
}
