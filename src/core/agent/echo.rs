//! An agent without a provider: it says back what it heard, when the callee has finished. For rehearsals and for
//! measuring what the way costs.

use std::sync::Arc;

use super::{FromAgent, Machine, Outbox, ToAgent};
use crate::core::sound::g711;

/// Silence that ends a turn, in samples: 600 ms.
const SILENCE: usize = 4_800;
/// Longest turn that is said back, in samples: 20 s.
const LONGEST: usize = 160_000;
/// Loud enough to be speech: about −38 dBov in a piece of 20 ms.
const LOUD: i32 = 400;

/// See the module.
#[derive(Debug, Default)]
pub struct Echo {
    heard: Vec<u8>,
    quiet: usize,
    turns: u64,
}

impl Echo {
    /// Nothing heard yet.
    pub fn new() -> Echo {
        Echo::default()
    }

    fn sound(&mut self, ulaw: &[u8], out: &mut Outbox) {
        let sum: i32 = ulaw.iter().map(|code| i32::from(g711::ulaw_decode(*code)).abs()).sum();
        let loud = sum / i32::try_from(ulaw.len().max(1)).unwrap_or(i32::MAX) > LOUD;
        if loud {
            self.quiet = 0;
        } else if self.heard.is_empty() {
            return;
        } else {
            self.quiet += ulaw.len();
        }
        self.heard.extend_from_slice(ulaw);
        if self.quiet >= SILENCE || self.heard.len() >= LONGEST {
            let end = self.heard.len() - self.quiet;
            self.heard.truncate(end);
            self.turns += 1;
            let turn: Arc<str> = format!("echo-{}", self.turns).into();
            out.call.push(FromAgent::Sound { turn: Arc::clone(&turn), ulaw: std::mem::take(&mut self.heard) });
            out.call.push(FromAgent::Whole { turn });
            self.quiet = 0;
        }
    }
}

impl Machine for Echo {
    fn opened(&mut self, out: &mut Outbox) {
        out.call.push(FromAgent::Ready);
    }

    fn received(&mut self, _text: &str, _out: &mut Outbox) {}

    fn told(&mut self, what: ToAgent, out: &mut Outbox) {
        match what {
            ToAgent::Sound(ulaw) => {
                for piece in ulaw.chunks(160) {
                    self.sound(piece, out);
                }
            }
            ToAgent::TakeOver { .. } | ToAgent::Answer | ToAgent::Begin | ToAgent::Cut { .. } => {}
            ToAgent::TurnBegins { .. } | ToAgent::TurnEnds | ToAgent::Resume(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_back_what_it_heard_without_the_silence_around_it() {
        let mut echo = Echo::new();
        let mut out = Outbox::default();
        echo.told(ToAgent::Sound(vec![0xff; 8_000]), &mut out);
        echo.told(ToAgent::Sound(vec![0x10; 1_600]), &mut out);
        echo.told(ToAgent::Sound(vec![0xff; 4_640]), &mut out);
        assert!(out.call.is_empty(), "the turn may go on");
        echo.told(ToAgent::Sound(vec![0xff; 160]), &mut out);
        let turn: Arc<str> = "echo-1".into();
        assert_eq!(
            out.call,
            [FromAgent::Sound { turn: Arc::clone(&turn), ulaw: vec![0x10; 1_600] }, FromAgent::Whole { turn }]
        );
    }
}
