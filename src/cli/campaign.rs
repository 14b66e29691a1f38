//! `ahoy campaign`.

use super::Context;
use crate::base::{Exit, Failure};

/// Arguments of `ahoy campaign`.
#[derive(Debug, clap::Args)]
pub struct CampaignArgs {}

/// Runs `ahoy campaign`.
pub fn run(_args: &CampaignArgs, _context: &Context) -> Result<Exit, Failure> {
    Err(Failure::bug("`ahoy campaign` is not built yet"))
}
