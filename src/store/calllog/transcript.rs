//! What was said in a call, in a file of its own: `transcript.json`, made from the call's events.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{TRANSCRIPT, read};
use crate::base::{CallId, Failure};
use crate::core::call::report::Report;

/// The transcript's path; it is made if the call is over and anything was written down of what was said.
///
/// `None`: there is none. A process that was killed before it made one loses nothing: the events have it.
pub fn transcript(call: CallId, folder: &Path) -> Result<Option<PathBuf>, Failure> {
    let path = folder.join(TRANSCRIPT);
    if path.exists() {
        return Ok(Some(path));
    }
    let failed = |error: io::Error| Failure::bug(format!("{}: {error}", path.display()));
    let report = Report::of(&read(call, folder)?.lines);
    if report.cause.is_none() || report.agent.transcript.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_vec_pretty(&report.agent.transcript).map_err(|error| failed(error.into()))?;
    let part = path.with_extension("json.part");
    fs::write(&part, text).and_then(|()| fs::rename(&part, &path)).map_err(failed)?;
    Ok(Some(path))
}
