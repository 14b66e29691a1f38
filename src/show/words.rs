//! Words for people: lines on stderr. Where a live screen stands there, they are written above it.
//!
//! The cursor is never hidden and the terminal's mode never changed, so that whatever ends the program leaves nothing
//! to restore.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::text::printable;

/// The screen that stands on the terminal now.
static SCREEN: Mutex<Option<Standing>> = Mutex::new(None);

/// Rows that stand below everything that was said.
#[derive(Debug, Default)]
struct Standing {
    /// The rows with their colours, and how wide each is without.
    rows: Vec<(String, usize)>,
    /// Columns and rows of the terminal.
    size: (usize, usize),
}

impl Standing {
    /// What takes the rows off the terminal, whatever its size has become: a narrower one has wrapped them.
    ///
    /// Line by line: tmux moves a screen that is cleared from its first line on into the scrollback, frame by frame.
    fn erase(&self) -> String {
        let (columns, tall) = self.size;
        let lines: usize = self.rows.iter().map(|(_, width)| width.div_ceil(columns.max(1)).max(1)).sum();
        match lines.min(tall) {
            0 => String::new(),
            up => format!("\u{1b}[{up}A\r{}\u{1b}[{up}A", "\u{1b}[2K\n".repeat(up)),
        }
    }

    fn draw(&self) -> String {
        self.rows.iter().map(|(row, _)| format!("{row}\n")).collect()
    }
}

fn screen() -> MutexGuard<'static, Option<Standing>> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints a line on stderr, made safe to print. A reader that has gone (a closed pipe) is no reason to stop: least of
/// all in mid-call.
pub fn say(text: &str) {
    let lines: String = text.split('\n').map(|line| printable(line) + "\n").collect();
    let _nobody_reads = Above.write_all(lines.as_bytes());
}

/// Draws rows (text with colours, width without) in place of those that stand; `size` is the terminal's now.
pub(super) fn stand(rows: Vec<(String, usize)>, size: (usize, usize)) {
    let mut screen = screen();
    let old = screen.get_or_insert_default();
    old.size = size;
    let new = Standing { rows, size };
    let text = format!("{}{}", old.erase(), new.draw());
    *old = new;
    let _nobody_reads = std::io::stderr().write_all(text.as_bytes());
}

/// Takes the rows off the terminal, for good.
pub(super) fn stand_down() {
    if let Some(old) = screen().take() {
        let _nobody_reads = std::io::stderr().write_all(old.erase().as_bytes());
    }
}

/// Standard error, above the live screen if there is one: for the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Above;

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Held while writing: a frame must not come between the words.
        let screen = screen();
        let mut out = std::io::stderr();
        match screen.as_ref() {
            Some(standing) => {
                let all = [standing.erase().as_bytes(), bytes, standing.draw().as_bytes()].concat();
                out.write_all(&all)?;
            }
            None => out.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_a_narrower_terminal_has_wrapped_are_erased_whole() {
        let rows = vec![("a".repeat(80), 80), ("b".to_owned(), 1), (String::new(), 0)];
        let at = |columns, tall| {
            let text = Standing { rows: rows.clone(), size: (columns, tall) }.erase();
            assert!(!text.contains("[J"), "tmux would keep every frame");
            let up = text.matches("\u{1b}[2K\n").count();
            assert_eq!(text.matches(&format!("\u{1b}[{up}A")).count(), 2, "up, and up again: {text:?}");
            up
        };
        assert_eq!((at(80, 24), at(120, 24)), (3, 3));
        assert_eq!((at(40, 24), at(30, 24)), (4, 5), "two lines, three lines for the first row");
        assert_eq!(at(1, 24), 24, "never above the terminal");
        assert_eq!(Standing::default().erase(), "");
    }
}
