//! A call's sound at a 3CX: a task reads the callee's stream, another sends ours. Both are opened again where they break in
//! the middle of a call, a bounded number of times.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::base::{Sid, limits};
use crate::core::wire::audiosocket::FRAME;
use crate::edge::carrier::AskFault;
use crate::edge::carrier::threecx::ThreeCx;
use crate::run::clock::Clock;
use crate::run::pbx::talk::{Heard, LegSocket};

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Both streams.
pub(super) struct Sound {
    pbx: Arc<ThreeCx>,
    sid: Sid,
    heard: mpsc::Receiver<Vec<i16>>,
    _hearing: Task,
    voice: Option<(mpsc::Sender<Bytes>, Task)>,
    /// How often ours was opened and broke, not by us.
    broke: u32,
    /// Frames in a row that it had no room for.
    full: usize,
}

impl Sound {
    /// Opens the callee's stream, and ours.
    pub(super) fn open(pbx: Arc<ThreeCx>, sid: Sid, clock: Arc<dyn Clock>) -> Sound {
        let (to, heard) = mpsc::channel(limits::HEARD_PIECES);
        let hearing = Task(tokio::spawn(hear(Arc::clone(&pbx), sid.clone(), clock, to)));
        let mut sound = Sound { pbx, sid, heard, _hearing: hearing, voice: None, broke: 0, full: 0 };
        // Before the first frame is due: connecting is part of the silence before the greeting.
        sound.begin();
        sound
    }

    fn begin(&mut self) -> &mpsc::Sender<Bytes> {
        let (to, frames) = mpsc::channel(limits::VOICE_FRAMES);
        let (pbx, sid) = (Arc::clone(&self.pbx), self.sid.clone());
        let task = Task(tokio::spawn(async move {
            match pbx.speak(&sid, frames).await {
                // The call is over, or we have nothing more to say.
                Ok(()) | Err(AskFault::Gone) => {}
                Err(fault) => tracing::warn!(%fault, "our sound's stream to the 3CX broke"),
            }
        }));
        &self.voice.insert((to, task)).0
    }
}

/// Reads the callee's stream until it is over: the channel is closed then.
async fn hear(pbx: Arc<ThreeCx>, sid: Sid, clock: Arc<dyn Clock>, to: mpsc::Sender<Vec<i16>>) {
    for _ in 0..=limits::VOICE_REOPENS {
        match pbx.hear(&sid).await {
            Ok(mut hearing) => {
                while let Some(samples) = hearing.next().await {
                    // A session that does not listen for so long misses some of it.
                    if let Err(mpsc::error::TrySendError::Closed(_)) = to.try_send(samples) {
                        return;
                    }
                }
            }
            Err(AskFault::Gone) => return,
            Err(fault) => tracing::warn!(%fault, "the callee's sound could not be opened"),
        }
        clock.sleep(limits::VOICE_REOPEN_PAUSE).await;
    }
}

impl LegSocket for Sound {
    fn send(&mut self, frame: &[i16; FRAME]) -> bool {
        if let Some((to, _)) = &self.voice
            && to.is_closed()
        {
            (self.voice, self.broke) = (None, self.broke + 1);
            if self.broke > limits::VOICE_REOPENS {
                return false;
            }
        }
        let bytes = Bytes::from_iter(frame.iter().flat_map(|sample| sample.to_le_bytes()));
        let voice = match &self.voice {
            Some((to, _)) => to,
            None => self.begin(),
        };
        match voice.try_send(bytes) {
            Ok(()) => self.full = 0,
            // Closed just now: the next frame opens another.
            Err(_) => self.full += 1,
        }
        self.full <= limits::VOICE_FRAMES
    }

    /// What the telephone system holds of ours goes with the stream.
    fn cut(&mut self) {
        self.voice = None;
    }

    async fn next(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(samples) => Heard::Sound(samples),
            None => Heard::Over,
        }
    }
}
