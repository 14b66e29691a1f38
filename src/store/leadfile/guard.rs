//! Bytes on their way to the CSV parser: every line end made `\n`, UTF-16 made UTF-8, lines counted, one record never more
//! than its share of memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

use encoding_rs::{Decoder, DecoderResult};

use crate::base::limits;

/// Bytes read at once; also the parser's buffer.
pub(super) const BUFFER: usize = 64 << 10;

/// Where a line with something on it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// In the stream that the parser sees.
    pub at: u64,
    /// Its number, from 1.
    pub line: u64,
    /// In the file.
    pub offset: u64,
}

/// What guard and reader share: the guard notes where lines begin, the reader takes what it has passed.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub starts: VecDeque<Start>,
    /// Bytes that the parser has taken since the record before ended.
    pub unread: usize,
    /// UTF-16 that cannot be read, with its line.
    pub broken: Option<u64>,
}

/// The bytes of a file behind its byte order mark.
pub(super) struct Guard<R> {
    source: R,
    lines: Rc<RefCell<Lines>>,
    wide: Option<Wide>,
    /// In the parser's stream.
    at: u64,
    /// In the file.
    offset: u64,
    line: u64,
    /// The byte before, as it came.
    last: u8,
    /// The byte before, as it was given on.
    given: u8,
}

/// UTF-16 on its way to UTF-8.
struct Wide {
    decoder: Decoder,
    raw: Vec<u8>,
    /// Bytes in `raw`, and how many of them are decoded.
    filled: usize,
    taken: usize,
    over: bool,
    /// What was decoded last is followed by something that is no UTF-16.
    broken: bool,
    /// The decoder has given everything.
    ended: bool,
}

impl<R: Read> Guard<R> {
    /// `skipped`: bytes of the byte order mark, which `source` is behind. `wide`: the decoder of a file in UTF-16.
    pub(super) fn new(source: R, lines: Rc<RefCell<Lines>>, skipped: u64, wide: Option<Decoder>) -> Guard<R> {
        let wide = wide.map(|decoder| Wide {
            decoder,
            raw: vec![0; BUFFER],
            filled: 0,
            taken: 0,
            over: false,
            broken: false,
            ended: false,
        });
        Guard { source, lines, wide, at: 0, offset: skipped, line: 1, last: 0, given: b'\n' }
    }

    /// The next bytes, in an encoding whose ASCII is ASCII.
    fn raw(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(wide) = &mut self.wide else { return self.source.read(into) };
        loop {
            if wide.broken {
                // Told only now, so that the lines before it are counted.
                self.lines.borrow_mut().broken.get_or_insert(self.line);
                return Err(io::ErrorKind::InvalidData.into());
            }
            if wide.ended {
                return Ok(0);
            }
            if wide.taken == wide.filled && !wide.over {
                wide.filled = self.source.read(&mut wide.raw)?;
                wide.taken = 0;
                wide.over = wide.filled == 0;
            }
            let rest = &wide.raw[wide.taken..wide.filled];
            let (result, read, written) = wide.decoder.decode_to_utf8_without_replacement(rest, into, wide.over);
            wide.taken += read;
            wide.broken = matches!(result, DecoderResult::Malformed(..));
            wide.ended = wide.over && result == DecoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
    }

    /// How many bytes of the file these bytes of the stream stand for.
    fn weight(&self, bytes: &[u8]) -> u64 {
        if self.wide.is_none() {
            return bytes.len() as u64;
        }
        let weigh = |byte: &u8| match byte {
            // A surrogate pair is four bytes of UTF-8 and four of UTF-16.
            0xf0.. => 4,
            0x80..=0xbf => 0,
            _ => 2,
        };
        bytes.iter().map(weigh).sum()
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // One buffer may hold the end of the record before and the start of the next.
        if self.lines.borrow().unread > limits::CSV_RECORD_BYTES + BUFFER {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if into.len() < 4 {
            // A decoder needs room for one character.
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut kept = 0;
        while kept == 0 {
            let read = self.raw(into)?;
            if read == 0 {
                if self.given == b'\n' {
                    return Ok(0);
                }
                // The last line has an end, too.
                into[0] = b'\n';
                self.given = b'\n';
                self.at += 1;
                self.line += 1;
                self.lines.borrow_mut().unread += 1;
                return Ok(1);
            }
            let shared = Rc::clone(&self.lines);
            let mut lines = shared.borrow_mut();
            let mut from = 0;
            while from < read {
                let run = memchr::memchr2(b'\r', b'\n', &into[from..read]).unwrap_or(read - from);
                if run > 0 {
                    if self.given == b'\n' {
                        lines.starts.push_back(Start { at: self.at, line: self.line, offset: self.offset });
                    }
                    self.offset += self.weight(&into[from..from + run]);
                    self.last = into[from + run - 1];
                    self.given = self.last;
                    into.copy_within(from..from + run, kept);
                    self.at += run as u64;
                    (from, kept) = (from + run, kept + run);
                }
                if from == read {
                    break;
                }
                let end = into[from];
                let second_half = end == b'\n' && self.last == b'\r';
                self.offset += self.weight(&into[from..=from]);
                self.last = end;
                from += 1;
                if !second_half {
                    self.given = b'\n';
                    into[kept] = b'\n';
                    self.at += 1;
                    self.line += 1;
                    kept += 1;
                }
            }
            lines.unread += kept;
        }
        Ok(kept)
    }
}
