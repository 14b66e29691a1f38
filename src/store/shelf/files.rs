//! A campaign's `phrases.toml` and `assets.lock`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use super::ShelfFault;
use super::claim::sync_folder;
use crate::base::{Failure, Language, Slug, limits};
use crate::core::asset::book::parse_phrases;
use crate::core::asset::{Lock, PhraseBook, place};
use crate::core::ear::Place;
use crate::store::workspace::{Workspace, read_config, shown};

/// Reads a campaign's phrase book; a campaign without one has an empty book.
pub fn read_phrases(ws: &Workspace, campaign: &Slug) -> Result<PhraseBook, Failure> {
    let file = ws.campaign_dir(campaign).join("phrases.toml");
    match read_config(&file)? {
        None => Ok(PhraseBook::default()),
        Some(text) => parse_phrases(&shown(&file), &text).map_err(|fault| Failure::usage(fault.to_string())),
    }
}

/// Where each phrase of a campaign is written. Files that do not parse have no places: reading them says why.
pub fn places(ws: &Workspace, campaign: &Slug) -> Result<BTreeMap<(Slug, Language), Place>, Failure> {
    let folder = ws.campaign_dir(campaign);
    let mut all = BTreeMap::new();
    for name in ["phrases.toml", "campaign.toml"] {
        let file = folder.join(name);
        if let Some(text) = read_config(&file)? {
            all.extend(place::written(&shown(&file), &text));
        }
    }
    Ok(all)
}

/// Reads a campaign's lock, `None` if it has none; refuses one that was edited by hand.
pub fn read_lock(ws: &Workspace, campaign: &Slug) -> Result<Option<Lock>, Failure> {
    read_lock_file(&ws.campaign_dir(campaign).join("assets.lock"))
}

/// Reads a lock file, `None` if it is not there; refuses one that was edited by hand.
pub fn read_lock_file(path: &Path) -> Result<Option<Lock>, Failure> {
    let unreadable = |why: String| Failure::usage(format!("{} cannot be read: {why}", shown(path)));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let mut text = String::new();
    file.take(limits::LOCK_BYTES + 1).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > limits::LOCK_BYTES {
        return Err(unreadable(format!("it is larger than {} bytes", limits::LOCK_BYTES)));
    }
    Lock::parse(&shown(path), &text).map(Some).map_err(|fault| Failure::usage(fault.to_string()))
}

/// Writes a campaign's lock if its bytes differ from the file's; tells whether it did. Never leaves half a file.
pub fn write_lock(ws: &Workspace, campaign: &Slug, lock: &Lock) -> Result<bool, Failure> {
    let folder = ws.campaign_dir(campaign);
    let path = folder.join("assets.lock");
    let text = lock.write();
    if text.len() as u64 > limits::LOCK_BYTES {
        return Err(Failure::usage(format!("{} would be larger than {} bytes", shown(&path), limits::LOCK_BYTES))
            .next("split the campaign"));
    }
    match fs::read(&path) {
        Ok(old) if old == text.as_bytes() => return Ok(false),
        Ok(_) | Err(_) => {}
    }
    // The process id keeps two processes off each other's temp file; their content is the same.
    let temp = folder.join(format!(".assets.lock.{}.tmp", std::process::id()));
    let replace = |temp: &Path| -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(temp)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(temp, &path)
    };
    if let Err(error) = replace(&temp) {
        let _tidied = fs::remove_file(&temp);
        return Err(ShelfFault::disk(&path, error).into());
    }
    sync_folder(&folder)?;
    Ok(true)
}
