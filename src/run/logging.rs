//! Logs on stderr. Values from outside are printed through `Debug` or [`printable`],
//! so that control characters arrive escaped; phones and secrets mask themselves. What libraries write passes a last
//! mask for numbers, and so does a panic.

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::base::Failure;
use crate::base::text::{masked, printable};
use crate::show::words::Above;

/// Starts logging. `filter` is in tracing's directive syntax.
pub fn start(filter: &str, json: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::usage(format!("--log-level `{filter}`: {error}")).next("try --log-level info"))?;
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Masked).with_ansi(colour);
    // A second start (tests in one process) keeps the first subscriber.
    let _already_started = if json { builder.json().try_init() } else { builder.try_init() };
    Ok(())
}

/// Stderr, above what is drawn there, without phone numbers. A log line comes in one piece.
struct Masked;

impl Write for Masked {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        Above.write_all(masked(&line).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Above.flush()
    }
}

/// A panic is told in one line, without numbers, and says what it means for the calls.
pub fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.payload_as_str().unwrap_or("no words");
        let place = panic.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        let line = format!(
            "ahoy: bug: {}{place}\n  next: what was written down stays, and the next start asks the carrier about open \
             attempts; please report this line with the command (ahoy {})",
            masked(&printable(what)),
            env!("CARGO_PKG_VERSION"),
        );
        crate::show::words::say(&line);
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|it| it != "0") {
            crate::show::words::say(&std::backtrace::Backtrace::force_capture().to_string());
        }
    }));
}
