//! Words for people: a line on stderr.

use std::io::Write;

/// Prints a line on stderr. A reader that has gone (a closed pipe) is no reason to stop: least of all in mid-call.
pub fn say(line: &str) {
    let _nobody_reads = writeln!(std::io::stderr(), "{line}");
}
