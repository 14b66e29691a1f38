//! Money for renderings: nothing is asked of a service before what it may cost is reserved within the caps.

use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::base::{Exit, Failure, Language, Money, Slug};
use crate::core::asset::Recipe;
use crate::core::cost::spend::{Caps, Entry, Reserved, Spending};
use crate::core::cost::{self, Usage};
use crate::edge::engine::Engine;
use crate::run::clock::{Clock, MachineClock};
use crate::store::spend::{Safety, SpendBook};
use crate::store::workspace::Workspace;

/// The caps of a run, and what it has spent.
#[derive(Debug)]
pub(crate) struct Purse {
    caps: Caps,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    book: SpendBook,
    /// Spent or reserved in this run.
    run: Money,
    /// Of it, what was really spent.
    spent: Money,
}

/// A request that is to be paid for.
pub(in crate::run) struct Wish<'a> {
    pub campaign: &'a Slug,
    pub key: &'a Slug,
    pub language: &'a Language,
    pub engine: &'a str,
    pub model: Option<String>,
    /// The most that it can use up, priced.
    pub most: Usage,
}

/// A reservation that waits for its settlement.
#[derive(Debug)]
pub(crate) struct Ticket {
    id: String,
    most: Money,
}

impl Purse {
    /// The purse of a workspace; `per_run` is this run's own cap, beside the configuration's.
    pub fn of(ws: &Workspace, per_run: Option<Money>) -> Purse {
        let configured = ws.config.speech;
        let least = configured.per_run.into_iter().chain(per_run).min();
        let caps = Caps { per_run: least, ..configured };
        let state = State { book: SpendBook::at(&ws.root), run: Money(0), spent: Money(0) };
        Purse { caps, state: Mutex::new(state) }
    }

    /// Reserves the most that a rendering may cost. Refused with exit 3 if a cap would be passed.
    pub fn reserve(
        &self,
        engine: &dyn Engine,
        recipe: &Recipe,
        campaign: &Slug,
        key: &Slug,
    ) -> Result<Ticket, Failure> {
        let model = engine.model(recipe.model.as_deref());
        let most = match &model {
            Some(model) => {
                let (text, language) = (recipe.given(), &recipe.language);
                cost::table().worst(model.kind, &model.id, text, language, MachineClock.wall())
            }
            None => Usage::default(),
        };
        let (language, engine, model) = (&recipe.language, recipe.engine.as_str(), model.map(|model| model.id));
        self.reserve_for(&Wish { campaign, key, language, engine, model, most })
    }

    /// Reserves the most that a request may cost. Refused with exit 3 if a cap would be passed.
    pub fn reserve_for(&self, wish: &Wish<'_>) -> Result<Ticket, Failure> {
        let now = MachineClock.wall();
        let most = wish.most;
        let reserved = Reserved {
            id: Uuid::new_v4().simple().to_string(),
            at: now.rfc3339(),
            campaign: wish.campaign.clone(),
            key: wish.key.clone(),
            language: wish.language.clone(),
            engine: wish.engine.to_owned(),
            model: wish.model.clone(),
            most: most.cost,
        };
        let ticket = Ticket { id: reserved.id.clone(), most: most.cost };
        let mut state = self.state();
        let run = state.run;
        let decide =
            |spending: &Spending| spending.may(&self.caps, run, &most, now).map(|()| Entry::Reserved(reserved));
        let safety = if most.cost.0 > 0 { Safety::Flushed } else { Safety::Written };
        match state.book.append(safety, decide)? {
            Ok(()) => {
                state.run += most.cost;
                Ok(ticket)
            }
            Err(capped) => Err(Failure::new(Exit::Findings, format!("not asked for: {capped}"))
                .next("raise the cap ([cache] spend_per_month, spend_per_run, or --max-cost), or do less")),
        }
    }

    /// Writes down what a request used up.
    pub fn settle(&self, ticket: Ticket, usage: Usage, kept: bool) -> Result<(), Failure> {
        let at = MachineClock.wall().rfc3339();
        let mut state = self.state();
        let entry = Entry::Settled { id: ticket.id, at, usage, kept };
        let written: Result<(), std::convert::Infallible> = state.book.append(Safety::Written, |_| Ok(entry))?;
        written.unwrap_or_else(|never| match never {});
        state.run += Money(usage.cost.0 - ticket.most.0);
        state.spent += usage.cost;
        Ok(())
    }

    /// What this run has spent.
    pub fn spent(&self) -> Money {
        self.state().spent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
