//! A frame of the live screen as text: rows that fit the terminal, whatever its size. Pure.

use std::time::Duration;

use console::{measure_text_width, truncate_str};

use super::screen::{CampaignLine, LastCall, LiveCall, Screen, Stage};
use crate::base::Boot;
use crate::core::dial::Outcome;
use crate::core::dial::desk::Stop;

/// A terminal's size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

/// How a row stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It does not.
    Plain,
    /// Titles and what matters less.
    Dim,
    /// All is well.
    Good,
    /// Something to know.
    Warn,
    /// Something to act on.
    Alarm,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its text, no wider than the terminal.
    pub text: String,
    /// How it stands out.
    pub tone: Tone,
}

/// Rows of a frame at most, on the tallest terminal: what was said before stays readable above it.
pub const MOST_ROWS: usize = 26;
/// Live calls shown at most.
const MOST_CALLS: usize = 12;
/// Campaigns shown at most.
const MOST_CAMPAIGNS: usize = 6;

/// The frame at `now` for a terminal of this size. At most `rows - 1` and [`MOST_ROWS`] rows; the most important first
/// keep their place when room is short.
pub fn frame(screen: &Screen, now: Boot, size: Size) -> Vec<Row> {
    let room = size.rows.saturating_sub(1).min(MOST_ROWS);
    let mut rows = Vec::new();
    for line in screen.campaigns.iter().take(MOST_CAMPAIGNS) {
        rows.push(bar(screen, line, size.columns));
    }
    let more = screen.campaigns.len().saturating_sub(MOST_CAMPAIGNS);
    if more > 0 {
        rows.push(row(format!("  … and {more} more campaigns"), Tone::Dim));
    }
    rows.extend(pinned(screen));
    rows.push(row(pace(screen, now, size.columns), Tone::Plain));
    rows.push(row(labelled("outcomes", &outcomes(screen)), Tone::Plain));
    if let Some(q) = screen.first_audio() {
        let ms = |us: u64| format!("{:.2}", us as f64 / 1_000.0);
        let text = format!("p50 {} · p99 {} · max {} ms ({} calls)", ms(q.p50), ms(q.p99), ms(q.max), q.count);
        rows.push(row(labelled("first audio", &text), Tone::Plain));
    }
    rows.extend(calls(screen, now, room.saturating_sub(rows.len())));
    rows.truncate(room);
    for row in &mut rows {
        row.text = truncate_str(&row.text, size.columns, "…").into_owned();
    }
    rows
}

fn row(text: String, tone: Tone) -> Row {
    Row { text, tone }
}

fn labelled(name: &str, text: &str) -> String {
    format!("  {name:<12}{text}")
}

/// What must not scroll away.
fn pinned(screen: &Screen) -> Vec<Row> {
    let mut rows: Vec<Row> = screen
        .account_stopped
        .iter()
        .take(2)
        .map(|why| row(format!("  ! account stopped: {why}"), Tone::Alarm))
        .collect();
    let word = match screen.stop {
        Stop::No => None,
        Stop::Drain => Some("  ! stopping: live calls end by themselves (Ctrl-C again cancels them)"),
        Stop::Unanswered => Some("  ! the time is nearly up: unanswered calls are cancelled"),
        Stop::Cancel => Some("  ! stopping: calls are cancelled and hung up (Ctrl-C again leaves now)"),
        Stop::Exit => Some("  ! leaving now"),
    };
    rows.extend(word.map(|word| row(word.to_owned(), Tone::Warn)));
    if screen.throttled > 0 {
        rows.push(row(format!("  ! the carrier asked us to slow down {} times", screen.throttled), Tone::Warn));
    }
    rows
}

/// A campaign's bar; its figures get shorter before the bar does.
fn bar(screen: &Screen, line: &CampaignLine, columns: usize) -> Row {
    let longest = screen.campaigns.iter().map(|it| measure_text_width(&it.name)).max().unwrap_or(0);
    let width = longest.min(16).min(columns / 4);
    let name = truncate_str(&line.name, width, "…").into_owned();
    let pad = " ".repeat(width.saturating_sub(measure_text_width(&name)));
    let head = format!("  {name}{pad} ");
    let paused = if line.paused { "paused · " } else { "" };
    let (leads, over, live) = (line.leads.max(line.over), line.over, line.live);
    let waiting = leads.saturating_sub(over + live);
    let tails = [
        format!(" {paused}{over}/{leads} leads over · {live} live · {waiting} waiting"),
        format!(" {paused}{over}/{leads} · {live} live"),
        format!(" {over}/{leads}"),
    ];
    let used = measure_text_width(&head) + 2;
    let fits = |tail: &&String| used + measure_text_width(tail) + 10 <= columns;
    let tail = tails.iter().find(fits).unwrap_or(&tails[2]);
    let cells = columns.saturating_sub(used + measure_text_width(tail)).min(36);
    let tone = if line.paused { Tone::Warn } else { Tone::Good };
    row(format!("{head}[{}]{tail}", cells_of(over, live, leads, cells)), tone)
}

