//! The two streams of a call's sound: the callee's is the answer to a GET, ours the body of a POST. Both are 8 000 Hz, mono,
//! 16 bit, little-endian, without frames. There is no `clear`: to be silent at once, the POST is broken off.

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, Response, StatusCode, header};
use tokio::sync::mpsc;

use super::{ThreeCx, said, wire};
use crate::base::Sid;
use crate::base::limits::VOICE_LONGEST;
use crate::edge::carrier::AskFault;
use crate::edge::cause;

/// The callee's sound.
pub struct Hearing {
    answer: Response,
    /// Half a sample.
    odd: Option<u8>,
}

/// Frames of ours on their way.
pub type Voice = mpsc::Receiver<Bytes>;

impl ThreeCx {
    /// Opens the callee's sound.
    pub async fn hear(&self, sid: &Sid) -> Result<Hearing, AskFault> {
        let mut refused = None;
        loop {
            let path = self.stream_of(sid)?;
            let token = self.token(refused).await?;
            let request = self.questions.get(self.house.url(&path)).timeout(VOICE_LONGEST);
            let answer = token.on(request).send().await;
            let answer = answer.map_err(|error| AskFault::Failed { cause: cause(&error) })?;
            if answer.status() == StatusCode::UNAUTHORIZED && refused.is_none() {
                refused = Some(token.serial);
                continue;
            }
            return said(answer.status().as_u16()).map(|()| Hearing { answer, odd: None });
        }
    }

    /// Sends our sound until `voice` is closed, or the telephone system takes no more. To be dropped in the middle is to be
    /// broken off.
    pub async fn speak(&self, sid: &Sid, voice: Voice) -> Result<(), AskFault> {
        let path = self.stream_of(sid)?;
        let token = self.token(None).await?;
        let frames = stream::unfold(voice, |mut voice| async move {
            voice.recv().await.map(|frame| (Ok::<_, std::io::Error>(frame), voice))
        });
        // A connection of its own, that ends with it.
        let request = self.house.client.post(self.house.url(&path)).timeout(VOICE_LONGEST);
        let request = request.header(header::CONTENT_TYPE, "application/octet-stream").body(Body::wrap_stream(frames));
        let answer = token.on(request).send().await;
        let answer = answer.map_err(|error| AskFault::Failed { cause: cause(&error) })?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.purse.refused(token.serial);
        }
        said(answer.status().as_u16())
    }

    fn stream_of(&self, sid: &Sid) -> Result<String, AskFault> {
        let part = self.part(sid).ok_or(AskFault::Gone)?;
        Ok(wire::participant(&self.options.route_point, part.id, "stream"))
    }
}

impl Hearing {
    /// The next piece; `None`: it is over.
    pub async fn next(&mut self) -> Option<Vec<i16>> {
        loop {
            let chunk = self.answer.chunk().await.ok()??;
            let mut bytes = Vec::with_capacity(chunk.len() + 1);
            bytes.extend(self.odd.take());
            bytes.extend_from_slice(&chunk);
            if !bytes.len().is_multiple_of(2) {
                self.odd = bytes.pop();
            }
            if !bytes.is_empty() {
                return Some(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect());
            }
        }
    }
}
