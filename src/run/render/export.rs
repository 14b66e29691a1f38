//! The phrases of campaigns as files for other telephone systems.

use std::path::Path;

use serde::Serialize;

use super::kit::fresh;
use super::shelf_of;
use super::survey::lines_of;
use crate::base::{Exit, Failure};
use crate::core::asset::layout::Layout;
use crate::core::asset::verify::is_unspoken;
use crate::core::config::Campaign;
use crate::core::sound::form::FileForm;
use crate::core::sound::resample::resample;
use crate::store::export::{Became, ExportFolder};
use crate::store::shelf::read_lock;
use crate::store::workspace::Workspace;

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportRow {
    /// Its place under the folder.
    pub file: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// What became of it.
    pub became: Became,
}

/// How an export is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportAs {
    /// Folders and names.
    pub layout: Layout,
    /// Form of the files.
    pub form: FileForm,
    /// Write over files that are not ours.
    pub force: bool,
    /// Write nothing.
    pub dry_run: bool,
}

/// Writes every phrase of these campaigns. Refused as a whole, with exit 13, if one of them is missing, stale or damaged: half
/// a menu is worse than the old one.
pub fn export(ws: &Workspace, campaigns: &[Campaign], to: &Path, how: ExportAs) -> Result<Vec<ExportRow>, Failure> {
    let shelf = shelf_of(ws);
    let mut ready = Vec::new();
    let mut lacking = Vec::new();
    for campaign in campaigns {
        let lock = read_lock(ws, &campaign.name)?.unwrap_or_default();
        for line in lines_of(ws, campaign)? {
            if is_unspoken(campaign, &lock, &line.language) {
                continue;
            }
            let entry = lock.entries.get(&(line.key.clone(), line.language.clone()));
            let sound = match entry.map(|entry| fresh(ws, campaign, entry, &line)) {
                None => Err("never rendered".to_owned()),
                Some(Err(why)) => Err(why),
                Some(Ok(entry)) => shelf.sound(&entry.fingerprint)?.map(|(_, pcm)| (entry.fingerprint.clone(), pcm)),
            };
            match sound {
                Ok((fingerprint, pcm)) => ready.push((campaign, line, fingerprint, pcm)),
                Err(why) => {
                    lacking.push(format!("`{}` in `{}` of `{}`: {why}", line.key, line.language, campaign.name))
                }
            }
        }
    }
    if let Some(first) = lacking.first() {
        let what = format!("nothing was exported: {} phrases are not ready; {first}", lacking.len());
        return Err(Failure::new(Exit::Asset, what).next("ahoy cache generate"));
    }
    let mut folder = ExportFolder::open(to)?;
    let mut rows = Vec::new();
    for (campaign, line, fingerprint, pcm) in ready {
        let bad = |fault: crate::core::sound::SoundFault| Failure::bug(fault.to_string());
        let pcm = match how.layout.rate() {
            Some(rate) if rate != pcm.rate => resample(&pcm, rate).map_err(bad)?,
            Some(_) | None => pcm,
        };
        let file = how.layout.path(&campaign.name, &line.key, &line.language, how.form, pcm.rate);
        let bytes = how.form.bytes(&pcm).map_err(bad)?;
        let became = if how.dry_run {
            folder.look(&file, &bytes, how.force)
        } else {
            folder.put(&file, &fingerprint, &bytes, how.force)?
        };
        rows.push(ExportRow { file, bytes: bytes.len() as u64, became });
    }
    if !how.dry_run {
        folder.close()?;
    }
    Ok(rows)
}
