//! Our mirror of what the carrier plays: clips and the agent's voice on the timeline of the inbound sound, marks,
//! `clear`, and how much was heard. All places are samples from the stream's first inbound sample.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{PreparedClip, SAMPLES_PER_MS, ULAW_SILENCE};
use crate::base::limits;

/// The key of the agent's voice in logs.
pub const AGENT: &str = "agent";
/// Samples between two marks of the agent's voice, and the longest piece sent at once: half a second.
const MARK_EVERY: usize = 4_000;
/// An agent's voice that has run dry for less than this is still speaking: its next piece is on the way.
const DRY_MS: u64 = 200;

/// What is being played, or waits to be.
struct Item {
    serial: u32,
    sound: Sound,
    start: u64,
    /// Last mark that came back: (samples of the clip played, place where it came back).
    echoed: Option<(u64, u64)>,
}

enum Sound {
    Clip(Arc<PreparedClip>),
    Voice(Voice),
}

/// A stretch of an agent's turn that arrived without a gap.
struct Voice {
    turn: Arc<str>,
    /// Samples of the turn before this stretch.
    before: u64,
    ulaw: Vec<u8>,
    /// Places of its marks, in samples of the stretch.
    marks: Vec<u64>,
    /// No more of it comes.
    whole: bool,
}

/// How much of a clip was played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The clip's key; [`AGENT`] for the agent's voice.
    pub key: String,
    /// The clip's number in this stream.
    pub serial: u32,
    /// Milliseconds that the callee heard.
    pub heard_ms: u64,
    /// Milliseconds of the whole clip.
    pub total_ms: u64,
    /// Its last mark came back: the carrier says that all of it was played.
    pub proved: bool,
    /// Of an agent's turn: which, and how much of the whole turn was heard, in milliseconds.
    pub turn: Option<(Arc<str>, u64)>,
}

/// What is to be sent for a piece of the agent's voice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Sound, µ-law.
    Sound(Vec<u8>),
    /// A mark after so many samples of this number.
    Mark(u32, u64),
}

/// See the module.
#[derive(Default)]
pub struct Playout {
    items: VecDeque<Item>,
    serial: u32,
    /// The agent's turn that was last spoken, and its samples so far.
    turn: Option<(Arc<str>, u64)>,
}

/// Name of the mark after `samples` of clip number `serial`.
pub fn mark_name(serial: u32, samples: u64) -> String {
    format!("c{serial}-{}", samples / SAMPLES_PER_MS)
}

impl Playout {
    /// Queues a clip at place `at`; it plays when the ones before it are over. Gives its number, `None` if too many wait.
    pub fn play(&mut self, clip: Arc<PreparedClip>, at: u64) -> Option<u32> {
        self.queue(Sound::Clip(clip), at)
    }

    fn queue(&mut self, sound: Sound, at: u64) -> Option<u32> {
        if self.items.len() >= limits::PLAYOUT_CLIPS {
            return None;
        }
        self.serial += 1;
        let start = self.items.back().map_or(at, |last| at.max(last.end()));
        self.items.push_back(Item { serial: self.serial, sound, start, echoed: None });
        Some(self.serial)
    }

    /// Queues more of an agent's turn at place `at`, behind what plays. Gives what is to be sent; nothing if too many
    /// stretches wait.
    pub fn say(&mut self, turn: &Arc<str>, ulaw: &[u8], at: u64) -> Vec<Piece> {
        let before = self.turn.as_ref().filter(|(last, _)| last == turn).map_or(0, |(_, samples)| *samples);
        let mut pieces = Vec::new();
        let goes_on = self.items.back().is_some_and(|last| {
            at <= last.end() && matches!(&last.sound, Sound::Voice(voice) if voice.turn == *turn && !voice.whole)
        });
        if !goes_on {
            // Another turn, or this one ran dry: what came before ends here, and its end is marked.
            pieces.extend(self.end_voice());
            let voice = Voice { turn: Arc::clone(turn), before, ulaw: Vec::new(), marks: Vec::new(), whole: false };
            if self.queue(Sound::Voice(voice), at).is_none() {
                return pieces;
            }
        }
        self.turn = Some((Arc::clone(turn), before + ulaw.len() as u64));
        let Some(Item { serial, sound: Sound::Voice(voice), .. }) = self.items.back_mut() else { return pieces };
        let mut rest = ulaw;
        while !rest.is_empty() {
            let room = MARK_EVERY - voice.ulaw.len() % MARK_EVERY;
            let (now, later) = rest.split_at(room.min(rest.len()));
            voice.ulaw.extend_from_slice(now);
            pieces.push(Piece::Sound(now.to_vec()));
            if voice.ulaw.len().is_multiple_of(MARK_EVERY) {
                voice.marks.push(voice.ulaw.len() as u64);
                pieces.push(Piece::Mark(*serial, voice.ulaw.len() as u64));
            }
            rest = later;
        }
        pieces
    }

