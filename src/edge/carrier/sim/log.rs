//! The log file: whole lines, appended with one write each, so that a killed process leaves at most one cut line.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::base::Failure;
use crate::core::sim::line::{self, Line};

/// The open log.
#[derive(Debug)]
pub struct Log {
    file: Mutex<File>,
}

impl Log {
    /// Opens or makes the file; returns what it already tells and how many lines were unreadable.
    pub fn open(path: &Path) -> Result<(Log, Vec<Line>, usize), Failure> {
        let failed = |error: std::io::Error| Failure::bug(format!("carrier log {}: {error}", path.display()));
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes);
        let (lines, bad) = line::read(&text);
        if !text.is_empty() && !text.ends_with('\n') {
            // The last line was cut by a crash: what comes next must not be glued to it.
            file.write_all(b"\n").map_err(failed)?;
        }
        Ok((Log { file: Mutex::new(file) }, lines, bad))
    }

    /// Appends a line; it survives a SIGKILL of this process when this returns.
    pub fn append(&self, line: &Line) -> std::io::Result<()> {
        let mut text = serde_json::to_string(line).map_err(std::io::Error::other)?;
        text.push('\n');
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes())
    }
}
