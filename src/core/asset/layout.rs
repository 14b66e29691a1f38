//! Where a telephone system looks for its phrases, and under which names.

use crate::base::{Language, Slug};
use crate::core::sound::form::FileForm;

/// Folders and names of exported files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `CAMPAIGN/KEY.LANGUAGE.ENDING`.
    Plain,
    /// Asterisk's sounds folder: `LANGUAGE/CAMPAIGN/KEY.ENDING`, played as `CAMPAIGN/KEY` in the channel's language.
    Asterisk,
    /// FreeSWITCH's sounds folder: `LANGUAGE/CAMPAIGN/8000/KEY.wav`, by rate.
    FreeSwitch,
    /// 3CX prompts: one folder, `CAMPAIGN_KEY_LANGUAGE.wav`, 8 kHz mono 16 bit.
    ThreeCx,
}

impl Layout {
    /// Whether the system reads files of this form.
    pub fn takes(self, form: FileForm) -> bool {
        match self {
            Layout::Plain => true,
            // Its `.raw` is G.711 or nothing, and it has `.sln` for linear sound.
            Layout::Asterisk => form != FileForm::Raw,
            Layout::FreeSwitch | Layout::ThreeCx => form == FileForm::Wav,
        }
    }

    /// The only rate that the system takes, Hz, where it is particular.
    pub fn rate(self) -> Option<u32> {
        match self {
            Layout::ThreeCx => Some(8_000),
            Layout::Plain | Layout::Asterisk | Layout::FreeSwitch => None,
        }
    }

    /// The file's place under the export's folder, with forward slashes. `rate_hz`: of the sound.
    pub fn path(self, campaign: &Slug, key: &Slug, language: &Language, form: FileForm, rate_hz: u32) -> String {
        let ending = form.ending();
        match self {
            Layout::Plain => format!("{campaign}/{key}.{language}.{ending}"),
            // Asterisk writes regions with an underscore: en_GB; folders are as the channel's language is set.
            Layout::Asterisk => format!("{}/{campaign}/{key}.{ending}", with_region(language)),
            Layout::FreeSwitch => format!("{language}/{campaign}/{rate_hz}/{key}.{ending}"),
            Layout::ThreeCx => format!("{campaign}_{key}_{language}.{ending}"),
        }
    }
}

fn with_region(language: &Language) -> String {
    match language.as_str().split_once('-') {
        Some((primary, region)) => format!("{primary}_{}", region.to_ascii_uppercase()),
        None => language.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_finds_its_files_where_it_looks() {
        let slug = |text: &str| text.parse::<Slug>().expect("slug");
        let path = |layout: Layout, tag: &str, form| {
            layout.path(&slug("welcome"), &slug("goodbye"), &tag.parse().expect("tag"), form, 8_000)
        };
        assert_eq!(path(Layout::Plain, "fr", FileForm::Ulaw), "welcome/goodbye.fr.ulaw");
        assert_eq!(path(Layout::Asterisk, "pt-br", FileForm::Sln16), "pt_BR/welcome/goodbye.sln16");
        assert_eq!(path(Layout::FreeSwitch, "fr", FileForm::Wav), "fr/welcome/8000/goodbye.wav");
        assert_eq!(path(Layout::ThreeCx, "fr", FileForm::Wav), "welcome_goodbye_fr.wav");
        assert!(!Layout::ThreeCx.takes(FileForm::G722) && Layout::Asterisk.takes(FileForm::G722));
    }
}
