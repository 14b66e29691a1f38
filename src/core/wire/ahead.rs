//! A media leg that is played by its other side (Asterisk's `chan_websocket`), seen from our session as a carrier's media stream:
//! our messages in, sound sent ahead and control out; its sound and its marks in, messages out. Pure.
//!
//! Sound is sent ahead up to a bound and in whole frames, so that a flush takes away all that the callee has not heard. How far
//! ahead it is follows from the clock and is put right by every mark that comes back; XOFF stops it whatever we think.

use std::collections::VecDeque;
use std::time::Duration;

use super::chan_websocket::{Command, FRAME, Said};
use super::telling::{self, Ours, Teller};
use crate::base::{Boot, limits};

/// Time of one frame.
const TICK: Duration = Duration::from_millis(20);
/// Longest message of sound, a second: what is on its way when XOFF comes stays small.
const PIECE: usize = 50 * FRAME;
/// µ-law silence.
const SILENCE: u8 = 0xff;

enum Queued {
    /// Whole frames, and how much of them was sent.
    Sound(Vec<u8>, usize),
    Mark(String),
}

/// A mark that has been sent.
struct Marked {
    id: u64,
    name: String,
    /// Frames that had been sent before it.
    at: u64,
}

/// What goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// Sound, µ-law, whole frames.
    Sound(Vec<u8>),
    /// Control.
    Command(Command),
}

/// A leg. Times are of one clock.
pub struct Ahead {
    /// What our session is told.
    pub teller: Teller,
    queue: VecDeque<Queued>,
    /// Samples that wait, and those of a frame that is not whole yet.
    waiting: usize,
    rest: Vec<u8>,
    marks: VecDeque<Marked>,
    next_mark: u64,
    /// Frames sent so far.
    sent: u64,
    /// When the last of them will have been played.
    end: Boot,
    /// The other side cuts over the borders of our messages.
    buffering: bool,
    /// It has said XOFF: since when.
    stopped: Option<Boot>,
    /// A flush is to be sent, before anything else.
    flush: bool,
    cut: bool,
    /// Messages, of our session or of the other side, that made no sense.
    pub strange: u32,
    /// Samples and marks that did not fit.
    pub dropped: usize,
    /// What the other side found wrong with ours, the first time.
    pub complaint: Option<String>,
}

impl Ahead {
    /// A leg whose call has just been answered. `call`: the carrier's id of it. Its first messages are ready.
    pub fn new(stream: &str, call: &str, now: Boot) -> Ahead {
        Ahead {
            teller: Teller::new(stream, call),
            queue: VecDeque::new(),
            waiting: 0,
            rest: Vec::new(),
            marks: VecDeque::new(),
            next_mark: 0,
            sent: 0,
            end: now,
            buffering: false,
            stopped: None,
            flush: false,
            cut: false,
            strange: 0,
            dropped: 0,
            complaint: None,
        }
    }

    /// A message of our session.
    pub fn said(&mut self, text: &str, now: Boot) {
        match telling::read(text) {
            Some(Ours::Sound(sound)) => self.play(&sound),
            Some(Ours::Mark(name)) => self.mark(name),
            Some(Ours::Clear) => {
                self.queue.clear();
                self.rest.clear();
                // Nobody reports them, and a late one proves nothing any more.
                self.marks.clear();
                self.waiting = 0;
                self.end = now;
                (self.buffering, self.flush, self.cut) = (false, true, true);
            }
            None => self.strange += 1,
        }
    }

    fn play(&mut self, sound: &[u8]) {
        if self.waiting + sound.len() > limits::LEG_SAMPLES {
            self.dropped += sound.len();
            return;
        }
        self.rest.extend_from_slice(sound);
        let whole = self.rest.len() / FRAME * FRAME;
        if whole > 0 {
            let rest = self.rest.split_off(whole);
            let frames = std::mem::replace(&mut self.rest, rest);
            self.waiting += frames.len();
            self.queue.push_back(Queued::Sound(frames, 0));
        }
    }

