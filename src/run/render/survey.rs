//! What is wanted, what is locked, what is on the shelf: gathered once, for plan, verify, list and prune.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::job::told;
use super::variants::{self, Variants};
use super::{GenerateOptions, OpenEngine, Unspoken, shelf_of};
use crate::base::secret::SecretRef;
use crate::base::text::printable;
use crate::base::{Exit, Failure, Language, Slug, Wall};
use crate::core::asset::book::slots::written_key;
use crate::core::asset::plan::{self, Plan, Wanted};
use crate::core::asset::{Digest, Line, Lock, Recipe, Record};
use crate::core::config::Campaign;
use crate::core::cost::{self, Claim, Standing, Usage};
use crate::core::ear::Place;
use crate::core::sound::pipeline::PIPELINE;
use crate::edge::engine::{Engine, EngineFault, Request};
use crate::run::clock::{Clock, MachineClock};
use crate::store::shelf::{Looked, Question, Shelf, Unreferenced, places, read_lock, read_phrases};
use crate::store::workspace::{Workspace, shown};

/// An engine of the workspace, with its scratch files in the cache folder.
pub fn open_engine(ws: &Workspace, name: &str) -> Result<Arc<dyn Engine>, EngineFault> {
    let secret = |wanted: &SecretRef, what: &str| ws.secret(wanted, what);
    crate::edge::engine::open(name, &ws.config.engines, &ws.cache_dir().join("engines"), &secret)
}

/// Everything a campaign wants, in the order of key and language.
pub(in crate::run) fn lines_of(ws: &Workspace, campaign: &Campaign) -> Result<Vec<Line>, Failure> {
    let file = shown(&ws.campaign_dir(&campaign.name).join("campaign.toml"));
    let book = read_phrases(ws, &campaign.name)?;
    book.lines(campaign, &file).map_err(|fault| Failure::usage(fault.to_string()))
}

/// Where each phrase is written, by the key that is written and the language.
type Places = BTreeMap<(String, Language), Place>;

/// The request of a recipe, as an engine gets it.
pub(super) fn request_of(recipe: &Recipe) -> Request {
    Request {
        text: recipe.given().to_owned(),
        language: recipe.language.clone(),
        voice: recipe.voice.clone(),
        model: recipe.model.clone(),
        settings: recipe.settings.clone(),
    }
}

/// The state of things before a generation.
pub(super) struct Survey {
    pub shelf: Shelf,
    pub engines: BTreeMap<String, Arc<dyn Engine>>,
    pub wanted: Vec<Wanted>,
    pub locks: BTreeMap<Slug, Lock>,
    pub unspoken: Vec<Unspoken>,
    /// What a person should know about the models that are used, in whole sentences.
    pub notes: BTreeSet<String>,
    found: BTreeMap<Digest, Looked>,
}

impl Survey {
    /// Reads all files, opens the engines that are needed, and looks at the shelf.
    pub fn take(ws: &Workspace, campaigns: &[Campaign], open: OpenEngine<'_>) -> Result<Survey, Failure> {
        let mut survey = Survey {
            shelf: shelf_of(ws),
            engines: BTreeMap::new(),
            wanted: Vec::new(),
            locks: BTreeMap::new(),
            unspoken: Vec::new(),
            notes: BTreeSet::new(),
            found: BTreeMap::new(),
        };
        for campaign in campaigns {
            if let Some(lock) = read_lock(ws, &campaign.name)? {
                survey.locks.insert(campaign.name.clone(), lock);
            }
            let places = places(ws, &campaign.name)?;
            let places = places.into_iter().map(|((key, language), place)| ((key.to_string(), language), place));
            let places: Places = places.collect();
            for line in lines_of(ws, campaign)? {
                survey.want(campaign, &line, &places, ws.config.rate, open)?;
            }
        }
        survey.unspoken.sort();
        survey.unspoken.dedup();
        let asked: Vec<Digest> = plan::asked(&survey.wanted, &survey.locks).into_iter().collect();
        let looked = survey.shelf.look_all(&asked, Question::Sound)?;
        survey.found = asked.into_iter().zip(looked).collect();
        for campaign in campaigns {
            survey.want_variants(ws, campaign)?;
        }
        Ok(survey)
    }

