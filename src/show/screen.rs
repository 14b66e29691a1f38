//! A run as a watcher knows it: notes folded into what the screen shows. Pure (time is an argument) and bounded,
//! however long the run is. Drawing is [`super::frame`]'s.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::base::text::printable;
use crate::base::{AttemptId, Boot, LeadId, limits};
use crate::core::dial::Outcome;
use crate::core::dial::desk::Stop;
use crate::core::dial::note::{Note, Opening};
use crate::core::figures::Quantiles;

/// Seconds over which calls started are counted.
const MINUTE: usize = 60;
/// Outcomes that stay on the screen.
const LAST: usize = 8;
/// Between two words about a carrier that asks us to slow down: it may do so many times a second.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// What a call is doing. In this order: a late word never takes a call back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The order is on its way.
    Dialing,
    /// The answer to the order was lost; the carrier is asked.
    Unknown,
    /// Open from before this run; the carrier is asked.
    FromBefore,
    /// The carrier has it.
    Placed,
    /// It rings.
    Ringing,
    /// Somebody answered.
    Answered,
    /// Our sound plays, or we listen.
    Speaking,
}

impl Stage {
    /// In a word or two.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Dialing => "dialing",
            Stage::Unknown => "unknown",
            Stage::FromBefore => "from before",
            Stage::Placed => "placed",
            Stage::Ringing => "ringing",
            Stage::Answered => "answered",
            Stage::Speaking => "speaking",
        }
    }
}

/// A call that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCall {
    /// Its lead.
    pub lead: LeadId,
    /// Place of its campaign among [`Screen::campaigns`].
    pub campaign: usize,
    /// What it does.
    pub stage: Stage,
    /// Since when it does that.
    pub since: Boot,
    /// When it was ordered, or first seen.
    pub began: Boot,
}

/// A call that was over lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCall {
    /// Its lead.
    pub lead: LeadId,
    /// Place of its campaign among [`Screen::campaigns`].
    pub campaign: usize,
    /// How it ended.
    pub outcome: Outcome,
    /// From order to end.
    pub took: Duration,
}

/// A campaign of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignLine {
    /// Its name, made safe to print.
    pub name: String,
    /// All its leads.
    pub leads: u64,
    /// Leads that are not called any more.
    pub over: u64,
    /// Calls that are not over.
    pub live: u64,
    /// Whether it is paused.
    pub paused: bool,
}

/// Everything the screen shows.
#[derive(Debug, Clone)]
pub struct Screen {
    /// When the first note came.
    pub began: Option<Boot>,
    /// Campaigns, in the order of their coming.
    pub campaigns: Vec<CampaignLine>,
    /// Calls that are not over, oldest first; at most `limits::SCREEN_CALLS`.
    pub calls: BTreeMap<AttemptId, LiveCall>,
    /// Live calls that found no room above.
    pub unseen: u64,
    /// Calls that were over lately, newest first.
    pub last: VecDeque<LastCall>,
    /// Attempts that are over, by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Calls that somebody answered.
    pub answered: u64,
    /// Attempts that are over.
    pub ended: u64,
    /// Why accounts are stopped.
    pub account_stopped: Vec<String>,
    /// How firmly the operator asked to stop.
    pub stop: Stop,
    /// How often the carrier asked us to slow down.
    pub throttled: u64,
    /// Limits of each carrier account: calls started per second, calls alive at once.
    limits: BTreeMap<String, (f64, u64)>,
    due: u64,
    tenths: u64,
    throttle_told: Option<Boot>,
    /// Calls started in each of the last seconds: (second since boot, calls).
    starts: VecDeque<(u64, u64)>,
    /// The last first-audio latencies, microseconds.
    first_audio_us: VecDeque<u64>,
}

impl Default for Screen {
    fn default() -> Screen {
        Screen {
            began: None,
            campaigns: Vec::new(),
            calls: BTreeMap::new(),
            unseen: 0,
            last: VecDeque::new(),
            outcomes: BTreeMap::new(),
            answered: 0,
            ended: 0,
            account_stopped: Vec::new(),
            stop: Stop::No,
            throttled: 0,
            limits: BTreeMap::new(),
            due: 0,
            tenths: 0,
            throttle_told: None,
            starts: VecDeque::new(),
            first_audio_us: VecDeque::new(),
        }
    }
}