/// `=` leads that are over, `>` leads on the line now.
fn cells_of(over: u64, live: u64, leads: u64, cells: usize) -> String {
    let share = |part: u64| {
        let exact = u128::from(part) * cells as u128 / u128::from(leads.max(1));
        usize::try_from(exact).unwrap_or(cells).min(cells)
    };
    let done = share(over);
    let ahead = share(over + live).max(usize::from(live > 0) + done).min(cells) - done;
    format!("{}{}{}", "=".repeat(done), ">".repeat(ahead), " ".repeat(cells - done - ahead))
}

fn pace(screen: &Screen, now: Boot, columns: usize) -> String {
    let elapsed = screen.began.map_or(Duration::ZERO, |began| now.since(began));
    let (calls_per_second, most_live) = screen.limits();
    let unknown = match screen.unknown() {
        0 => String::new(),
        n => format!(" · {n} unknown"),
    };
    let live = format!("live {} of {}{unknown}", screen.live_calls(), most_live);
    let rate = format!("{:.1}/s of {}/s", screen.pace(now), calls_per_second);
    let minute = screen.started_within(now, 60);
    let text = if columns < 70 {
        format!("{rate} · {live}")
    } else {
        format!("{rate} · {minute} in the last minute · {live} · {}", age(elapsed))
    };
    labelled("calls", &text)
}

fn outcomes(screen: &Screen) -> String {
    if screen.outcomes.is_empty() {
        return "none yet".to_owned();
    }
    let mut sorted: Vec<(&Outcome, &u64)> = screen.outcomes.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1));
    let told: Vec<String> = sorted.iter().map(|(outcome, n)| format!("{} {n}", words(**outcome))).collect();
    told.join(" · ")
}

fn words(outcome: Outcome) -> String {
    outcome.as_str().replace('_', " ")
}

/// Live calls, then the last ones that were over, in the room that is left.
fn calls(screen: &Screen, now: Boot, room: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    if room < 2 {
        return rows;
    }
    let several = screen.campaigns.len() > 1;
    // The ones that were over lately get a third of the room, and what the live ones leave.
    let for_last = (room / 3).min(screen.last.len() + 1);
    let for_live = (room - for_last).min(MOST_CALLS + 1);
    let wanted = screen.calls.len();
    let shown = if wanted < for_live { wanted } else { for_live.saturating_sub(2) };
    if wanted > 0 {
        rows.push(row("  live".to_owned(), Tone::Dim));
        for call in screen.calls.values().take(shown) {
            rows.push(live_row(screen, call, now, several));
        }
        let more = screen.live_calls().saturating_sub(shown as u64);
        if more > 0 {
            rows.push(row(format!("    … and {more} more"), Tone::Dim));
        }
    }
    let left = room.saturating_sub(rows.len());
    if left >= 2 && !screen.last.is_empty() {
        rows.push(row("  last".to_owned(), Tone::Dim));
        rows.extend(screen.last.iter().take(left - 1).map(|call| last_row(screen, call, several)));
    }
    rows.truncate(room);
    rows
}

fn live_row(screen: &Screen, call: &LiveCall, now: Boot, several: bool) -> Row {
    let campaign = campaign_of(screen, call.campaign, several);
    let lead = format!("lead {}", call.lead);
    let text = format!("    {lead:<11} {:<11} {:>7}{campaign}", call.stage.word(), age(now.since(call.since)));
    let tone = match call.stage {
        Stage::Unknown | Stage::FromBefore => Tone::Warn,
        Stage::Answered | Stage::Speaking => Tone::Good,
        Stage::Dialing | Stage::Placed | Stage::Ringing => Tone::Plain,
    };
    row(text, tone)
}

fn last_row(screen: &Screen, call: &LastCall, several: bool) -> Row {
    let campaign = campaign_of(screen, call.campaign, several);
    let lead = format!("lead {}", call.lead);
    let text = format!("    {lead:<11} {:<15} {:>7}{campaign}", words(call.outcome), age(call.took));
    row(text, if call.outcome.is_fault() { Tone::Warn } else { Tone::Plain })
}

fn campaign_of(screen: &Screen, at: usize, several: bool) -> String {
    let name = screen.campaigns.get(at).filter(|_| several).map(|line| line.name.as_str());
    name.map_or_else(String::new, |name| format!("  {name}"))
}

/// A span for people: `4 s`, `1:05 min`, `2:03:00 h`.
fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        3_600.. => format!("{}:{:02}:{:02} h", seconds / 3_600, seconds % 3_600 / 60, seconds % 60),
    }
}
