//! One media socket: reads and writes in turns, neither ever waits for the other.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Error;
use axum::extract::ws::{Message, WebSocket};
use futures_util::{Sink, Stream};

/// The text of a message, shared with the buffer that it came in.
pub use axum::extract::ws::Utf8Bytes as Words;

/// A call's media socket as its runner sees it: a real one, or one of a test.
pub trait MediaDoor: Send {
    /// Ready when something came or something was written; writes at most `most` messages of `more` first, as far as
    /// the connection takes them. What was taken from `more` is with the connection.
    fn poll_turn(&mut self, cx: &mut Context<'_>, more: More<'_>, most: usize) -> Poll<Turn>;
    /// Writes at most `most` messages of `more`, as far as the connection takes them, without waiting. Gives how many;
    /// `None` = the connection is broken.
    fn write_now(&mut self, cx: &mut Context<'_>, more: More<'_>, most: usize) -> Option<usize>;
}

/// What waits to be sent: gives the next message until there is none.
pub type More<'a> = &'a mut (dyn FnMut() -> Option<Outgoing> + Send);

impl dyn MediaDoor + '_ {
    /// [`MediaDoor::poll_turn`] as a future. Safe to cancel.
    pub async fn turn(&mut self, more: More<'_>, most: usize) -> Turn {
        poll_fn(|cx| self.poll_turn(cx, more, most)).await
    }

    /// [`MediaDoor::write_now`] as a future that is ready at once.
    pub async fn write_some(&mut self, more: More<'_>, most: usize) -> Option<usize> {
        poll_fn(|cx| Poll::Ready(self.write_now(cx, more, most))).await
    }
}

/// A media socket.
pub struct MediaSocket {
    socket: WebSocket,
}

/// What goes out.
pub enum Outgoing {
    /// A text message.
    Text(String),
    /// The polite end.
    Close,
}

/// What a turn brought.
pub enum Turn {
    /// A text message.
    Text(Words),
    /// A message that is not text.
    NotText,
    /// Something was written, nothing came.
    Wrote,
    /// The carrier closed.
    Closed,
    /// The connection broke, or a message was too long.
    Broken,
}

impl MediaDoor for MediaSocket {
    fn poll_turn(&mut self, cx: &mut Context<'_>, more: More<'_>, most: usize) -> Poll<Turn> {
        let Ok(wrote) = self.write(cx, more, most) else { return Poll::Ready(Turn::Broken) };
        loop {
            return Poll::Ready(match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Text(text)))) => Turn::Text(text),
                Poll::Ready(Some(Ok(Message::Binary(_)))) => Turn::NotText,
                Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                Poll::Ready(Some(Ok(Message::Close(_))) | None) => Turn::Closed,
                Poll::Ready(Some(Err(_))) => Turn::Broken,
                Poll::Pending if wrote > 0 => Turn::Wrote,
                Poll::Pending => return Poll::Pending,
            });
        }
    }

    fn write_now(&mut self, cx: &mut Context<'_>, more: More<'_>, most: usize) -> Option<usize> {
        self.write(cx, more, most).ok()
    }
}

impl MediaSocket {
    pub(super) fn new(socket: WebSocket) -> MediaSocket {
        MediaSocket { socket }
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        more: &mut (dyn FnMut() -> Option<Outgoing> + Send),
        most: usize,
    ) -> Result<usize, Error> {
        let mut wrote = 0;
        let mut socket = Pin::new(&mut self.socket);
        while wrote < most {
            match socket.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(wrote),
            }
            let Some(next) = more() else { break };
            socket.as_mut().start_send(match next {
                Outgoing::Text(text) => Message::Text(text.into()),
                Outgoing::Close => Message::Close(None),
            })?;
            wrote += 1;
        }
        if wrote > 0
            && let Poll::Ready(Err(error)) = socket.poll_flush(cx)
        {
            return Err(error);
        }
        Ok(wrote)
    }
}
