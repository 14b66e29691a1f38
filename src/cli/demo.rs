//! `ahoy demo`.

use super::Context;
use crate::base::{Exit, Failure};

/// Arguments of `ahoy demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {}

/// Runs `ahoy demo`.
pub fn run(_args: &DemoArgs, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::bug("`ahoy demo` is not built yet"))
}
