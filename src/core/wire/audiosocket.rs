//! AudioSocket: Asterisk's framed TCP. One byte of type, two of length (big-endian), the payload. Pure.
//!
//! Asterisk connects to us and names itself first. It ends the channel on any frame of ours but sound and a hang-up, and on
//! sound of no length; it paces nothing and buffers nothing, so a burst is lost. Source: Asterisk's own behaviour, seen.

use uuid::Uuid;

/// Samples of a frame: 20 ms at 8 000 Hz.
pub const FRAME: usize = 160;
/// Longest payload that is read: a second of the fastest sound. Asterisk sends 320 bytes.
const MOST: usize = 16 << 10;

const HANG_UP: u8 = 0x00;
const NAME: u8 = 0x01;
const KEY: u8 = 0x03;
const SOUND: u8 = 0x10;
const ERROR: u8 = 0xff;

/// What Asterisk says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Whose socket it is: always first.
    Name(Uuid),
    /// Sound, 8 000 Hz, mono.
    Sound(Vec<i16>),
    /// A key; also told by an event of the channel, which is the one that counts.
    Key(u8),
    /// The channel is gone.
    HungUp,
    /// Asterisk's own fault, by its code.
    Error(Option<u8>),
    /// Sound of another rate, or a type that we do not know: passed over.
    Other(u8),
}

/// Why a socket is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A payload longer than any that Asterisk sends.
    #[error("a frame of {0} bytes")]
    TooLong(usize),
    /// A payload of a length that its type cannot have.
    #[error("a frame of type {0:#04x} with a wrong length")]
    WrongLength(u8),
}

/// Cuts what arrives into frames.
#[derive(Debug, Default)]
pub struct Reader {
    held: Vec<u8>,
}

impl Reader {
    /// Takes bytes as they come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next frame, once it is whole.
    pub fn cut(&mut self) -> Result<Option<Said>, Broken> {
        let [kind, high, low, ..] = *self.held.as_slice() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MOST {
            return Err(Broken::TooLong(length));
        }
        if self.held.len() < 3 + length {
            return Ok(None);
        }
        let payload: Vec<u8> = self.held.drain(..3 + length).skip(3).collect();
        let wrong = Broken::WrongLength(kind);
        Ok(Some(match kind {
            HANG_UP => Said::HungUp,
            NAME => Said::Name(Uuid::from_slice(&payload).map_err(|_| wrong)?),
            KEY => match payload.as_slice() {
                [key] => Said::Key(*key),
                _ => return Err(wrong),
            },
            SOUND if payload.len().is_multiple_of(2) => {
                Said::Sound(payload.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
            }
            SOUND => return Err(wrong),
            ERROR => Said::Error(payload.first().copied()),
            other => Said::Other(other),
        }))
    }
}

/// A frame of sound as Asterisk takes it.
pub fn sound(samples: &[i16; FRAME]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(3 + 2 * FRAME);
    frame.extend([SOUND, 0x01, 0x40]);
    frame.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    frame
}

/// The frame that ends the channel.
pub fn hang_up() -> [u8; 3] {
    [HANG_UP, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_wherever_the_bytes_are() {
        let id = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        let mut bytes = vec![0x01, 0x00, 0x10];
        bytes.extend(id.as_bytes());
        bytes.extend([0x10, 0x00, 0x04, 0x01, 0x00, 0xff, 0x7f, 0x03, 0x00, 0x01, b'5', 0x12, 0, 2, 0, 0, 0x00, 0, 0]);
        let want = [Said::Name(id), Said::Sound(vec![1, 0x7fff]), Said::Key(b'5'), Said::Other(0x12), Said::HungUp];
        for step in 1..bytes.len() {
            let mut reader = Reader::default();
            let mut got = Vec::new();
            for piece in bytes.chunks(step) {
                reader.feed(piece);
                while let Some(said) = reader.cut().expect("whole") {
                    got.push(said);
                }
            }
            assert_eq!(got, want, "pieces of {step}");
        }
    }

    #[test]
    fn what_asterisk_never_sends_breaks_the_socket_and_holds_nothing() {
        let broken = |bytes: &[u8]| {
            let mut reader = Reader::default();
            reader.feed(bytes);
            reader.cut()
        };
        assert_eq!(broken(&[0x10, 0xff, 0xff]), Err(Broken::TooLong(65_535)));
        assert_eq!(broken(&[0x01, 0, 1, 7]), Err(Broken::WrongLength(0x01)));
        assert_eq!(broken(&[0x10, 0, 1, 7]), Err(Broken::WrongLength(0x10)));
        assert_eq!(broken(&[0xff, 0, 0]), Ok(Some(Said::Error(None))));
    }

    #[test]
    fn our_sound_is_exactly_twenty_milliseconds_in_little_endian() {
        let mut samples = [0_i16; FRAME];
        samples[0] = 0x0102;
        let frame = sound(&samples);
        assert_eq!((frame.len(), &frame[..5]), (323, &[0x10, 0x01, 0x40, 0x02, 0x01][..]));
        assert_eq!(hang_up(), [0, 0, 0]);
    }
}