    fn want(
        &mut self,
        campaign: &Campaign,
        line: &Line,
        places: &Places,
        rate: u32,
        open: OpenEngine<'_>,
    ) -> Result<(), Failure> {
        let name = campaign.voice.engine_for(&line.language);
        let here = |failure: Failure| {
            let (name, key, language) = (&campaign.name, &line.key, &line.language);
            let what = format!("campaign `{name}`, phrase `{key}` in `{language}`: {}", failure.what);
            // House phrases are written nowhere.
            let place = places.get(&(written_key(key.as_str()).to_owned(), language.clone()));
            let what = match place {
                Some(Place { file, line: Some(line) }) => format!("{file}:{line}: {what}"),
                Some(_) | None => what,
            };
            Failure { what, ..failure }
        };
        if !self.engines.contains_key(name) {
            let engine = open(name).map_err(|fault| here(told(&fault)))?;
            self.engines.insert(name.to_owned(), engine);
        }
        let model = campaign.voice.model_for(&line.language);
        self.check_model(name, model, &line.language).map_err(here)?;
        let engine = &self.engines[name];
        match (engine.speaks_with(&line.language, model), &campaign.greeting.fallback) {
            (Ok(()), _) => {}
            (Err(EngineFault::Language { .. }), Some(fallback)) if *fallback != line.language => {
                self.unspoken.push(Unspoken {
                    campaign: campaign.name.clone(),
                    language: line.language.clone(),
                    engine: name.to_owned(),
                    fallback: fallback.clone(),
                });
                return Ok(());
            }
            (Err(fault), _) => return Err(here(told(&fault))),
        }
        let recipe = Recipe::of(line, &campaign.voice, engine.version(), rate, PIPELINE);
        engine.check(&request_of(&recipe)).map_err(|fault| here(told(&fault)))?;
        let (most, has) = (engine.max_characters(), recipe.given().chars().count());
        if has > most {
            let what = format!("the text has {has} characters; engine `{name}` takes {most} at most");
            return Err(here(Failure::usage(what).next("shorten it, or split it into two phrases")));
        }
        self.wanted.push(Wanted {
            campaign: campaign.name.clone(),
            key: line.key.clone(),
            recipe,
            reproducible: engine.reproducible(),
            unlocked: false,
        });
        Ok(())
    }

    /// Adds the greetings that name their leads, in the version of the plain greeting as the plan has it.
    fn want_variants(&mut self, ws: &Workspace, campaign: &Campaign) -> Result<(), Failure> {
        let found = Variants::of(ws, campaign)?;
        if found.lines.is_empty() {
            return Ok(());
        }
        if found.beyond > 0 {
            self.notes.insert(format!(
                "campaign `{}`: {} more distinct greetings than `most` allows; their leads hear the plain one.",
                campaign.name, found.beyond
            ));
        }
        let planned = self.plan()?;
        let mut added = Vec::new();
        for line in &found.lines {
            let plain = planned.items.iter().find(|item| {
                let it = &item.wanted;
                it.campaign == campaign.name
                    && it.key == line.key
                    && it.recipe.language == line.language
                    && !it.unlocked
            });
            // A language that is not spoken here has no plain greeting either.
            let Some(plain) = plain else { continue };
            let version = &plain.wanted.recipe.engine_version;
            added.push(Wanted {
                campaign: campaign.name.clone(),
                key: line.key.clone(),
                recipe: Recipe::of(line, &campaign.voice, version, ws.config.rate, PIPELINE),
                reproducible: plain.wanted.reproducible,
                unlocked: true,
            });
        }
        let asked: Vec<Digest> = added.iter().map(|wanted| wanted.recipe.fingerprint()).collect();
        let looked = self.shelf.look_all(&asked, Question::Sound)?;
        self.found.extend(asked.into_iter().zip(looked));
        self.wanted.extend(added);
        Ok(())
    }

    /// Refuses a model that has ended; one that ends soon, that the table does not know, or whose maker does not say that
    /// it speaks the language, is noted.
    fn check_model(&mut self, engine: &str, model: Option<&str>, language: &Language) -> Result<(), Failure> {
        let Some(model) = self.engines[engine].model(model) else { return Ok(()) };
        let (id, shown) = (&model.id, printable(&model.id));
        let row = cost::table().model(model.kind, id);
        if row.is_some_and(|row| row.speaks(language) == Claim::Unclaimed) {
            let what = format!("model `{shown}` of engine `{engine}` is not known to speak `{language}`");
            self.notes.insert(format!("{what}: listen before you use it."));
        }
        match cost::table().standing(model.kind, id, MachineClock.wall()) {
            Standing::Fine => {}
            Standing::EndsSoon { date, successor } => {
                self.notes
                    .insert(format!("model `{shown}` of engine `{engine}` ends on {date}: use `{successor}` then."));
            }
            Standing::Ended { date, successor } => {
                let what = format!("model `{shown}` of engine `{engine}` is not served since {date}");
                let next =
                    format!("write model = \"{successor}\" in [engines.{engine}] or in [voice] of campaign.toml");
                return Err(Failure::new(Exit::Asset, what).next(next));
            }
            Standing::Unknown => {
                let what = "is not in the table of models: its price and its limits are not known";
                self.notes.insert(format!("model `{shown}` of engine `{engine}` {what} (`ahoy cost models`)."));
            }
        }
        Ok(())
    }

