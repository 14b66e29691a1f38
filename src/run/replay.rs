//! Sweeps on all cores; settings of a campaign and their way back into its file.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::base::{Failure, Slug};
use crate::core::config::{BargeIn, Vad, edit};
use crate::core::replay::barge::Trial;
use crate::core::replay::search::Search;
use crate::core::replay::stops::{self, StopGrid, StopPoint};
use crate::core::replay::sweep::{self, Case, Grid, Point, judge};
use crate::store::replay::each_call;
use crate::store::workspace::{Workspace, shown};

/// Most settings of one share of the work.
const SHARE: usize = 8;
/// So many shares keep every core busy to the end.
const SHARES: usize = 64;

/// How settings are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Every combination.
    All,
    /// At most so many of them, by a search; see [`Search`].
    Search(usize),
}

/// What hears of it: after every share, how many settings are done.
pub type Each<'a> = &'a (dyn Fn(usize) + Sync);

async fn judged(
    cases: &Arc<Vec<Case>>,
    settings: &[Vad],
    seed: u64,
    before: usize,
    each: Each<'_>,
) -> Result<Vec<Point>, Failure> {
    let mut tasks = JoinSet::new();
    for (nth, share) in settings.chunks((settings.len() / SHARES).clamp(1, SHARE)).enumerate() {
        let (cases, share) = (Arc::clone(cases), share.to_vec());
        tasks.spawn_blocking(move || {
            let judged = share.iter().map(|vad| {
                // Every setting draws the same recordings: their intervals can be compared.
                let mut random = fastrand::Rng::with_seed(seed);
                judge(&cases, vad, &mut |most| random.usize(..most))
            });
            (nth, judged.collect::<Vec<Point>>())
        });
    }
    let (mut shares, mut done) = (Vec::new(), before);
    while let Some(joined) = tasks.join_next().await {
        let share = joined.map_err(|error| Failure::bug(format!("a sweep died: {error}")))?;
        done += share.1.len();
        each(done);
        shares.push(share);
    }
    shares.sort_by_key(|(nth, _)| *nth);
    Ok(shares.into_iter().flat_map(|(_, points)| points).collect())
}

/// Judges settings of the grid over the cases. What runs now, `base`, stands first and is there once.
pub async fn sweep(
    cases: Vec<Case>,
    grid: &Grid,
    base: Vad,
    plan: Plan,
    seed: u64,
    each: Each<'_>,
) -> Result<Vec<Point>, Failure> {
    let cases = Arc::new(cases);
    let mut points = judged(&cases, &[base], seed, 0, each).await?;
    match plan {
        Plan::All => {
            let mut settings = grid.settings(&base);
            settings.retain(|vad| *vad != base);
            points.extend(judged(&cases, &settings, seed, 1, each).await?);
        }
        Plan::Search(most) => {
            let (axes, first) = grid.lattice(&base);
            let (mut search, mut random) = (Search::new(axes, first, most), fastrand::Rng::with_seed(seed));
            let mut settings = vec![base];
            loop {
                let places = search.next(&mut |most| random.usize(..most));
                if places.is_empty() {
                    break;
                }
                let new: Vec<Vad> = places.iter().map(|place| grid.setting(&base, place)).collect();
                let more = judged(&cases, &new, seed, points.len(), each).await?;
                let wants = more.iter().map(|point| sweep::wants(point).to_vec()).collect();
                settings.extend(new);
                points.extend(more);
                search.told(wants, sweep::recommend(&points[1..]).map(|(at, _)| at));
            }
            let mut again = settings.iter().enumerate().map(|(at, vad)| at > 0 && *vad == base);
            points.retain(|_| !again.next().expect("one for each"));
        }
    }
    sweep::mark_front(&mut points);
    Ok(points)
}

/// What barge-in settings came to.
pub struct Stops {
    /// Of each setting; the first is what runs now.
    pub points: Vec<StopPoint>,
    /// Calls that were not replayed: name and why.
    pub left_out: Vec<(String, String)>,
}

/// Judges settings of the grid over recorded calls; `now`: everything else, and what runs now. No points: no call could be
/// replayed.
pub fn stops(files: &[PathBuf], grid: &StopGrid, now: &Trial, plan: Plan, seed: u64, each: Each<'_>) -> Stops {
    let mut left_out = Vec::new();
    let mut judged = |settings: &[BargeIn]| -> Vec<StopPoint> {
        let trials: Vec<Trial> = settings.iter().map(|it| Trial { barge_in: *it, ..now.clone() }).collect();
        let (mut calls, mut not) = (Vec::new(), Vec::new());
        for it in each_call(files, |call| stops::replay_all(call, &trials)) {
            match it {
                Ok(call) => calls.push(call),
                Err(why) => not.push(why),
            }
        }
        left_out = not;
        if calls.is_empty() { Vec::new() } else { stops::judge(settings, &calls) }
    };
    let base = now.barge_in;
    let mut points = match plan {
        Plan::All => {
            let mut settings = grid.settings(&base);
            settings.retain(|it| *it != base);
            settings.insert(0, base);
            judged(&settings)
        }
        Plan::Search(most) => {
            let (axes, first) = grid.lattice(&base);
            let (mut search, mut random) = (Search::new(axes, first, most), fastrand::Rng::with_seed(seed));
            let (mut points, mut settings) = (judged(&[base]), vec![base]);
            while !points.is_empty() {
                let places = search.next(&mut |most| random.usize(..most));
                if places.is_empty() {
                    break;
                }
                let new: Vec<BargeIn> = places.iter().map(|place| grid.setting(&base, place)).collect();
                let more = judged(&new);
                let wants = more.iter().map(|point| stops::wants(point).to_vec()).collect();
                settings.extend(new);
                points.extend(more);
                each(points.len());
                search.told(wants, stops::recommend(&points[1..]).map(|(at, _)| at));
            }
            let mut again = settings.iter().enumerate().map(|(at, it)| at > 0 && *it == base);
            points.retain(|_| !again.next().expect("one for each"));
            points
        }
    };
    stops::mark_front(&mut points);
    Stops { points, left_out }
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

/// Writes settings into a campaign's file, comments kept; writes nothing if `dry`. `None`: that section stays as it is.
pub fn apply(
    ws: &Workspace,
    campaign: &Slug,
    (vad, barge_in): (Option<&Vad>, Option<&BargeIn>),
    dry: bool,
) -> Result<Applied, Failure> {
    // Read whole first: a file that is wrong is not mended by us.
    ws.campaign(campaign)?;
    let path = ws.campaign_dir(campaign).join("campaign.toml");
    let text = crate::store::workspace::read_bounded(&path, crate::base::limits::CONFIG_BYTES)?;
    let wrong = |why: String| Failure::usage(format!("{}: {why}", shown(&path)));
    let mut new = text.clone();
    if let Some(vad) = vad {
        new = edit::with_vad(&new, vad).map_err(wrong)?;
    }
    if let Some(barge_in) = barge_in {
        new = edit::with_barge_in(&new, barge_in).map_err(wrong)?;
    }
    if !dry {
        crate::store::workspace::replace(&path, &new)?;
    }
    Ok(Applied { file: shown(&path), old: text, new })
}