    fn mark(&mut self, name: String) {
        if self.queue.len() + self.marks.len() >= limits::LEG_MARKS {
            self.dropped += 1;
            return;
        }
        if !self.rest.is_empty() {
            // The end of something: the other side plays whole frames, and a mark has its place between two.
            let missing = FRAME - self.rest.len();
            self.play(&[SILENCE; FRAME][..missing]);
        }
        self.queue.push_back(Queued::Mark(name));
    }

    /// What the other side says.
    pub fn told(&mut self, said: Said, now: Boot) {
        match said {
            Said::Marked(id) => {
                let known = self.marks.iter().position(|mark| mark.id == id);
                // One that was on its way when we flushed is nobody's.
                let Some(place) = known else { return };
                let Some(mark) = self.marks.drain(..=place).next_back() else { return };
                let left = u32::try_from(self.sent - mark.at).unwrap_or(u32::MAX);
                self.end = now + TICK * left;
                self.teller.mark(mark.name);
            }
            Said::Xoff => {
                self.stopped.get_or_insert(now);
            }
            Said::Xon => self.stopped = None,
            Said::Error(words) => {
                self.complaint.get_or_insert(words);
            }
            Said::Start(_) => self.strange += 1,
            Said::Other => {}
        }
    }

    /// A message that is none of this protocol.
    pub fn babble(&mut self) {
        self.strange += 1;
    }

    /// The callee's sound, µ-law.
    pub fn heard(&mut self, ulaw: &[u8]) {
        ulaw.chunks(FRAME).for_each(|frame| self.teller.heard(frame));
    }

    /// What may be sent now; ask again until there is none.
    pub fn next(&mut self, now: Boot) -> Option<Out> {
        if std::mem::take(&mut self.flush) {
            return Some(Out::Command(Command::Flush));
        }
        match self.queue.front_mut()? {
            Queued::Mark(name) => {
                let (id, name) = (self.next_mark, std::mem::take(name));
                self.next_mark += 1;
                self.marks.push_back(Marked { id, name, at: self.sent });
                self.queue.pop_front();
                Some(Out::Command(Command::Mark(id)))
            }
            Queued::Sound(_, _) if self.stopped.is_some() || self.end.since(now) >= limits::LEG_AHEAD => None,
            Queued::Sound(_, _) if !std::mem::replace(&mut self.buffering, true) => {
                Some(Out::Command(Command::StartBuffering))
            }
            Queued::Sound(frames, at) => {
                let until = (*at + PIECE).min(frames.len());
                let piece = frames[*at..until].to_vec();
                *at = until;
                if until == frames.len() {
                    self.queue.pop_front();
                }
                self.waiting -= piece.len();
                self.sent += (piece.len() / FRAME) as u64;
                self.end = self.end.max(now) + TICK * u32::try_from(piece.len() / FRAME).unwrap_or(u32::MAX);
                Some(Out::Sound(piece))
            }
        }
    }

    /// Whether what was sent is to be heard no more since this was last asked: what waits in the socket goes too.
    pub fn take_cut(&mut self) -> bool {
        std::mem::take(&mut self.cut)
    }

    /// When [`Ahead::next`] has something, if nothing else happens.
    pub fn next_due(&self, now: Boot) -> Option<Boot> {
        let held = matches!(self.queue.front(), Some(Queued::Sound(_, _))) && self.stopped.is_none();
        // One tick more, so that what is due is under the bound and not at it.
        held.then(|| now + (self.end.since(now) + TICK).saturating_sub(limits::LEG_AHEAD))
    }