impl Screen {
    /// Folds a note in. Returns the line that a person should keep, if the note is one: safe to print.
    pub fn take(&mut self, now: Boot, note: &Note) -> Option<String> {
        self.began.get_or_insert(now);
        match note {
            Note::Begin { carrier, campaigns, inherited, calls_per_second, most_live } => {
                for opening in campaigns {
                    self.open(opening);
                }
                if self.limits.len() < limits::SCREEN_CAMPAIGNS {
                    self.limits.insert(carrier.clone(), (*calls_per_second, *most_live));
                }
                let text = format!("{inherited} attempts are open from before; the carrier is asked about them");
                return (*inherited > 0).then_some(text);
            }
            Note::Inherited { attempt, lead, campaign } => {
                self.live(now, *attempt, *lead, campaign, Stage::FromBefore);
            }
            Note::Dialed { attempt, lead, campaign } => {
                self.started(now);
                self.live(now, *attempt, *lead, campaign, Stage::Dialing);
            }
            Note::Placed(attempt) => self.move_on(now, *attempt, Stage::Placed),
            Note::Ringing(attempt) => self.move_on(now, *attempt, Stage::Ringing),
            Note::Answered(attempt) => {
                self.answered += 1;
                self.move_on(now, *attempt, Stage::Answered);
            }
            Note::Speaking(attempt) => self.move_on(now, *attempt, Stage::Speaking),
            Note::FirstAudio(_, us) => {
                if self.first_audio_us.len() == limits::SCREEN_LATENCIES {
                    self.first_audio_us.pop_front();
                }
                self.first_audio_us.push_back(*us);
            }
            Note::Ended { attempt, outcome, over } => self.end(now, *attempt, *outcome, *over),
            Note::Unknown(attempt) => self.move_on(now, *attempt, Stage::Unknown),
            Note::Throttled => return self.slow_down(now),
            Note::Paused(name, paused) => {
                let name = printable(name);
                if let Some(line) = self.campaigns.iter_mut().find(|line| line.name == name) {
                    line.paused = *paused;
                }
                let what = if *paused { "is paused" } else { "goes on" };
                return Some(format!("campaign {name} {what}"));
            }
            Note::AccountStopped(why) => {
                let why = printable(why);
                let text = format!("account stopped: {why}; nobody new is called");
                let new = !self.account_stopped.contains(&why);
                if new && self.account_stopped.len() < limits::SCREEN_CAMPAIGNS {
                    self.account_stopped.push(why);
                }
                return new.then_some(text);
            }
            Note::AccountResumed(why) => {
                // What was told of the stop begins with its reason.
                let why = printable(why);
                self.account_stopped.retain(|told| why.is_empty() || !told.starts_with(&why));
                return Some("the account may dial again: calling goes on".to_owned());
            }
            Note::Stopping(stop) => {
                self.stop = self.stop.max(*stop);
                return stopping(*stop).map(str::to_owned);
            }
            Note::Say(text) => return Some(printable(text)),
        }
        None
    }

    fn open(&mut self, opening: &Opening) {
        self.due += opening.due;
        let at = self.place(&opening.campaign);
        let line = &mut self.campaigns[at];
        (line.leads, line.over) = (opening.leads, opening.over);
    }

    /// Place of a campaign; one that is new gets the next place, and the last place takes all that find none.
    fn place(&mut self, name: &str) -> usize {
        let name = printable(name);
        if let Some(at) = self.campaigns.iter().position(|line| line.name == name) {
            return at;
        }
        if self.campaigns.len() == limits::SCREEN_CAMPAIGNS {
            return self.campaigns.len() - 1;
        }
        self.campaigns.push(CampaignLine { name, leads: 0, over: 0, live: 0, paused: false });
        self.campaigns.len() - 1
    }

    fn live(&mut self, now: Boot, attempt: AttemptId, lead: LeadId, campaign: &str, stage: Stage) {
        let campaign = self.place(campaign);
        if self.calls.len() >= limits::SCREEN_CALLS {
            self.unseen += 1;
            return;
        }
        let call = LiveCall { lead, campaign, stage, since: now, began: now };
        if self.calls.insert(attempt, call).is_none() {
            self.campaigns[campaign].live += 1;
        }
    }

