//! Sweeps on all cores; settings of a campaign and their way back into its file.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::base::{Failure, Slug};
use crate::core::config::{Vad, edit};
use crate::core::replay::sweep::{Case, Point, judge, mark_front};
use crate::store::workspace::{Workspace, shown};

/// Settings of one share of the work.
const SHARE: usize = 8;

/// Judges every setting over the cases, in the order of the settings. `each`: after every share, how many are done.
pub async fn sweep(
    cases: Vec<Case>,
    settings: Vec<Vad>,
    seed: u64,
    each: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Point>, Failure> {
    let cases = Arc::new(cases);
    let mut tasks = JoinSet::new();
    for (nth, share) in settings.chunks(SHARE).enumerate() {
        let (cases, share) = (Arc::clone(&cases), share.to_vec());
        tasks.spawn_blocking(move || {
            let judged = share.iter().map(|vad| {
                // Every setting draws the same recordings: their intervals can be compared.
                let mut random = fastrand::Rng::with_seed(seed);
                judge(&cases, vad, &mut |most| random.usize(..most))
            });
            (nth, judged.collect::<Vec<Point>>())
        });
    }
    let (mut shares, mut done) = (Vec::new(), 0);
    while let Some(joined) = tasks.join_next().await {
        let share = joined.map_err(|error| Failure::bug(format!("a sweep died: {error}")))?;
        done += share.1.len();
        each(done);
        shares.push(share);
    }
    shares.sort_by_key(|(nth, _)| *nth);
    let mut points: Vec<Point> = shares.into_iter().flat_map(|(_, points)| points).collect();
    mark_front(&mut points);
    Ok(points)
}

/// What became of a campaign's file.
pub struct Applied {
    /// Its name in messages.
    pub file: String,
    /// Its text before.
    pub old: String,
    /// Its text with the settings.
    pub new: String,
}

/// Writes settings into a campaign's file, comments kept; writes nothing if `dry`.
pub fn apply(ws: &Workspace, campaign: &Slug, vad: &Vad, dry: bool) -> Result<Applied, Failure> {
    // Read whole first: a file that is wrong is not mended by us.
    ws.campaign(campaign)?;
    let path = ws.campaign_dir(campaign).join("campaign.toml");
    let text = crate::store::workspace::read_bounded(&path, crate::base::limits::CONFIG_BYTES)?;
    let new = edit::with_vad(&text, vad).map_err(|why| Failure::usage(format!("{}: {why}", shown(&path))))?;
    if !dry {
        crate::store::workspace::replace(&path, &new)?;
    }
    Ok(Applied { file: shown(&path), old: text, new })
}
