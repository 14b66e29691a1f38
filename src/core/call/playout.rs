//! Our mirror of what the carrier plays: clips on the timeline of the inbound sound, marks, `clear`, and how much was heard.
//! All places are samples from the stream's first inbound sample.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{PreparedClip, SAMPLES_PER_MS, ULAW_SILENCE};
use crate::base::limits;

/// What is being played, or waits to be.
struct Item {
    serial: u32,
    clip: Arc<PreparedClip>,
    start: u64,
    /// Last mark that came back: (samples of the clip played, place where it came back).
    echoed: Option<(u64, u64)>,
}

/// How much of a clip was played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The clip's key.
    pub key: String,
    /// The clip's number in this stream.
    pub serial: u32,
    /// Milliseconds that the callee heard.
    pub heard_ms: u64,
    /// Milliseconds of the whole clip.
    pub total_ms: u64,
    /// Its last mark came back: the carrier says that all of it was played.
    pub proved: bool,
}

/// See the module.
#[derive(Default)]
pub struct Playout {
    items: VecDeque<Item>,
    serial: u32,
}

/// Name of the mark after `samples` of clip number `serial`.
pub fn mark_name(serial: u32, samples: u64) -> String {
    format!("c{serial}-{}", samples / SAMPLES_PER_MS)
}

impl Playout {
    /// Queues a clip at place `at`; it plays when the ones before it are over. Gives its number, `None` if too many wait.
    pub fn play(&mut self, clip: Arc<PreparedClip>, at: u64) -> Option<u32> {
        if self.items.len() >= limits::PLAYOUT_CLIPS {
            return None;
        }
        self.serial += 1;
        let start = self.items.back().map_or(at, |last| at.max(last.start + last.clip.samples()));
        self.items.push_back(Item { serial: self.serial, clip, start, echoed: None });
        Some(self.serial)
    }

    /// Whether something is being played, or waits.
    pub fn is_playing(&self) -> bool {
        !self.items.is_empty()
    }

    /// Appends what is played from place `from` on, `count` samples of it.
    pub fn read(&self, from: u64, count: usize, sound: &mut Vec<u8>) {
        let base = sound.len();
        sound.resize(base + count, ULAW_SILENCE);
        let until = from + count as u64;
        for item in &self.items {
            let (first, last) = (item.start.max(from), (item.start + item.clip.samples()).min(until));
            if first < last {
                let at = base + (first - from) as usize;
                let played = &item.clip.ulaw[(first - item.start) as usize..(last - item.start) as usize];
                sound[at..at + played.len()].copy_from_slice(played);
            }
        }
    }

    /// A mark came back at place `at`. False if it is none of the clips that play: unknown, or flushed by `clear`.
    pub fn echoed(&mut self, name: &str, at: u64) -> bool {
        let Some((serial, ms)) = name.strip_prefix('c').and_then(|rest| rest.split_once('-')) else { return false };
        let (Ok(serial), Ok(ms)) = (serial.parse::<u32>(), ms.parse::<u64>()) else { return false };
        let Some(item) = self.items.iter_mut().find(|item| item.serial == serial) else { return false };
        // The mark's name is rounded to ms; the clip's end is not.
        let end = item.clip.pieces.iter().filter(|it| it.mark).map(|it| it.end as u64);
        let Some(samples) = end.into_iter().find(|end| end / SAMPLES_PER_MS == ms) else { return false };
        if item.echoed.is_none_or(|(before, _)| before < samples) {
            item.echoed = Some((samples, at));
        }
        true
    }

    /// Takes the first clip off if it is over at place `at`: its last mark came back, or its end is long past.
    pub fn finished(&mut self, at: u64) -> Option<Heard> {
        let item = self.items.front()?;
        let total = item.clip.samples();
        let echoed = item.echoed.is_some_and(|(samples, _)| samples == total);
        let long_past = at >= item.start + total + limits::PLAYOUT_GRACE_MS * SAMPLES_PER_MS;
        if !echoed && !long_past && total > 0 {
            return None;
        }
        self.items.pop_front().map(|item| item.heard(total))
    }

    /// We send `clear` at place `at`: forgets everything; tells how much of each clip was heard.
    pub fn clear(&mut self, at: u64) -> Vec<Heard> {
        self.items.drain(..).map(|item| item.heard(item.played(at))).collect()
    }
}

impl Item {
    /// Samples heard at place `at`: the last mark that came back and the time since, but never past the next mark,
    /// which has not come back, nor past the end.
    fn played(&self, at: u64) -> u64 {
        let (marked, since) = self.echoed.unwrap_or((0, self.start));
        let marks = self.clip.pieces.iter().filter(|piece| piece.mark).map(|piece| piece.end as u64);
        let next = marks.into_iter().find(|end| *end > marked).unwrap_or(self.clip.samples());
        (marked + at.saturating_sub(since)).min(next)
    }

    fn heard(&self, samples: u64) -> Heard {
        Heard {
            key: self.clip.key.clone(),
            serial: self.serial,
            heard_ms: samples / SAMPLES_PER_MS,
            total_ms: self.clip.samples() / SAMPLES_PER_MS,
            proved: self.echoed.is_some_and(|(marked, _)| marked == self.clip.samples()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(samples: usize) -> Arc<PreparedClip> {
        Arc::new(PreparedClip::of("greeting", (0..samples).map(|i| (i % 97) as u8).collect::<Vec<_>>().into()))
    }

    #[test]
    fn heard_is_the_last_echo_and_the_time_since_but_never_past_a_mark_that_has_not_come_back() {
        let mut playout = Playout::default();
        let serial = playout.play(clip(16_000), 0).expect("room");
        assert!(playout.echoed(&mark_name(serial, 4_000), 4_400));
        assert_eq!(playout.clear(5_200)[0].heard_ms, 600, "500 ms marked, 100 ms since");
        assert!(!playout.echoed(&mark_name(serial, 8_000), 5_300), "flushed by clear: proves nothing");
        let serial = playout.play(clip(16_000), 0).expect("room");
        assert!(playout.echoed(&mark_name(serial, 4_000), 4_400));
        assert_eq!(playout.clear(90_000)[0].heard_ms, 1_000, "the mark at 1 s never came back");
        playout.play(clip(16_000), 100).expect("room");
        assert_eq!(playout.clear(900)[0].heard_ms, 100);
        playout.play(clip(1_000), 0).expect("room");
        assert_eq!(playout.clear(90_000)[0].heard_ms, 125, "not more than was sent");
    }

    #[test]
    fn a_clip_is_over_with_its_last_mark_and_not_before() {
        let mut playout = Playout::default();
        let serial = playout.play(clip(4_100), 0).expect("room");
        assert_eq!(playout.finished(4_100), None);
        assert!(playout.echoed(&mark_name(serial, 4_100), 4_300));
        assert_eq!(playout.finished(4_300).map(|heard| heard.heard_ms), Some(512));
        assert!(!playout.is_playing());
    }

    #[test]
    fn clips_follow_each_other_on_the_timeline() {
        let mut playout = Playout::default();
        let first = clip(1_000);
        playout.play(first.clone(), 50).expect("room");
        playout.play(first.clone(), 60).expect("room");
        let mut sound = Vec::new();
        playout.read(0, 160, &mut sound);
        playout.read(160, 2_000, &mut sound);
        assert_eq!(sound[..50], [ULAW_SILENCE; 50]);
        assert_eq!(sound[50..1_050], first.ulaw[..]);
        assert_eq!(sound[1_050..2_050], first.ulaw[..]);
        assert_eq!(sound[2_050..], [ULAW_SILENCE; 110]);
    }
}
