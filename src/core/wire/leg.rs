//! A media leg without a buffer of its own (AudioSocket, a 3CX's streams), seen from our session as a carrier's media stream: our messages
//! in, frames of 20 ms out on absolute deadlines; its frames in, messages out. Pure.
//!
//! What is sent ahead waits here, marks come back when their place has been sent, `clear` empties it: to stop speaking is
//! to stop sending.

use std::collections::VecDeque;
use std::time::Duration;

use super::audiosocket::FRAME;
use super::telling::{self, Ours, Teller};
use crate::base::{Boot, limits};
use crate::core::sound::g711;

/// Time of one frame.
const TICK: Duration = Duration::from_millis(20);
/// A wake-up later than this many frames moves the deadlines: more in one burst would be lost.
const BEHIND: u32 = 3;
/// µ-law silence.
const SILENCE: u8 = 0xff;
/// Asterisk may give up on a socket without traffic (2 s): a frame of silence goes out before that.
const QUIET: Duration = Duration::from_millis(1_000);

enum Queued {
    Sound(Vec<u8>, usize),
    Mark(String),
}

/// A leg. Times are of one clock.
pub struct Leg {
    /// What our session is told.
    pub teller: Teller,
    queue: VecDeque<Queued>,
    /// Samples that wait.
    waiting: usize,
    /// When the next frame is due, while there is sound.
    due: Option<Boot>,
    sent_at: Boot,
    /// `clear` was said since it was last asked.
    cut: bool,
    /// Messages of ours that made no sense.
    pub strange: u32,
    /// Samples that did not fit.
    pub dropped: usize,
}

impl Leg {
    /// A leg whose call has just been answered. `call`: the carrier's id of it. Its first messages are ready.
    pub fn new(stream: &str, call: &str, now: Boot) -> Leg {
        Leg {
            teller: Teller::new(stream, call),
            queue: VecDeque::new(),
            waiting: 0,
            due: None,
            sent_at: now,
            cut: false,
            strange: 0,
            dropped: 0,
        }
    }

    /// A message of our session.
    pub fn said(&mut self, text: &str, now: Boot) {
        match telling::read(text) {
            Some(Ours::Sound(sound)) => self.play(sound, now),
            Some(Ours::Mark(name)) if self.queue.is_empty() => self.teller.mark(name),
            Some(Ours::Mark(name)) => self.queue.push_back(Queued::Mark(name)),
            Some(Ours::Clear) => {
                self.cut = true;
                self.waiting = 0;
                self.due = None;
                for queued in std::mem::take(&mut self.queue) {
                    if let Queued::Mark(name) = queued {
                        self.teller.mark(name);
                    }
                }
            }
            None => self.strange += 1,
        }
    }

    fn play(&mut self, sound: Vec<u8>, now: Boot) {
        if self.waiting + sound.len() > limits::LEG_SAMPLES {
            self.dropped += sound.len();
            return;
        }
        if sound.is_empty() {
            return;
        }
        self.waiting += sound.len();
        self.queue.push_back(Queued::Sound(sound, 0));
        // After a pause the deadlines begin anew, never sooner than a frame after the last one.
        self.due.get_or_insert(now.max(self.sent_at + TICK));
    }

    /// The callee's sound.
    pub fn heard(&mut self, samples: &[i16]) {
        self.teller.heard(&g711::encode_ulaw(samples));
    }

    /// The frame that is due, if one is; ask again until there is none.
    pub fn frame(&mut self, now: Boot) -> Option<[i16; FRAME]> {
        let Some(due) = self.due else {
            if now < self.sent_at + QUIET {
                return None;
            }
            self.sent_at = now;
            return Some([0; FRAME]);
        };
        if now < due {
            return None;
        }
        let behind = now.since(due) > TICK * BEHIND;
        self.sent_at = if behind { now } else { due };
        let frame = self.take();
        self.due = (self.waiting > 0).then_some(self.sent_at + TICK);
        Some(frame)
    }

    /// Whether what was sent is to be heard no more: where the other side holds some of it.
    pub fn take_cut(&mut self) -> bool {
        std::mem::take(&mut self.cut)
    }

    /// When [`Leg::frame`] has something next.
    pub fn next_due(&self) -> Boot {
        self.due.unwrap_or(self.sent_at + QUIET)
    }

