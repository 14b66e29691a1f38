//! `ahoy cache`.

use super::Context;
use crate::base::{Exit, Failure};

/// Arguments of `ahoy cache`.
#[derive(Debug, clap::Args)]
pub struct CacheArgs {}

/// Runs `ahoy cache`.
pub fn run(_args: &CacheArgs, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::bug("`ahoy cache` is not built yet"))
}
