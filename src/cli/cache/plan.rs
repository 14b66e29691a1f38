//! `ahoy cache plan`: what generate would do, before it costs anything.

use serde_json::json;

use super::{Campaigns, say_unspoken};
use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json, print_line};
use crate::core::asset::plan::{Item, Plan, Step};
use crate::run::render;
use crate::show::cache::plan_table;
use crate::store::workspace::Workspace;

pub(super) const PLAN_HELP: &str = "\
Examples:
  ahoy cache plan              all campaigns
  ahoy cache plan welcome --json

Exit codes: 0 the plan was shown · 1 I/O failure · 2 a file is wrong · 13 an engine is not here or does not speak a language";

pub(super) fn plan(ws: &Workspace, campaigns: &Campaigns, context: &Context) -> Result<Exit, Failure> {
    let (plan, unspoken) = render::plan_campaigns(ws, &ws.campaigns(&campaigns.names)?)?;
    let (render, kept) = (plan.to_render().len(), plan.items.iter().filter(|it| it.step == Step::Keep).count());
    if context.json() {
        for item in &plan.items {
            print_json(&plan_row(item))?;
        }
        let (characters, dropped) = (plan.characters(), plan.dropped.len());
        print_json(&json!({ "render": render, "keep": kept, "dropped": dropped, "characters": characters,
            "cost_usd_micros": 0, "unspoken": unspoken }))?;
        return Ok(Exit::Done);
    }
    print_line(&plan_table(&plan))?;
    print_line(&format!(
        "\n{render} to render ({} characters, cost $0: engines of this machine), {kept} kept",
        plan.characters()
    ))?;
    say_dropped(&plan)?;
    say_unspoken(&unspoken, context);
    Ok(Exit::Done)
}

fn plan_row(item: &Item) -> serde_json::Value {
    let recipe = &item.wanted.recipe;
    let (step, why) = match &item.step {
        Step::Keep => ("keep", None),
        Step::Render(why) => ("render", Some(why.to_string())),
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
