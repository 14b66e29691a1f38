//! `[greeting]` of `campaign.toml`.

use std::collections::BTreeMap;

use crate::base::{Language, limits};

/// The greeting per language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Language → text.
    pub texts: BTreeMap<Language, String>,
    /// What leads hear whose language has no greeting; absent = a run that needs one is refused.
    pub fallback: Option<Language>,
    /// `fallback = "none"`: leads whose language has no greeting are not called, and the run goes on without them.
    pub leave_out: bool,
    /// What a run does about a greeting that is not on the shelf.
    pub on_missing: OnMissing,
}

/// What a run does about a greeting that is not on the shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMissing {
    /// It does not begin.
    #[default]
    Refuse,
    /// It renders the greeting before its first call, or while that rings.
    Render,
}

/// Checks what was typed; the fault names its key.
pub(super) fn check_greeting(mut typed: BTreeMap<String, String>) -> Result<Greeting, (String, String)> {
    let language = |tag: &str| tag.parse::<Language>().map_err(|e| (tag.to_owned(), format!("[greeting] {e}")));
    let on_missing = match typed.remove("on_missing").as_deref() {
        None | Some("refuse") => OnMissing::Refuse,
        Some("render") => OnMissing::Render,
        Some(other) => {
            let what = format!("[greeting] on_missing is refuse or render, not `{other}`");
            return Err(("on_missing".to_owned(), what));
        }
    };
    let fallback = typed.remove("fallback");
    let leave_out = fallback.as_deref() == Some("none");
    let fallback = fallback.filter(|_| !leave_out).map(|tag| language(&tag)).transpose()?;
    let mut texts = BTreeMap::new();
    for (tag, text) in typed {
        let characters = text.chars().count();
        if text.trim().is_empty() {
            return Err((tag.clone(), format!("[greeting] {tag} is empty")));
        }
        if characters > limits::PHRASE_CHARS {
            let most = limits::PHRASE_CHARS;
            return Err((tag.clone(), format!("[greeting] {tag} has {characters} characters; {most} is the most")));
        }
        texts.insert(language(&tag)?, text);
    }
    if texts.is_empty() {
        return Err(("greeting".to_owned(), "[greeting] has no text: write en = \"Hello, …\"".to_owned()));
    }
    if let Some(fallback) = &fallback
        && !texts.contains_key(fallback)
    {
        return Err(("fallback".to_owned(), format!("[greeting] fallback is `{fallback}`, which has no text")));
    }
    Ok(Greeting { texts, fallback, leave_out, on_missing })
}
