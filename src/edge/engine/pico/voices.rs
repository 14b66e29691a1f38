//! The embedded voice files, and their copies on disk: Pico loads from paths only.

use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::VoiceRow;
use crate::base::Language;

/// One voice: text analysis and speech generation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Voice {
    /// Its name in configuration, `en-US`.
    pub name: &'static str,
    /// File name and content of the text analysis.
    pub ta: (&'static str, &'static [u8]),
    /// File name and content of the speech generation.
    pub sg: (&'static str, &'static [u8]),
}

macro_rules! voice {
    ($name:literal, $sg:literal) => {
        Voice {
            name: $name,
            ta: (concat!($name, "_ta.bin"), include_bytes!(concat!(env!("OUT_DIR"), "/", $name, "_ta.bin"))),
            sg: (
                concat!($name, "_", $sg, "_sg.bin"),
                include_bytes!(concat!(env!("OUT_DIR"), "/", $name, "_", $sg, "_sg.bin")),
            ),
        }
    };
}

/// The first voice of a language is its default.
pub(super) static VOICES: [Voice; 6] = [
    voice!("en-US", "lh0"),
    voice!("en-GB", "kh0"),
    voice!("de-DE", "gl0"),
    voice!("es-ES", "zl0"),
    voice!("fr-FR", "nk0"),
    voice!("it-IT", "cm0"),
];

impl Voice {
    fn primary(&self) -> &'static str {
        &self.name[..2]
    }

    /// The voice as a list of voices shows it.
    pub(super) fn row(&self) -> VoiceRow {
        VoiceRow {
            id: self.name.to_owned(),
            name: self.name.to_owned(),
            languages: vec![self.name.to_ascii_lowercase()],
            note: "embedded".to_owned(),
        }
    }

    /// The voice for a whole tag (`en-gb`), else for its language.
    pub(super) fn of(language: &Language) -> Option<&'static Voice> {
        VOICES
            .iter()
            .find(|voice| voice.name.eq_ignore_ascii_case(language.as_str()))
            .or_else(|| VOICES.iter().find(|voice| voice.primary() == language.primary()))
    }

    /// The voice of this name, if it speaks the language.
    pub(super) fn named(name: &str, language: &Language) -> Option<&'static Voice> {
        VOICES.iter().find(|voice| voice.name.eq_ignore_ascii_case(name) && voice.primary() == language.primary())
    }
}

/// First 12 hex digits of the SHA-256 over all voice files, in fixed order.
pub(super) fn hash() -> String {
    let mut hash = Sha256::new();
    for voice in &VOICES {
        hash.update(voice.ta.1);
        hash.update(voice.sg.1);
    }
    hash.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect()
}

/// Pico copies a path into 512 bytes without looking at its length, so longer ones must never reach it.
const PATH_BYTES: usize = 500;

/// Makes sure that a file of this content is in the folder, whole, and returns its path.
///
/// Compared byte by byte each time: the C code must never see a file that a full disk has cut.
pub(super) fn on_disk(folder: &Path, file: (&str, &[u8])) -> Result<String, String> {
    let path = folder.join(file.0);
    let shown = path.display().to_string();
    if !std::fs::read(&path).is_ok_and(|found| found == file.1) {
        write(folder, &path, file.1).map_err(|fault| format!("cannot write its voice file {shown}: {fault}"))?;
    }
    let path = path.into_os_string().into_string().map_err(|_| format!("the path {shown} is not UTF-8"))?;
    if path.len() > PATH_BYTES {
        return Err(format!("the path of its voice files is over {PATH_BYTES} bytes: move the workspace up"));
    }
    Ok(path)
}

fn write(folder: &Path, path: &PathBuf, content: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_voice_file_is_made_whole_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let voice = Voice::of(&"fr".parse().expect("a tag")).expect("French");
        let path = on_disk(folder.path(), voice.ta).expect("writes");
        std::fs::write(&path, b"cut").expect("writes");
        assert_eq!(on_disk(folder.path(), voice.ta).expect("writes again"), path);
        assert_eq!(std::fs::read(&path).expect("is there"), voice.ta.1);
    }

    #[test]
    fn a_path_too_long_for_the_c_code_never_reaches_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let deep = folder.path().join("x".repeat(200)).join("y".repeat(200)).join("z".repeat(200));
        assert!(on_disk(&deep, VOICES[0].ta).is_err());
    }

    #[test]
    fn regions_have_their_voice_and_others_their_languages_first() {
        let of = |tag: &str| Voice::of(&tag.parse().expect("a tag")).map(|voice| voice.name);
        assert_eq!((of("en"), of("en-gb"), of("en-au")), (Some("en-US"), Some("en-GB"), Some("en-US")));
        assert_eq!((of("fr-ca"), of("bg"), of("eng")), (Some("fr-FR"), None, None));
    }
}
