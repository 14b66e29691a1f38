//! The stream's ear: re-cuts 20 ms frames to 32 ms chunks, lets the line's own quiet pass, and hands the rest to the
//! voice network one chunk at a time. The network itself is run by somebody else, so that it never delays a waiting stream.

use std::collections::VecDeque;

use crate::base::limits;
use crate::core::sound::g711;
use crate::core::vad::CHUNK_8K;
use crate::core::vad::front::Front;

/// One chunk for the network, with the stream's memory. Goes out, is judged, comes back.
#[derive(Debug, Clone)]
pub struct Job {
    front: Front,
    chunk: [f32; CHUNK_8K],
    probability: f32,
}

impl Job {
    /// Runs the network: some 40 µs of work.
    pub fn judge(&mut self) {
        self.probability = self.front.judge(&self.chunk);
    }

    /// Takes over what another stream's ear made of the same sound since its start: `judged` is that one's job of the same
    /// number, after it was judged. False: it is another sound, and nothing was taken.
    pub fn judge_like(&mut self, judged: &Job) -> bool {
        let same = self.chunk == judged.chunk;
        if same {
            self.clone_from(judged);
        }
        same
    }
}

// Boxing the sound would allocate for every chunk; runs of dropped ones are rare.
#[allow(clippy::large_enum_variant)]
enum Waiting {
    Sound([u8; CHUNK_8K]),
    Dropped(u32),
}

/// What comes next.
pub enum Next {
    /// A probability that needed no network.
    Verdict(f32),
    /// A chunk to be judged and given back by [`Ear::back`].
    Judge(Box<Job>),
}

/// See the module.
pub struct Ear {
    partial: Vec<u8>,
    waiting: VecDeque<Waiting>,
    home: Option<Box<Job>>,
    /// Chunks that came while the backlog was full: counted as silence.
    pub dropped: u64,
    /// Chunks that were the line's own quiet.
    pub skipped: u64,
}

impl Default for Ear {
    fn default() -> Ear {
        let job = Job { front: Front::default(), chunk: [0.0; CHUNK_8K], probability: 0.0 };
        Ear {
            partial: Vec::with_capacity(2 * CHUNK_8K),
            waiting: VecDeque::new(),
            home: Some(Box::new(job)),
            dropped: 0,
            skipped: 0,
        }
    }
}

impl Ear {
    /// Takes sound, µ-law.
    pub fn push(&mut self, ulaw: &[u8]) {
        self.partial.extend_from_slice(ulaw);
        let mut taken = 0;
        while let Some(chunk) = self.partial[taken..].first_chunk::<CHUNK_8K>() {
            taken += CHUNK_8K;
            if self.waiting.len() < limits::VAD_BACKLOG {
                self.waiting.push_back(Waiting::Sound(*chunk));
            } else {
                self.dropped += 1;
                match self.waiting.back_mut() {
                    Some(Waiting::Dropped(count)) => *count += 1,
                    Some(Waiting::Sound(_)) | None => self.waiting.push_back(Waiting::Dropped(1)),
                }
            }
        }
        self.partial.drain(..taken);
    }

    /// Chunks that wait for the one that is out.
    pub fn backlog(&self) -> usize {
        self.waiting.len()
    }

    /// The next chunk's fate; `None` while one is out, or nothing waits.
    pub fn hear(&mut self) -> Option<Next> {
        let mut job = self.home.take()?;
        let next = match self.waiting.pop_front() {
            None => None,
            Some(Waiting::Dropped(count)) => {
                if count > 1 {
                    self.waiting.push_front(Waiting::Dropped(count - 1));
                }
                Some(Next::Verdict(0.0))
            }
            Some(Waiting::Sound(chunk)) => {
                for (sample, byte) in job.chunk.iter_mut().zip(chunk) {
                    *sample = f32::from(g711::ulaw_decode(byte)) / 32_768.0;
                }
                if !job.front.passes(&job.chunk) {
                    return Some(Next::Judge(job));
                }
                self.skipped += 1;
                Some(Next::Verdict(0.0))
            }
        };
        self.home = Some(job);
        next
    }

    /// Takes a judged chunk back; gives its probability.
    pub fn back(&mut self, job: Box<Job>) -> f32 {
        let probability = job.probability;
        self.home = Some(job);
        probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_backlog_counts_as_silence_and_keeps_every_place() {
        let mut ear = Ear::default();
        let loud = [0x20_u8; CHUNK_8K];
        for _ in 0..limits::VAD_BACKLOG + 30 {
            ear.push(&loud);
        }
        assert_eq!(ear.dropped, 30);
        let mut verdicts = 0;
        while let Some(next) = ear.hear() {
            verdicts += 1;
            if let Next::Judge(job) = next {
                assert!(ear.hear().is_none(), "one chunk is out at a time");
                ear.back(job);
            }
        }
        assert_eq!(verdicts, limits::VAD_BACKLOG + 30);
    }
}
