//! A clip made ready for the wire once, so that a stream only prefixes its id.

use std::fmt;
use std::sync::Arc;

use super::SAMPLES_PER_MS;
use crate::core::asset::Clip;
use crate::core::asset::alignment::Alignment;
use crate::core::sound::tone;
use crate::core::wire::media::media_tail;

/// Samples of the first piece: small, so that the first sound is on its way before the rest is copied.
const FIRST: usize = 800;
/// Samples of a frame, 20 ms.
const FRAME: usize = 160;
/// Samples between two marks: half a second.
const MARK_EVERY: usize = 4_000;

/// A clip cut into pieces, each already base64 inside the tail of a `media` message. Shared by all streams.
#[derive(Clone)]
pub struct PreparedClip {
    /// The phrase's key, for logs.
    pub key: String,
    /// Its words; empty = not known.
    pub text: String,
    /// When each is spoken, if its engine said so.
    pub alignment: Option<Alignment>,
    /// µ-law, 8 000 Hz.
    pub ulaw: Arc<[u8]>,
    /// In playing order.
    pub pieces: Vec<Piece>,
}

/// One message of sound, and perhaps a mark after it.
#[derive(Clone)]
pub struct Piece {
    /// End of the `media` message, from after the stream's id.
    pub tail: String,
    /// Samples of the clip played when this piece is over.
    pub end: usize,
    /// Whether a mark follows.
    pub mark: bool,
}

impl PreparedClip {
    /// Prepares a clip of the shelf.
    pub fn new(clip: &Clip) -> PreparedClip {
        let (text, alignment) = (clip.text.clone(), clip.alignment.clone());
        PreparedClip { text, alignment, ..PreparedClip::of(clip.key.as_str(), clip.ulaw.clone()) }
    }

    /// The same, with a tone after it that asks for a message.
    pub fn then_tone(clip: &Clip) -> PreparedClip {
        let ulaw: Vec<u8> = clip.ulaw.iter().copied().chain(tone::BEEP).collect();
        PreparedClip { text: clip.text.clone(), ..PreparedClip::of(clip.key.as_str(), ulaw.into()) }
    }

    /// Prepares sound: µ-law, 8 000 Hz.
    pub fn of(key: &str, ulaw: Arc<[u8]>) -> PreparedClip {
        let mut pieces = Vec::new();
        let mut start = 0;
        while start < ulaw.len() {
            let half_second = (start / MARK_EVERY + 1) * MARK_EVERY;
            let end = if start == 0 { FIRST } else { half_second };
            // A last piece shorter than a frame goes with the one before: Telnyx takes nothing shorter.
            let end = if ulaw.len() < end + FRAME { ulaw.len() } else { end };
            let mark = end % MARK_EVERY == 0 || end == ulaw.len();
            pieces.push(Piece { tail: media_tail(&ulaw[start..end]), end, mark });
            start = end;
        }
        PreparedClip { key: key.to_owned(), text: String::new(), alignment: None, ulaw, pieces }
    }

    /// The words that were heard in full after `ms` of it: by the engine's times where there are, else by its length.
    pub fn heard(&self, ms: u64) -> String {
        let total_ms = self.samples() / SAMPLES_PER_MS;
        if ms >= total_ms {
            return self.text.clone();
        }
        if let Some(alignment) = &self.alignment {
            return alignment.heard(ms);
        }
        let characters = self.text.chars().count() as u64;
        let heard = usize::try_from(characters * ms / total_ms).unwrap_or(usize::MAX);
        let (end, next) = self.text.char_indices().nth(heard).unwrap_or((self.text.len(), ' '));
        // A word that was not finished was not heard.
        let whole = if next.is_whitespace() { end } else { self.text[..end].rfind(char::is_whitespace).unwrap_or(0) };
        self.text[..whole].trim_end().to_owned()
    }

    /// Length in samples.
    pub fn samples(&self) -> u64 {
        self.ulaw.len() as u64
    }
}

impl fmt::Debug for PreparedClip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreparedClip({}, {} ms)", self.key, self.ulaw.len() / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_ends_with_a_whole_word() {
        let mut clip = PreparedClip::of("greeting", vec![0; 8_000].into());
        clip.text = "Добър ден, обаждам се".to_owned();
        let heard = |ms| clip.heard(ms);
        assert_eq!((heard(0), heard(100)), (String::new(), String::new()));
        assert_eq!((heard(250), heard(470), heard(480)), ("Добър".into(), "Добър".into(), "Добър ден,".into()));
        assert_eq!((heard(990), heard(1_000)), ("Добър ден, обаждам".into(), clip.text.clone()));
        let times = [("Добър", 0, 700), (" ", 700, 700), ("ден", 700, 990)];
        clip.alignment = Alignment::of_characters(times.map(|(text, from, to)| (text.to_owned(), from, to)));
        assert_eq!(clip.heard(900), "Добър", "the engine's own times count");
    }

    fn sound_of(piece: &Piece) -> usize {
        let (mut sound, payload) = (Vec::new(), piece.tail.split('"').nth(5).expect("text"));
        crate::core::wire::media::decode_payload(payload, &mut sound).expect("base64");
        sound.len()
    }

    #[test]
    fn pieces_hold_the_clip_exactly_with_a_mark_each_half_second_and_at_the_end() {
        for length in [0_usize, 1, 800, 801, 960, 4_000, 4_159, 4_160, 8_001, 64_123] {
            let ulaw: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let clip = PreparedClip::of("greeting", ulaw.clone().into());
            let mut wire = Vec::new();
            let mut sound = Vec::new();
            for piece in &clip.pieces {
                let json = format!("{{{}", &piece.tail[1..]);
                let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
                let payload = json["media"]["payload"].as_str().expect("text");
                crate::core::wire::media::decode_payload(payload, &mut sound).expect("base64");
                wire.extend_from_slice(&sound);
                assert_eq!(piece.end, wire.len());
            }
            assert_eq!(wire, ulaw);
            let marks: Vec<usize> = clip.pieces.iter().filter(|it| it.mark).map(|it| it.end).collect();
            // What is left over and shorter than a frame has no mark of its own.
            let left_over = length > MARK_EVERY && (1..FRAME).contains(&(length % MARK_EVERY));
            assert_eq!(marks.len(), length.div_ceil(MARK_EVERY) - usize::from(left_over));
            assert!(length < FRAME || clip.pieces.iter().all(|it| sound_of(it) >= FRAME), "{length}");
            assert_eq!(marks.last().copied().unwrap_or(0), length);
        }
    }
}
