//! What happened, in order, folded into one number: two runs of one seed must give the same.

use std::fmt::Write as _;

/// An ordered record. Lines are kept only where somebody wants to read them (`AHOY_SIM_LOG`).
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub fn new(keep: bool) -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, lines: keep.then(Vec::new) }
    }

    /// Adds an event at a moment of the simulated world, µs.
    pub fn note(&mut self, us: u64, text: &str) {
        // FNV-1a: the standard library's hasher may change between versions.
        let stamp = us.to_le_bytes();
        for byte in stamp.iter().chain(text.as_bytes()).chain(b"\n") {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>10.3} {text}", us as f64 / 1e6));
        }
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Everything that was kept.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.lines.iter().flatten() {
            writeln!(text, "{line}").expect("a String takes all");
        }
        text
    }
}
