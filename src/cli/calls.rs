//! `ahoy calls`.

use super::Context;
use crate::base::{Exit, Failure};

/// Arguments of `ahoy calls`.
#[derive(Debug, clap::Args)]
pub struct CallsArgs {}

/// Runs `ahoy calls`.
pub fn run(_args: &CallsArgs, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::bug("`ahoy calls` is not built yet"))
}
