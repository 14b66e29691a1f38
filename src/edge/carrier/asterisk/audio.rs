//! Our end of AudioSocket, and the port where Asterisk connects to us.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::websocket::ChanSocket;
use crate::base::Failure;
use crate::core::wire::audiosocket::{FRAME, Reader, Said, hang_up, sound};

/// Where Asterisk connects to.
pub struct AudioDoor(TcpListener);

impl AudioDoor {
    /// Opens the port. Port 0 takes a free one.
    pub async fn open(listen: SocketAddr) -> Result<AudioDoor, Failure> {
        let refused = |error: std::io::Error| {
            Failure::usage(format!("media_listen: cannot listen on {listen}: {error}")).next("choose a free address")
        };
        TcpListener::bind(listen).await.map(AudioDoor).map_err(refused)
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// The next connection. Cancel-safe.
    pub async fn accept(&self) -> std::io::Result<Arrival> {
        let (stream, _peer) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Arrival(stream))
    }
}

/// A connection that has said nothing yet.
pub struct Arrival(TcpStream);

impl Arrival {
    /// As an AudioSocket.
    pub fn audio(self) -> AudioSocket {
        AudioSocket { stream: self.0, reader: Reader::default() }
    }

    /// As a WebSocket for media, with the query of its address. Errors: what failed, in words.
    pub async fn websocket(self) -> Result<(ChanSocket, String), String> {
        ChanSocket::answer(self.0).await
    }
}

/// One connection.
pub struct AudioSocket {
    stream: TcpStream,
    reader: Reader,
}

impl AudioSocket {
    /// The next frame; `None`: the other side is gone or makes no sense. Cancel-safe.
    pub async fn next(&mut self) -> Option<Said> {
        loop {
            match self.reader.cut() {
                Ok(Some(said)) => return Some(said),
                Ok(None) => {}
                Err(broken) => {
                    tracing::warn!(%broken, "an AudioSocket was closed");
                    return None;
                }
            }
            let mut bytes = [0; 2_048];
            match self.stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.reader.feed(&bytes[..read]),
            }
        }
    }

    /// Sends a frame if the connection takes it whole at once; `false`: it does not read, or is broken.
    pub fn send(&mut self, samples: &[i16; FRAME]) -> bool {
        let frame = sound(samples);
        // A frame is a fraction of a socket's buffer: part of one means that nothing has been read for seconds.
        self.stream.try_write(&frame).is_ok_and(|wrote| wrote == frame.len())
    }

    /// Ends the channel.
    pub async fn close(mut self) {
        let _gone_already = self.stream.write_all(&hang_up()).await;
        let _gone_already = self.stream.shutdown().await;
    }
}