    /// No more comes of a turn (of any, if `None`): gives the mark of its end.
    pub fn whole(&mut self, turn: Option<&str>) -> Option<Piece> {
        let last = self.turn.as_ref().is_some_and(|(last, _)| turn.is_none_or(|turn| **last == *turn));
        if last { self.end_voice() } else { None }
    }

    fn end_voice(&mut self) -> Option<Piece> {
        let Some(Item { serial, sound: Sound::Voice(voice), .. }) = self.items.back_mut() else { return None };
        let (end, was_whole) = (voice.ulaw.len() as u64, std::mem::replace(&mut voice.whole, true));
        if was_whole || voice.marks.last() == Some(&end) {
            return None;
        }
        voice.marks.push(end);
        Some(Piece::Mark(*serial, end))
    }

    /// Whether something is being played, or waits.
    pub fn is_playing(&self) -> bool {
        !self.items.is_empty()
    }

    /// Whether something sounds at place `at`: an agent's turn that has run dry does not.
    pub fn is_sounding(&self, at: u64) -> bool {
        self.is_voicing(at) || self.items.iter().any(|item| matches!(item.sound, Sound::Clip(_)))
    }

    /// Whether the agent's voice sounds at place `at`.
    pub fn is_voicing(&self, at: u64) -> bool {
        let voice = |item: &Item| matches!(item.sound, Sound::Voice(_)) && at < item.end() + DRY_MS * SAMPLES_PER_MS;
        self.items.iter().any(voice)
    }

    /// Samples of the first thing that plays, at place `at`.
    pub fn playhead(&self, at: u64) -> u64 {
        self.items.front().map_or(0, |item| at.saturating_sub(item.start))
    }

    /// Samples that wait at place `at`.
    pub fn ahead(&self, at: u64) -> u64 {
        self.items.back().map_or(0, |last| last.end().saturating_sub(at))
    }

