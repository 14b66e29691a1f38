//! `ahoy cache plan`: what generate would do, before it costs anything.

use clap::Args;
use serde_json::json;

use super::{Campaigns, say_unspoken};
use crate::base::{Exit, Failure, Slug};
use crate::cli::{Context, print_json, print_line};
use crate::core::asset::plan::{Item, Plan, Step};
use crate::core::cost::Usage;
use crate::run::render::{self, GenerateOptions};
use crate::show::cache::plan_table;
use crate::store::workspace::Workspace;

pub(super) const PLAN_HELP: &str = "\
Examples:
  ahoy cache plan              all campaigns
  ahoy cache plan welcome --json
  ahoy cache plan --max-cost 2.50
  ahoy cache plan --max-age 30d --only greeting

Exit codes: 0 the plan was shown · 3 it is estimated to cost more than --max-cost, or has a model without a price · 1 I/O failure · 2 a file is wrong · 13 an engine is not here or does not speak a language";

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    campaigns: Campaigns,
    /// End with exit code 3 if the estimate is higher, in US dollars
    #[arg(long, value_name = "USD")]
    max_cost: Option<f64>,
    /// Plan as for `generate --max-age`
    #[arg(long, value_name = "AGE", value_parser = super::generate::age)]
    max_age: Option<std::time::Duration>,
    /// Plan as for `generate --only`
    #[arg(long, value_name = "KEY")]
    only: Vec<Slug>,
}

pub(super) fn plan(ws: &Workspace, args: &PlanArgs, context: &Context) -> Result<Exit, Failure> {
    let options = GenerateOptions { max_age: args.max_age, only: args.only.clone(), ..GenerateOptions::default() };
    let (plan, usage, unspoken) = render::plan_campaigns(ws, &ws.campaigns(&args.campaigns.names)?, &options)?;
    let exit = if exceeds(&usage, args.max_cost) { Exit::Findings } else { Exit::Done };
    let (render, kept) = (plan.to_render().len(), plan.items.iter().filter(|it| it.step == Step::Keep).count());
    if context.json() {
        for item in &plan.items {
            print_json(&plan_row(item))?;
        }
        let (characters, dropped) = (plan.characters(), plan.dropped.len());
        print_json(&json!({ "render": render, "keep": kept, "dropped": dropped, "characters": characters,
            "cost_usd_micros": usage.cost.0, "estimated": usage.estimated, "unpriced": usage.unpriced,
            "unspoken": unspoken }))?;
        return Ok(exit);
    }
    print_line(&plan_table(&plan))?;
    print_line(&format!(
        "\n{render} to render ({} characters, {}), {kept} kept",
        plan.characters(),
        cost_words(&usage)
    ))?;
    say_dropped(&plan)?;
    say_unspoken(&unspoken, context);
    Ok(exit)
}

/// Whether an estimate passes a bound; one with an unknown price passes every bound.
pub(super) fn exceeds(usage: &Usage, max_cost: Option<f64>) -> bool {
    max_cost.is_some_and(|most| usage.unpriced || usage.cost.0 as f64 > most * 1_000_000.0)
}

/// The cost of a plan in words.
pub(super) fn cost_words(usage: &Usage) -> String {
    match (usage.unpriced, usage.cost.0) {
        (true, _) => format!("estimated at {} and more: a model has no known price", usage.cost),
        (false, 0) => "no cost: engines of this machine".to_owned(),
        (false, _) => format!("estimated at {}", usage.cost),
    }
}

fn plan_row(item: &Item) -> serde_json::Value {
    let recipe = &item.wanted.recipe;
    let (step, why) = match &item.step {
        Step::Keep => ("keep", None),
        Step::Render(why) => ("render", Some(why.to_string())),
        Step::Leave => ("leave", None),
    };
    json!({ "campaign": item.wanted.campaign, "key": item.wanted.key, "language": recipe.language,
        "engine": recipe.engine, "characters": recipe.text.chars().count(), "step": step, "why": why,
        "fingerprint": item.fingerprint })
}

fn say_dropped(plan: &Plan) -> Result<(), Failure> {
    for (campaign, key, language) in &plan.dropped {
        print_line(&format!(
            "no longer wanted: `{key}` in `{language}` of `{campaign}` (`ahoy cache prune` clears it)"
        ))?;
    }
    Ok(())
}
