//! Greetings that name their lead: one rendering for each distinct value among the leads to be called, ahead of the calls.
//!
//! They stand on the shelf and in no lock, because a lock is committed and a name is somebody's. Their recipe follows from
//! the text and from the plain greeting's: so a run finds them without a list.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Failure, Language, Slug};
use crate::core::agent::{Prompt, PromptText};
use crate::core::asset::book::slots::Personal;
use crate::core::asset::{Line, Lock, PhraseBook, Recipe, book};
use crate::core::config::Campaign;
use crate::core::dial::gate::spoken;
use crate::core::sound::pipeline::PIPELINE;
use crate::store::ledger::{DueLead, Ledger};
use crate::store::shelf::read_phrases;
use crate::store::workspace::Workspace;

/// Leads of one page of the ledger.
const PAGE: u32 = 1_000;

/// The greetings that the leads of a campaign have, as far as they are bounded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Variants {
    /// The lines, those of the leads that are due first before the others.
    pub lines: Vec<Line>,
    /// Distinct texts beyond the bound: their leads hear the plain greeting.
    pub beyond: u64,
}

/// The text of a lead's own greeting in the language that it hears; `None` = it hears the plain one.
pub(crate) fn words_for(
    personal: &BTreeMap<Language, Personal>,
    language: &Language,
    lead: &DueLead,
) -> Option<String> {
    personal.get(language)?.text_for(|column| column_of(&About::lead(lead), column))
}

/// What a campaign's agent is told to do in the call of a lead; `None` = nothing: it has no prompt.
pub(crate) fn prompt_for(campaign: &Campaign, language: &Language, about: &About<'_>) -> Option<Prompt> {
    let (agent, transfers) = (&campaign.agent, campaign.transfer.is_some());
    let fill = |text: &PromptText| text.fill(|column| column_of(about, column), language.as_str(), transfers);
    let full = fill(agent.prompt.as_ref()?);
    Some(match &agent.compact {
        Some(compact) => Prompt { first: fill(compact), later: Some(full) },
        None => Prompt { first: full, later: None },
    })
}

/// What a prompt or a greeting may say of a person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// Their name.
    pub name: Option<&'a str>,
    /// All other columns.
    pub variables: &'a BTreeMap<String, String>,
}

impl<'a> About<'a> {
    /// A lead that is called.
    pub fn lead(lead: &'a DueLead) -> About<'a> {
        About { name: lead.name.as_deref(), variables: &lead.variables }
    }
}

/// A column of a lead: its name, the first word of it, or what its file had under this name.
fn column_of(lead: &About<'_>, column: &str) -> Option<String> {
    let of_file = || lead.variables.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)).map(|it| it.1.clone());
    match column {
        "name" => lead.name.map(str::to_owned).or_else(of_file),
        "first_name" => of_file().or_else(|| lead.name?.split_whitespace().next().map(str::to_owned)),
        _ => of_file(),
    }
}

impl Variants {
    /// Reads the leads of a campaign that may still be called. A workspace without a ledger has none.
    pub fn of(ws: &Workspace, campaign: &Campaign) -> Result<Variants, Failure> {
        let phrases = read_phrases(ws, &campaign.name)?;
        if phrases.personal().is_empty() || !ws.ledger_path().exists() {
            return Ok(Variants::default());
        }
        let failure = |fault: crate::store::ledger::LedgerFault| Failure::bug(format!("the ledger: {fault}"));
        let ledger = Ledger::open_read_only(&ws.ledger_path()).map_err(failure)?;
        let mut found = Variants::default();
        let mut seen: BTreeMap<Language, BTreeSet<String>> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = ledger.ready_leads(campaign, PAGE, after).map_err(failure)?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some((last.due, last.id));
            for lead in &page {
                found.add(campaign, &phrases, lead, &mut seen)?;
            }
        }
    }

    fn add(
        &mut self,
        campaign: &Campaign,
        phrases: &PhraseBook,
        lead: &DueLead,
        seen: &mut BTreeMap<Language, BTreeSet<String>>,
    ) -> Result<(), Failure> {
        let Some((language, _)) = spoken(campaign, lead.language.as_ref()) else { return Ok(()) };
        let Some(text) = words_for(phrases.personal(), &language, lead) else { return Ok(()) };
        let texts = seen.entry(language.clone()).or_default();
        let most = phrases.personal()[&language].most;
        if texts.contains(&text) {
            return Ok(());
        }
        if texts.len() >= most {
            self.beyond += 1;
            return Ok(());
        }
        texts.insert(text.clone());
        self.lines.push(line(campaign, phrases, &language, text)?);
        Ok(())
    }
}

fn line(campaign: &Campaign, phrases: &PhraseBook, language: &Language, text: String) -> Result<Line, Failure> {
    let key: Slug = book::GREETING.parse().expect("a constant slug");
    phrases.line(&key, language, text, campaign).map_err(Failure::usage)
}

/// The recipe of a line in the voice, and by the version, of the plain greeting of its language.
///
/// `None`: there is no plain greeting to take the version from.
pub(super) fn recipe(ws: &Workspace, campaign: &Campaign, lock: &Lock, line: &Line) -> Option<Recipe> {
    let plain = lock.entries.get(&(line.key.clone(), line.language.clone()))?;
    Some(Recipe::of(line, &campaign.voice, &plain.recipe.engine_version, ws.config.rate, PIPELINE))
}