    fn move_on(&mut self, now: Boot, attempt: AttemptId, stage: Stage) {
        if let Some(call) = self.calls.get_mut(&attempt).filter(|call| call.stage < stage) {
            (call.stage, call.since) = (stage, now);
        }
    }

    fn end(&mut self, now: Boot, attempt: AttemptId, outcome: Outcome, over: bool) {
        self.ended += 1;
        *self.outcomes.entry(outcome).or_default() += 1;
        match self.calls.remove(&attempt) {
            Some(call) => {
                let line = &mut self.campaigns[call.campaign];
                line.live = line.live.saturating_sub(1);
                line.over += u64::from(over);
                self.last.push_front(LastCall {
                    lead: call.lead,
                    campaign: call.campaign,
                    outcome,
                    took: now.since(call.began),
                });
                self.last.truncate(LAST);
            }
            None => self.unseen = self.unseen.saturating_sub(1),
        }
        self.tenths = self.tenths.max(self.ended * 10 / self.due.max(1));
    }

    /// A line for every tenth of the leads that were due at the start: for a pipe, where nothing moves.
    pub fn milestone(&self, told: u64) -> Option<(u64, String)> {
        (self.tenths > told).then(|| {
            let text = format!(
                "{} of {} calls are over; {} people have answered so far",
                self.ended,
                self.due.max(self.ended),
                self.answered
            );
            (self.tenths, text)
        })
    }

    fn slow_down(&mut self, now: Boot) -> Option<String> {
        self.throttled += 1;
        if self.throttle_told.is_some_and(|at| now.since(at) < SAY_AGAIN) {
            return None;
        }
        self.throttle_told = Some(now);
        let times = if self.throttled > 1 { format!(" ({} times so far)", self.throttled) } else { String::new() };
        Some(format!("the carrier asks us to slow down{times}"))
    }

    fn started(&mut self, now: Boot) {
        let second = now.0 / 1_000_000;
        match self.starts.back_mut() {
            Some((at, calls)) if *at == second => *calls += 1,
            Some(_) | None => self.starts.push_back((second, 1)),
        }
        while self.starts.len() > MINUTE {
            self.starts.pop_front();
        }
    }

    /// Calls started within the last `seconds` (1 to 60), the running second included.
    pub fn started_within(&self, now: Boot, seconds: u64) -> u64 {
        let second = now.0 / 1_000_000;
        self.starts.iter().filter(|(at, _)| at + seconds > second).map(|(_, calls)| calls).sum()
    }

    /// Calls started per second, over the last ten seconds or since the start if that is shorter.
    pub fn pace(&self, now: Boot) -> f64 {
        let age = self.began.map_or(0.0, |began| now.since(began).as_secs_f64());
        self.started_within(now, 10) as f64 / age.clamp(1.0, 10.0)
    }

    /// Sum of the accounts' limits: calls started per second, calls alive at once.
    pub fn limits(&self) -> (f64, u64) {
        self.limits.values().fold((0.0, 0), |(pace, live), (a, b)| (pace + a, live + b))
    }

    /// Calls that are not over.
    pub fn live_calls(&self) -> u64 {
        self.calls.len() as u64 + self.unseen
    }

    /// Calls of which nobody knows whether they exist.
    pub fn unknown(&self) -> usize {
        self.calls.values().filter(|call| matches!(call.stage, Stage::Unknown | Stage::FromBefore)).count()
    }

    /// Stream start → first sound, microseconds, of the last calls.
    pub fn first_audio(&self) -> Option<Quantiles<u64>> {
        Quantiles::of(self.first_audio_us.iter().copied())
    }
}

fn stopping(stop: Stop) -> Option<&'static str> {
    match stop {
        Stop::No => None,
        Stop::Drain => {
            Some("stopping: nobody new is called, live calls end by themselves (Ctrl-C again to cancel them)")
        }
        Stop::Unanswered => Some("the time is nearly up: unanswered calls are cancelled"),
        Stop::Cancel => Some("stopping: unanswered calls are cancelled, live ones hung up (Ctrl-C again to leave now)"),
        Stop::Exit => Some("leaving now; open attempts are in the ledger and are asked about at the next start"),
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
