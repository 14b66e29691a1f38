//! `ahoy sim`.

use super::Context;
use crate::base::{Exit, Failure};

/// Arguments of `ahoy sim`.
#[derive(Debug, clap::Args)]
pub struct SimArgs {}

/// Runs `ahoy sim`.
pub fn run(_args: &SimArgs, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::bug("`ahoy sim` is not built yet"))
}