    /// Whether XOFF has lasted longer than all that the other side can hold: it plays nothing.
    pub fn is_stuck(&self, now: Boot) -> bool {
        self.stopped.is_some_and(|since| now.since(since) > limits::LEG_XOFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::wire::media::{self, Event, Writer, media_tail};

    fn leg() -> Ahead {
        let mut leg = Ahead::new("L1", "c1", Boot(0));
        let texts: Vec<String> = std::iter::from_fn(|| leg.teller.message()).collect();
        assert!(matches!(media::parse(&texts[1]).map(|it| it.event), Ok(Event::Start(_))), "{texts:?}");
        leg
    }

    fn all(leg: &mut Ahead, now: Boot) -> Vec<Out> {
        std::iter::from_fn(|| leg.next(now)).collect()
    }

    fn sound(out: &[Out]) -> Vec<u8> {
        let sound = out.iter().filter_map(|it| if let Out::Sound(bytes) = it { Some(bytes.clone()) } else { None });
        sound.flatten().collect()
    }

    fn marks(leg: &mut Ahead) -> Vec<String> {
        let texts: Vec<String> = std::iter::from_fn(|| leg.teller.message()).collect();
        let mark = |text: &String| match media::parse(text).expect("read by our own session").event {
            Event::Mark(name) => Some(name.into_owned()),
            _ => None,
        };
        texts.iter().filter_map(mark).collect()
    }

    fn at(ms: u64) -> Boot {
        Boot(ms * 1_000)
    }

    #[test]
    fn sound_goes_out_at_once_in_whole_frames_and_a_mark_after_what_it_marks() {
        let (mut leg, writer) = (leg(), Writer::new("L1"));
        let clip: Vec<u8> = (0..400_u32).map(|it| it as u8).collect();
        leg.said(&writer.media(&media_tail(&clip[..250])), at(0));
        leg.said(&writer.media(&media_tail(&clip[250..])), at(0));
        leg.said(&writer.mark("a"), at(0));
        let out = all(&mut leg, at(0));
        assert_eq!(out[0], Out::Command(Command::StartBuffering));
        assert_eq!(out.last(), Some(&Out::Command(Command::Mark(0))));
        let sent = sound(&out);
        assert_eq!(
            (&sent[..400], &sent[400..]),
            (&clip[..], &[SILENCE; 80][..]),
            "padded to its frame, at its end only"
        );
        assert!(marks(&mut leg).is_empty(), "nothing is heard because it was sent");
        leg.told(Said::Marked(0), at(65));
        assert_eq!(marks(&mut leg), ["a"]);
        leg.told(Said::Marked(0), at(70));
        assert!(marks(&mut leg).is_empty(), "told once");
        leg.said(&writer.media(&media_tail(&[1; 160])), at(90));
        assert_eq!(all(&mut leg, at(90)), [Out::Sound(vec![1; 160])], "buffering goes on until a flush");
    }

    #[test]
    fn no_more_is_sent_ahead_than_the_bound_and_the_rest_follows_in_time() {
        let (mut leg, writer) = (leg(), Writer::new("L1"));
        let ahead_ms = limits::LEG_AHEAD.as_millis() as u64;
        let minute = vec![7_u8; 8_000 * 60];
        for second in minute.chunks(8_000) {
            leg.said(&writer.media(&media_tail(second)), at(0));
        }
        let mut sent = sound(&all(&mut leg, at(0))).len() as u64 / 8;
        assert!((ahead_ms..ahead_ms + 1_000).contains(&sent), "{sent} ms at once");
        let mut now = 0;
        while sent < 60_000 {
            let due = leg.next_due(at(now)).expect("more waits");
            assert!(due > at(now), "it would spin");
            now = due.0 / 1_000;
            sent += sound(&all(&mut leg, at(now))).len() as u64 / 8;
            let ahead = sent - now;
            assert!((ahead_ms..ahead_ms + 1_000).contains(&ahead), "{ahead} ms ahead after {now} ms");
        }
        assert_eq!((sent, leg.next_due(at(now))), (60_000, None));
    }

    /// The other side has played less than our clock thinks (it paused, it is slow): nothing more until it has.
    #[test]
    fn a_mark_that_comes_late_holds_back_what_would_overfill_the_other_side() {
        let (mut leg, writer) = (leg(), Writer::new("L1"));
        for n in 0..30 {
            leg.said(&writer.media(&media_tail(&[7; 8_000])), at(0));
            leg.said(&writer.mark(&format!("{n}")), at(0));
        }
        assert_eq!(sound(&all(&mut leg, at(0))).len(), 80_000);
        // Three seconds later only the first second has been played.
        leg.told(Said::Marked(0), at(3_000));
        assert_eq!(all(&mut leg, at(3_000)).len(), 2, "one second more, and its mark");
    }

    #[test]
    fn barge_in_flushes_first_and_marks_of_what_was_flushed_count_for_nothing() {
        let (mut leg, writer) = (leg(), Writer::new("L1"));
        leg.said(&writer.media(&media_tail(&[1; 8_000])), at(0));
        leg.said(&writer.mark("a"), at(0));
        leg.said(&writer.media(&media_tail(&[1; 8_000])), at(0));
        leg.said(&writer.mark("b"), at(0));
        leg.said(&writer.media(&media_tail(&[1; 100])), at(0));
        assert_eq!(all(&mut leg, at(0)).len(), 5);
        leg.told(Said::Marked(0), at(1_000));
        assert_eq!(marks(&mut leg), ["a"]);
        leg.said(&writer.clear(), at(1_100));
        leg.said(&writer.media(&media_tail(&[2; 160])), at(1_100));
        assert!(leg.take_cut() && !leg.take_cut(), "told once");
        let out = all(&mut leg, at(1_100));
        let want = [Out::Command(Command::Flush), Out::Command(Command::StartBuffering), Out::Sound(vec![2; 160])];
        assert_eq!(out, want, "the flush first, buffering anew, and nothing of what was half a frame");
        leg.told(Said::Marked(1), at(1_110));
        assert!(marks(&mut leg).is_empty(), "flushed, whatever is said of it");
    }

    #[test]
    fn xoff_stops_sound_but_no_flush_and_one_that_never_ends_is_a_leg_that_plays_nothing() {
        let (mut leg, writer) = (leg(), Writer::new("L1"));
        leg.told(Said::Xoff, at(0));
        leg.said(&writer.media(&media_tail(&[1; 160])), at(10));
        assert_eq!((all(&mut leg, at(10)), leg.next_due(at(10))), (vec![], None));
        leg.said(&writer.clear(), at(20));
        assert_eq!(all(&mut leg, at(20)), [Out::Command(Command::Flush)]);
        leg.said(&writer.media(&media_tail(&[2; 160])), at(30));
        leg.told(Said::Xoff, at(40));
        assert_eq!(all(&mut leg, at(40)), []);
        assert!(!leg.is_stuck(at(20_000)) && leg.is_stuck(at(31_000)));
        leg.told(Said::Xon, at(50));
        assert_eq!(sound(&all(&mut leg, at(50))), [2; 160]);
        assert!(!leg.is_stuck(at(90_000)));
    }

    #[test]
    fn nothing_grows_without_bound_and_garbage_is_counted() {
        let (mut leg, writer) = (leg(), Writer::new("L1"));
        for _ in 0..700 {
            leg.said(&writer.media(&media_tail(&[1; 8_000])), at(0));
        }
        assert_eq!(leg.dropped, 100 * 8_000, "ten minutes wait, no more");
        for n in 0..2 * limits::LEG_MARKS {
            leg.said(&writer.mark(&n.to_string()), at(0));
        }
        assert!(leg.queue.len() + leg.marks.len() <= limits::LEG_MARKS);
        leg.said("no json", at(0));
        leg.said(r#"{"event":"media","media":{"payload":"*"}}"#, at(0));
        leg.babble();
        for id in [0, 99, u64::MAX] {
            leg.told(Said::Marked(id), at(0));
        }
        assert_eq!((leg.strange, leg.marks.len()), (3, 0));
    }

    #[test]
    fn what_the_callee_says_and_presses_is_read_by_our_session() {
        let mut leg = leg();
        leg.heard(&[0x10; 480]);
        leg.teller.key('9');
        leg.teller.stop();
        let texts: Vec<String> = std::iter::from_fn(|| leg.teller.message()).collect();
        let events: Vec<Event> = texts.iter().map(|text| media::parse(text).expect("read").event).collect();
        let Event::Media(third) = &events[2] else { panic!("{events:?}") };
        assert_eq!(third.timestamp, Some(40), "frames of 20 ms, however it came");
        assert_eq!((&events[3], &events[4]), (&Event::Dtmf('9'), &Event::Stop));
    }
}