    /// Appends what is played from place `from` on, `count` samples of it.
    pub fn read(&self, from: u64, count: usize, sound: &mut Vec<u8>) {
        let base = sound.len();
        sound.resize(base + count, ULAW_SILENCE);
        let until = from + count as u64;
        for item in &self.items {
            let (first, last) = (item.start.max(from), item.end().min(until));
            if first < last {
                let at = base + (first - from) as usize;
                let played = &item.ulaw()[(first - item.start) as usize..(last - item.start) as usize];
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
        let Some(samples) = item.marks().find(|end| end / SAMPLES_PER_MS == ms) else { return false };
        if item.echoed.is_none_or(|(before, _)| before < samples) {
            item.echoed = Some((samples, at));
        }
        true
    }

    /// Takes the first clip off if it is over at place `at`: its last mark came back, or its end is long past.
    pub fn finished(&mut self, at: u64) -> Option<Heard> {
        let item = self.items.front()?;
        let total = item.samples();
        let more_comes = matches!(&item.sound, Sound::Voice(voice) if !voice.whole);
        let echoed = item.echoed.is_some_and(|(samples, _)| samples == total);
        let long_past = at >= item.end() + limits::PLAYOUT_GRACE_MS * SAMPLES_PER_MS;
        if more_comes || (!echoed && !long_past && total > 0) {
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
    fn ulaw(&self) -> &[u8] {
        match &self.sound {
            Sound::Clip(clip) => &clip.ulaw,
            Sound::Voice(voice) => &voice.ulaw,
        }
    }

    fn samples(&self) -> u64 {
        self.ulaw().len() as u64
    }

    fn end(&self) -> u64 {
        self.start + self.samples()
    }

    /// Places of its marks, in samples, in order.
    fn marks(&self) -> impl Iterator<Item = u64> {
        let (pieces, own): (&[super::clip::Piece], &[u64]) = match &self.sound {
            Sound::Clip(clip) => (&clip.pieces, &[]),
            Sound::Voice(voice) => (&[], &voice.marks),
        };
        let pieces = pieces.iter().filter(|piece| piece.mark).map(|piece| piece.end as u64);
        pieces.chain(own.iter().copied())
    }

    /// Samples heard at place `at`: the last mark that came back and the time since, but never past the next mark,
    /// which has not come back, nor past the end.
    fn played(&self, at: u64) -> u64 {
        let (marked, since) = self.echoed.unwrap_or((0, self.start));
        let next = self.marks().find(|end| *end > marked).unwrap_or(self.samples());
        (marked + at.saturating_sub(since)).min(next)
    }

    fn heard(&self, samples: u64) -> Heard {
        let (key, turn) = match &self.sound {
            Sound::Clip(clip) => (clip.key.clone(), None),
            Sound::Voice(voice) => {
                let turn = (Arc::clone(&voice.turn), (voice.before + samples) / SAMPLES_PER_MS);
                (AGENT.to_owned(), Some(turn))
            }
        };
        Heard {
            key,
            serial: self.serial,
            heard_ms: samples / SAMPLES_PER_MS,
            total_ms: self.samples() / SAMPLES_PER_MS,
            proved: self.echoed.is_some_and(|(marked, _)| marked == self.samples()),
            turn,
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

    fn turn(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    #[test]
    fn an_agents_turn_is_marked_each_half_second_and_counted_over_its_gaps() {
        let mut playout = Playout::default();
        let a = turn("a");
        let sent = playout.say(&a, &[1; 5_000], 100);
        let marks = |pieces: &[Piece]| {
            let marks = pieces.iter().filter_map(|it| match it {
                Piece::Mark(serial, samples) => Some((*serial, *samples)),
                Piece::Sound(_) => None,
            });
            marks.collect::<Vec<_>>()
        };
        assert_eq!(marks(&sent), [(1, 4_000)]);
        // It runs dry and goes on a second later: the first stretch is closed by a mark, the second counts on.
        let sent = playout.say(&a, &[2; 1_000], 13_100);
        assert_eq!(sent[0], Piece::Mark(1, 5_000));
        assert_eq!(playout.whole(Some("b")), None, "another turn's end");
        assert_eq!(playout.whole(Some("a")), Some(Piece::Mark(2, 1_000)));
        assert_eq!(playout.whole(Some("a")), None, "told once");
        let mut sound = Vec::new();
        playout.read(0, 15_000, &mut sound);
        assert_eq!((sound[99], sound[100], sound[5_099], sound[5_100]), (ULAW_SILENCE, 1, 1, ULAW_SILENCE));
        assert_eq!((sound[13_100], sound[14_099], sound[14_100]), (2, 2, ULAW_SILENCE));
        assert!(playout.echoed("c1-625", 5_200) && playout.is_sounding(13_200) && !playout.is_sounding(20_000));
        assert_eq!(playout.finished(5_200).and_then(|it| it.turn), Some((a.clone(), 625)));
        let heard = playout.clear(13_500);
        assert_eq!((heard[0].heard_ms, &heard[0].turn), (50, &Some((a, 675))), "50 ms of the second stretch");
    }

    #[test]
    fn a_turn_of_which_more_comes_is_not_over() {
        let mut playout = Playout::default();
        playout.say(&turn("a"), &[1; 4_000], 0);
        assert!(playout.echoed("c1-500", 4_100));
        assert_eq!(playout.finished(90_000), None);
        assert_eq!(playout.whole(None), None, "its end is marked already");
        assert_eq!(playout.finished(4_200).map(|it| (it.heard_ms, it.proved)), Some((500, true)));
        assert_eq!(playout.ahead(0), 0);
    }
}