    pub fn plan(&self) -> Result<Plan, Failure> {
        let shelf = self.found.iter().map(|(name, looked)| (name.clone(), looked.for_plan())).collect();
        Ok(plan::plan(self.wanted.clone(), &self.locks, &shelf))
    }

    /// Marks what was rendered before a moment as to be rendered again.
    pub fn age(&self, plan: &mut Plan, before: Wall) {
        let before = before.rfc3339();
        for item in plan.items.iter_mut().filter(|item| item.step == plan::Step::Keep) {
            // Both are RFC 3339 in UTC, of one length: their order is that of their letters.
            if self.record(&item.fingerprint).is_some_and(|record| record.rendered_at < before) {
                item.step = plan::Step::Render(plan::Why::Aged);
            }
        }
    }

    /// The record of a whole asset that the survey saw.
    pub fn record(&self, fingerprint: &Digest) -> Option<&Record> {
        match self.found.get(fingerprint) {
            Some(Looked::Whole(whole)) => Some(&whole.record),
            Some(Looked::Absent | Looked::Damaged(_)) | None => None,
        }
    }
}

impl Survey {
    /// What the engines are estimated to use up and to cost for a plan, by today's prices.
    pub(super) fn estimate(&self, plan: &Plan) -> Usage {
        let mut sum = Usage::default();
        for item in plan.to_render() {
            let recipe = &item.wanted.recipe;
            sum += match self.engines[&recipe.engine].model(recipe.model.as_deref()) {
                Some(model) => {
                    cost::table().estimate(model.kind, &model.id, &recipe.text, &recipe.language, MachineClock.wall())
                }
                None => Usage::free(&recipe.text),
            };
        }
        sum
    }
}

/// What `generate` would do now, what that is estimated to cost, and the languages that fall back. Writes nothing.
pub fn plan_campaigns(
    ws: &Workspace,
    campaigns: &[Campaign],
    options: &GenerateOptions,
) -> Result<(Plan, Usage, Vec<Unspoken>), Failure> {
    let (survey, plan) = super::planned(ws, campaigns, options, &|name| open_engine(ws, name))?;
    let cost = survey.estimate(&plan);
    Ok((plan, cost, survey.unspoken))
}

/// One locked asset as `cache list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssetRow {
    /// The campaign.
    pub campaign: Slug,
    /// The phrase's key.
    pub key: Slug,
    /// Its language.
    pub language: Language,
    /// Length in ms.
    pub duration_ms: u64,
    /// Who spoke it.
    pub engine: String,
    /// Bytes of the file; 0 = not there.
    pub bytes: u64,
    /// `whole`, `missing` or `damaged`.
    pub state: &'static str,
    /// The asset's name.
    pub fingerprint: Digest,
    /// The words.
    pub text: String,
}

/// What the locks of these campaigns hold.
pub fn list(ws: &Workspace, campaigns: &[Campaign]) -> Result<Vec<AssetRow>, Failure> {
    let mut rows = Vec::new();
    let mut names = Vec::new();
    for campaign in campaigns {
        let lock = read_lock(ws, &campaign.name)?.unwrap_or_default();
        for ((key, language), entry) in lock.entries {
            names.push(entry.fingerprint.clone());
            rows.push(AssetRow {
                campaign: campaign.name.clone(),
                key,
                language,
                duration_ms: entry.duration_ms,
                engine: entry.recipe.engine,
                bytes: 0,
                state: "missing",
                fingerprint: entry.fingerprint,
                text: entry.recipe.text,
            });
        }
    }
    for (row, looked) in rows.iter_mut().zip(shelf_of(ws).look_all(&names, Question::Bytes)?) {
        match looked {
            Looked::Absent => {}
            Looked::Damaged(_) => row.state = "damaged",
            Looked::Whole(whole) => (row.state, row.bytes) = ("whole", whole.bytes),
        }
    }
    Ok(rows)
}

/// Assets that no lock of any campaign of the workspace refers to, and that are older than `age`.
///
/// A campaign whose lock cannot be read stops it: what it refers to is unknown.
pub fn prunable(ws: &Workspace, age: Duration) -> Result<Vec<Unreferenced>, Failure> {
    let mut referenced = BTreeSet::new();
    for name in ws.campaign_names()? {
        if let Some(lock) = read_lock(ws, &name)? {
            let campaign = ws.campaign(&name)?;
            let named = Variants::of(ws, &campaign)?.lines;
            let recipes = named.iter().filter_map(|line| variants::recipe(ws, &campaign, &lock, line));
            referenced.extend(recipes.map(|recipe| recipe.fingerprint()));
            referenced.extend(lock.entries.into_values().map(|entry| entry.fingerprint));
        }
    }
    Ok(shelf_of(ws).unreferenced(&referenced, MachineClock.wall(), age)?)
}
