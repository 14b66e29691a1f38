//! A run on the screen: bars on a terminal, plain lines in a pipe, nothing when quiet.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::words::say;
use crate::core::dial::Outcome;
use crate::core::dial::desk::Stop;
use crate::core::dial::note::{Note, Watcher};

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Bars that move.
    Bars,
    /// A line for what matters and one for every tenth of the leads.
    Lines,
    /// Nothing.
    Silent,
}

/// Shows a run as it goes, on stderr.
#[derive(Debug)]
pub struct RunView {
    look: Look,
    leads: ProgressBar,
    calls: ProgressBar,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    due: u64,
    dialed: u64,
    live: u64,
    answered: u64,
    ended: u64,
    unknown: u64,
    outcomes: BTreeMap<Outcome, u64>,
    tenths: u64,
}

impl RunView {
    /// A view with this look.
    pub fn new(look: Look) -> RunView {
        let target = if look == Look::Bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let leads = bars.add(ProgressBar::new(0));
        let calls = bars.add(ProgressBar::new_spinner());
        let style = ProgressStyle::with_template("  leads [{bar:36.green}] {pos}/{len}  {elapsed} {msg}");
        leads.set_style(style.expect("the template is a constant").progress_chars("=> "));
        calls.set_style(ProgressStyle::with_template("  calls {msg}").expect("the template is a constant"));
        if look == Look::Bars {
            leads.enable_steady_tick(Duration::from_millis(250));
        }
        RunView { look, leads, calls, counts: Mutex::new(Counts::default()) }
    }

    /// Clears the bars and leaves the screen to the report.
    pub fn finish(&self) {
        self.leads.finish_and_clear();
        self.calls.finish_and_clear();
    }

    fn line(&self, text: &str) {
        match self.look {
            Look::Bars => self.leads.suspend(|| say(text)),
            Look::Lines => say(text),
            Look::Silent => {}
        }
    }

    fn redraw(&self, counts: &Counts) {
        self.leads.set_length(counts.due.max(counts.dialed));
        self.leads.set_position(counts.ended);
        let outcomes: Vec<String> = counts.outcomes.iter().map(|(outcome, n)| format!("{outcome} {n}")).collect();
        let unknown = if counts.unknown > 0 { format!(" · unknown {}", counts.unknown) } else { String::new() };
        self.calls.set_message(format!("live {}{unknown} · {}", counts.live, outcomes.join(" · ")));
    }

    fn tenth(&self, counts: &mut Counts) {
        let total = counts.due.max(1);
        let tenths = counts.ended * 10 / total;
        if self.look == Look::Lines && tenths > counts.tenths {
            counts.tenths = tenths;
            say(&format!(
                "  {} of {} calls are over; {} people have answered so far",
                counts.ended, total, counts.answered
            ));
        }
    }
}

impl Watcher for RunView {
    fn note(&self, note: &Note) {
        let mut counts = self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut line = None;
        match note {
            Note::Begin { due, inherited } => {
                counts.due += due;
                counts.live += inherited;
                if *inherited > 0 {
                    line =
                        Some(format!("  {inherited} attempts are open from before; the carrier is asked about them"));
                }
            }
            Note::Dialed(_) => {
                counts.dialed += 1;
                counts.live += 1;
            }
            Note::Placed(_) | Note::Ringing(_) | Note::FirstAudio(..) => {}
            Note::Answered(_) => counts.answered += 1,
            Note::Ended(_, outcome) => {
                counts.ended += 1;
                counts.live = counts.live.saturating_sub(1);
                *counts.outcomes.entry(*outcome).or_default() += 1;
                self.tenth(&mut counts);
            }
            Note::Unknown(_) => counts.unknown += 1,
            Note::Throttled => line = Some("  the carrier asks us to slow down".to_owned()),
            Note::Paused(name, true) => line = Some(format!("  campaign {name} is paused")),
            Note::Paused(name, false) => line = Some(format!("  campaign {name} goes on")),
            Note::AccountStopped(why) => line = Some(format!("  account stopped: {why}; nobody new is called")),
            Note::Stopping(stop) => line = stopping(*stop),
            Note::Say(text) => line = Some(format!("  {text}")),
        }
        self.redraw(&counts);
        drop(counts);
        if let Some(line) = line {
            self.line(&line);
        }
    }
}

fn stopping(stop: Stop) -> Option<String> {
    let text = match stop {
        Stop::No => return None,
        Stop::Drain => "stopping: nobody new is called, live calls end by themselves (Ctrl-C again to cancel them)",
        Stop::Cancel => "stopping: unanswered calls are cancelled, live ones hung up (Ctrl-C again to leave now)",
        Stop::Exit => "leaving now; open attempts are in the ledger and are asked about at the next start",
    };
    Some(format!("  {text}"))
}
