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
                Poll::Ready(Err(_gone)) => return None,
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
        let Some(wrote) = self.write(cx, more, most) else { return Poll::Ready(Turn::Broken) };
        match self.from.poll_recv(cx) {
            Poll::Ready(Some(text)) => Poll::Ready(Turn::Text(text.into())),
            Poll::Ready(None) => Poll::Ready(Turn::Closed),
            Poll::Pending if wrote > 0 => Poll::Ready(Turn::Wrote),
            Poll::Pending => Poll::Pending,
        }
    }

    fn write_now(&mut self, cx: &mut Context<'_>, more: More<'_>, most: usize) -> Option<usize> {
        self.write(cx, more, most)
    }
}
