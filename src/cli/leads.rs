//! `ahoy leads`.

use super::Context;
use crate::base::{Exit, Failure};

/// Arguments of `ahoy leads`.
#[derive(Debug, clap::Args)]
pub struct LeadsArgs {}

/// Runs `ahoy leads`.
pub fn run(_args: &LeadsArgs, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::bug("`ahoy leads` is not built yet"))
}
