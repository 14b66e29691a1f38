//! Sound files that belong to no workspace: found, read within bounds, and heard.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::{Failure, Language, limits};
use crate::core::asset::Digest;
use crate::core::asset::book::spoken;
use crate::core::ear::file::{self, Form};
use crate::core::ear::{self, Code, Finding, Flaw, Limits, Place, Text};
use crate::store::shelf::{Read1, on_all_cores, read_bounded};

/// The form that files should have.
pub type FileForm = Form;

/// A file that was heard.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardFile {
    /// Its name as it was given.
    pub name: String,
    /// Hash of its bytes, if it has any sound.
    pub sha256: Option<Digest>,
    /// What is wrong with it.
    pub flaws: Vec<Flaw>,
}

/// The files among these paths: a file is taken as it is named, a folder gives its sound files, in order of their names.
///
/// Links in folders are not followed. Refused: a path that is not there, more than [`limits::EAR_FILES`] files.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let failure = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
        if fs::metadata(path).map_err(failure)?.is_dir() {
            search(path, &mut found).map_err(failure)?;
        } else {
            found.push(path.clone());
        }
        if found.len() > limits::EAR_FILES {
            let what = format!("more than {} files", limits::EAR_FILES);
            return Err(Failure::usage(what).next("name fewer folders at a time"));
        }
    }
    Ok(found)
}

fn search(root: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut folders = vec![root.to_owned()];
    let first = found.len();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && file::is_sound(&entry.file_name().to_string_lossy()) {
                found.push(entry.path());
            }
        }
        if found.len() > limits::EAR_FILES {
            break;
        }
    }
    found[first..].sort();
    Ok(())
}

/// Reads and judges some files on all cores; the answers stand in the order of the files.
pub fn hear(files: &[PathBuf], form: &Form, language: &Language) -> Vec<HeardFile> {
    on_all_cores(files, |path| hear_one(path, form, language))
}

fn hear_one(path: &Path, form: &Form, language: &Language) -> HeardFile {
    let name = path.display().to_string();
    let unreadable = |what: String| HeardFile {
        name: path.display().to_string(),
        sha256: None,
        flaws: vec![Flaw::new(Code::Unreadable, what)],
    };
    // A link that was named is followed: the person wrote it.
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) => return unreadable(format!("cannot be read: {error}")),
    };
    let bytes = match read_bounded(&real, limits::WAV_BYTES as u64) {
        Ok(Read1::Bytes(bytes)) => bytes,
        Ok(Read1::Absent) => return unreadable("it is not there any more".to_owned()),
        Ok(Read1::Bad(why)) => return unreadable(why),
        Err(fault) => return unreadable(fault.to_string()),
    };
    let (pcm, mut flaws) = file::samples(&name, &bytes, form);
    if let Some(pcm) = &pcm {
        let text = text_beside(&real);
        let text = text.as_deref().map(|words| Text { words, language });
        flaws.extend(ear::judge(pcm, text, &Limits::ANY, None).flaws);
    }
    HeardFile { name, sha256: pcm.map(|_| Digest::of(&bytes)), flaws }
}

/// The words of `hello.txt` beside `hello.wav`.
fn text_beside(path: &Path) -> Option<String> {
    let Ok(Read1::Bytes(bytes)) = read_bounded(&path.with_extension("txt"), limits::RECORD_BYTES) else { return None };
    spoken(&String::from_utf8_lossy(&bytes)).ok()
}

/// The findings of one file, by its name. `sounds` remembers which sounds came before, to find the same one under two names.
pub fn findings(heard: HeardFile, sounds: &mut BTreeMap<Digest, String>) -> (String, Vec<Finding>) {
    let mut flaws = heard.flaws;
    if let Some(sha256) = heard.sha256 {
        match sounds.get(&sha256) {
            Some(other) => flaws.push(Flaw::new(Code::Duplicate, format!("the very same audio as {other}"))),
            None => {
                sounds.insert(sha256, heard.name.clone());
            }
        }
    }
    let place = Place { file: heard.name.clone(), line: None };
    let findings = flaws.into_iter().map(|flaw| Finding { place: place.clone(), phrase: None, flaw });
    (heard.name, findings.collect())
}