    fn take(&mut self) -> [i16; FRAME] {
        let mut ulaw = [SILENCE; FRAME];
        let mut filled = 0;
        let mut marks = Vec::new();
        while let Some(first) = self.queue.front_mut() {
            match first {
                Queued::Mark(name) => marks.push(std::mem::take(name)),
                Queued::Sound(_, _) if filled == FRAME => break,
                Queued::Sound(sound, at) => {
                    let take = (FRAME - filled).min(sound.len() - *at);
                    ulaw[filled..filled + take].copy_from_slice(&sound[*at..*at + take]);
                    (filled, *at, self.waiting) = (filled + take, *at + take, self.waiting - take);
                    if *at < sound.len() {
                        break;
                    }
                }
            }
            self.queue.pop_front();
        }
        for name in marks {
            self.teller.mark(name);
        }
        ulaw.map(g711::ulaw_decode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::wire::media::{self, Event, Writer, media_tail};

    const US: u64 = 20_000;

    fn leg() -> Leg {
        let mut leg = Leg::new("L1", "c1", Boot(0));
        let texts: Vec<String> = std::iter::from_fn(|| leg.teller.message()).collect();
        let Ok(Event::Start(start)) = media::parse(&texts[1]).map(|it| it.event) else { panic!("{texts:?}") };
        assert_eq!((start.stream.as_str(), start.call.as_deref()), ("L1", Some("c1")));
        leg
    }

    fn marks(leg: &mut Leg) -> Vec<String> {
        let texts: Vec<String> = std::iter::from_fn(|| leg.teller.message()).collect();
        let mark = |text: &String| match media::parse(text).expect("read by our own session").event {
            Event::Mark(name) => Some(name.into_owned()),
            _ => None,
        };
        texts.iter().filter_map(mark).collect()
    }

    #[test]
    fn frames_keep_absolute_deadlines_and_marks_come_when_their_place_is_sent() {
        let (mut leg, writer) = (leg(), Writer::new("L1"));
        leg.said(&writer.media(&media_tail(&[0x10; 400])), Boot(0));
        leg.said(&writer.mark("a"), Boot(0));
        leg.said(&writer.media(&media_tail(&[0x10; 80])), Boot(0));
        leg.said(&writer.mark("b"), Boot(0));
        // Never sooner than a frame after whatever was sent last.
        assert_eq!((leg.frame(Boot(19_999)), leg.next_due()), (None, Boot(US)));
        let loud = g711::ulaw_decode(0x10);
        // Woken 7 ms late each time: the deadlines do not drift.
        for n in 1..=2 {
            assert_eq!(leg.frame(Boot(n * US + 7_000)), Some([loud; FRAME]), "frame {n}");
            assert_eq!((leg.next_due(), marks(&mut leg).len()), (Boot((n + 1) * US), 0));
        }
        assert_eq!(leg.frame(Boot(3 * US)), Some([loud; FRAME]));
        assert_eq!(marks(&mut leg), ["a", "b"]);
        assert_eq!(leg.frame(Boot(4 * US)), None, "nothing is sent where there is nothing to say");
        leg.said(&writer.mark("c"), Boot(4 * US));
        assert_eq!(marks(&mut leg), ["c"], "at once on an empty queue");
    }

    #[test]
    fn to_clear_is_to_stop_sending_and_every_mark_comes_back() {
        let (mut leg, writer) = (leg(), Writer::new("L1"));
        leg.said(&writer.media(&media_tail(&[0x10; 8_000])), Boot(US));
        leg.said(&writer.mark("a"), Boot(US));
        assert!(leg.frame(Boot(US)).is_some());
        leg.said(&writer.clear(), Boot(US));
        assert_eq!(marks(&mut leg), ["a"]);
        assert!(leg.take_cut() && !leg.take_cut(), "told once");
        assert_eq!(leg.frame(Boot(2 * US)), None);
        leg.said(&writer.media(&media_tail(&[0x10; 160])), Boot(US + 1));
        assert_eq!(leg.next_due(), Boot(2 * US), "a frame after the last one");
    }

    #[test]
    fn who_wakes_much_too_late_sends_no_burst_and_silence_keeps_the_socket() {
        let (mut leg, writer) = (leg(), Writer::new("L1"));
        leg.said(&writer.media(&media_tail(&[0x10; 8_000])), Boot(0));
        assert!(leg.frame(Boot(US)).is_some());
        let late = Boot(50 * US);
        assert!(leg.frame(late).is_some());
        assert_eq!((leg.frame(late), leg.next_due()), (None, Boot(51 * US)));
        leg.said(&writer.clear(), late);
        assert_eq!(leg.frame(Boot(50 * US + 999_999)), None);
        assert_eq!(leg.frame(Boot(50 * US + 1_000_000)), Some([0; FRAME]));
        assert_eq!(leg.frame(Boot(50 * US + 1_000_001)), None);
    }

    #[test]
    fn what_the_callee_says_and_presses_is_read_by_our_session() {
        let mut leg = leg();
        leg.heard(&[0; 160]);
        leg.heard(&[0; 160]);
        leg.teller.key('9');
        leg.teller.stop();
        let texts: Vec<String> = std::iter::from_fn(|| leg.teller.message()).collect();
        let events: Vec<Event> = texts.iter().map(|text| media::parse(text).expect("read").event).collect();
        let Event::Media(second) = &events[1] else { panic!("{events:?}") };
        assert_eq!(second.timestamp, Some(20));
        assert_eq!((&events[2], &events[3]), (&Event::Dtmf('9'), &Event::Stop));
        leg.said("no json", Boot(0));
        leg.said(r#"{"event":"dance"}"#, Boot(0));
        assert_eq!(leg.strange, 2);
    }
}
