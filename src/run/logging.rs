//! Logs on stderr. Values from outside are printed through `Debug` or [`printable`](crate::base::text::printable),
//! so that control characters arrive escaped; phones and secrets mask themselves.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::base::Failure;

/// Starts logging. `filter` is in tracing's directive syntax.
pub fn start(filter: &str, json: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::usage(format!("--log-level `{filter}`: {error}")).next("try --log-level info"))?;
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| crate::show::words::Above).with_ansi(colour);
    // A second start (tests in one process) keeps the first subscriber.
    let _already_started = if json { builder.json().try_init() } else { builder.try_init() };
    Ok(())
}
