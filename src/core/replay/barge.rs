//! Both channels of a recorded call against the live session: where other `[barge_in]` and `[vad]` settings would have
//! stopped our voice.
//!
//! The callee's channel is what it was, also where we would have done something else: what follows the first stop that
//! differs is a guess at what they would have said. Pure: a frame's place is its time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::labels::Utterance;
use crate::base::Boot;
use crate::core::agent::{AgentPlan, FromAgent};
use crate::core::asset::book::{APOLOGY, BRIDGE, CALL_BACK, LEAVE_MESSAGE, MESSAGE_TAKEN};
use crate::core::call::over::Why;
use crate::core::call::playout::{AGENT, Piece, mark_name};
use crate::core::call::{
    CallScript, Command, Event, Line, MachinePlan, MessageScript, PreparedClip, SAMPLES_PER_MS, Session, ULAW_SILENCE,
    What,
};
use crate::core::config::{BargeIn, Campaign, Keys, Recording, Vad};
use crate::core::figures::Quantiles;
use crate::core::vad::CHUNK_MS;
use crate::core::wire::media::{self, Inbound, Spelling, Start};

/// A frame of the carrier's, samples and ms.
const FRAME: usize = 160;
const FRAME_MS: u64 = 20;
/// Two stops are the same if they are not further apart: a frame, and a chunk of the ear.
pub const SAME_MS: u64 = FRAME_MS + CHUNK_MS;
/// The agent's own pauses are sent as sound up to this length; a longer one is a voice that has run dry.
const PAUSE: usize = 1_600;

/// A call as it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its name.
    pub name: String,
    /// The callee, µ-law.
    pub them: Vec<u8>,
    /// What was played to them, µ-law.
    pub us: Vec<u8>,
    /// Its log.
    pub log: Vec<Line>,
    /// What the callee said, if labels lie beside it.
    pub said: Option<Vec<Utterance>>,
}

/// What is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// What counts as speech.
    pub vad: Vad,
    /// What speech over our voice does.
    pub barge_in: BargeIn,
    /// Everything else of the campaign; `None`: the defaults, and what the log tells.
    pub campaign: Option<Campaign>,
}

/// A stop of our voice. Milliseconds of the recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stop {
    /// The clip that was stopped.
    pub clip: String,
    /// Where the speech began.
    pub onset_ms: u64,
    /// Where `clear` left.
    pub clear_ms: u64,
    /// How much of the clip was heard.
    pub heard_ms: u64,
    /// Its length, as far as it is known.
    pub total_ms: u64,
    /// Nothing was said there; `None` without labels.
    pub falsely: Option<bool>,
}

/// One call, replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Its name.
    pub file: String,
    /// Stops of the replay.
    pub stops: Vec<Stop>,
    /// Stops of the live call.
    pub live: Vec<Stop>,
    /// The first stop that only one of them has: from there on the callee's part is a guess.
    pub differs_from_ms: Option<u64>,
    /// Labelled utterances over our voice that did not stop it; `None` without labels.
    pub missed: Option<Vec<(u64, u64)>>,
    /// Speech over our voice that did not stop it: where it began, and why not.
    pub held: Vec<(u64, Why)>,
    /// Our own voice came back: delay in ms, loss in dB.
    pub echo: Option<(u64, u32)>,
    /// Clips that were cut live, so that the recording does not hold their rest: it counts with its length only.
    pub unknown_rests: usize,
}

/// Figures of many calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Calls.
    pub calls: usize,
    /// Stops of the replay.
    pub stops: usize,
    /// Stops of the live calls.
    pub live_stops: usize,
    /// Stops that both have, at the same place.
    pub same: usize,
    /// Onset of speech → `clear`, ms.
    pub delay_ms: Option<Quantiles<u64>>,
    /// The same of the live calls.
    pub live_delay_ms: Option<Quantiles<u64>>,
    /// How much of a clip was heard when it was stopped, percent.
    pub heard_percent: Option<Quantiles<u64>>,
    /// Stops where nothing was said, of the labelled calls.
    pub false_stops: Option<usize>,
    /// Utterances over our voice that did not stop it, of the labelled calls.
    pub missed_stops: Option<usize>,
    /// Runs of speech held back as our own echo.
    pub held_echo: usize,
    /// … as a hum.
    pub held_back_channel: usize,
    /// … as too faint.
    pub held_faint: usize,
}

/// Why a call cannot be replayed.
pub fn refusal(log: &[Line]) -> Option<&'static str> {
    let first = log.iter().find(|line| matches!(line.what, What::Play { .. }));
    match first {
        None => Some("its log has no clip that was played"),
        Some(_) if log.iter().any(|line| matches!(line.what, What::Menu | What::OwnVoice)) => {
            Some("a desk's call: its menu is not replayed")
        }
        Some(first) if first.media_ms > 0 => Some("the callee spoke first: a desk's call"),
        Some(_) => None,
    }
}

/// What the log says was played, by name: the most of each that was ever heard, as it was recorded, and silence for the
/// rest of its length. The session compares the line with it, to tell an echo of ours.
fn clips(recorded: &Recorded) -> BTreeMap<&str, Arc<PreparedClip>> {
    let place = |ms: u64| usize::try_from(ms * SAMPLES_PER_MS).unwrap_or(usize::MAX).min(recorded.us.len());
    let mut known: BTreeMap<&str, (usize, Vec<u8>)> = BTreeMap::new();
    let mut free_at = 0;
    for (nth, line) in recorded.log.iter().enumerate() {
        match &line.what {
            What::Play { clip, total_ms, .. } => {
                let from = line.media_ms.max(free_at);
                free_at = from + total_ms;
                let heard = recorded.log[nth..].iter().find_map(|it| match &it.what {
                    What::Heard { clip: of, heard_ms, .. } if of == clip => Some(*heard_ms),
                    _ => None,
                });
                let until = from + heard.unwrap_or(*total_ms).min(*total_ms);
                let mut ulaw = recorded.us[place(from)..place(until)].to_vec();
                let heard = ulaw.len();
                ulaw.resize(usize::try_from(total_ms * SAMPLES_PER_MS).unwrap_or(0), ULAW_SILENCE);
                let longest = known.entry(clip.as_str()).or_insert_with(|| (heard, ulaw.clone()));
                if longest.0 < heard {
                    *longest = (heard, ulaw);
                }
            }
            What::Clear => free_at = line.media_ms,
            _ => {}
        }
    }
    known.into_iter().map(|(key, (_, ulaw))| (key, Arc::new(PreparedClip::of(key, ulaw.into())))).collect()
}

fn is_agents(what: &What) -> bool {
    matches!(what, What::AgentReady | What::HandOver { .. } | What::AgentSpeaks { .. } | What::AgentGone { .. })
}

/// The live call's script, as far as its log and the campaign tell.
fn script(recorded: &Recorded, trial: &Trial) -> Option<CallScript> {
    let log = &recorded.log;
    let clips = clips(recorded);
    let greeting = log.iter().find_map(|line| match &line.what {
        What::Play { clip, .. } => clips.get(clip.as_str()).cloned(),
        _ => None,
    })?;
    let clip = |name: &str| clips.get(name).cloned();
    let campaign = trial.campaign.as_ref();
    let agent = log
        .iter()
        .any(|line| is_agents(&line.what))
        .then_some(AgentPlan { wait: Duration::from_secs(10), silence: Duration::from_secs(30) });
    let machines = campaign.map_or(MachinePlan::default(), |it| MachinePlan::of(&it.machines, clip));
    let message = campaign.and_then(|it| {
        Some(MessageScript { plan: it.message?, ask: clip(LEAVE_MESSAGE)?, taken: clip(MESSAGE_TAKEN)? })
    });
    Some(CallScript {
        greeting,
        opt_out_confirmed: clip("opt-out-confirmed"),
        goodbye: clip("goodbye"),
        keys: campaign.map_or(Keys::default(), |it| it.keys),
        vad: trial.vad,
        barge_in: trial.barge_in,
        listen_after: campaign.map_or(Duration::from_secs(4), |it| it.listen_after),
        max_call: campaign.map_or(Duration::from_secs(300), |it| it.max_call),
        machines,
        recording: Recording::default(),
        agent: campaign.map_or(agent.clone(), |it| agent.map(|_| it.agent.plan.clone())),
        desk: None,
        transfers: campaign.is_some_and(|it| it.transfer.is_some()),
        bridge: clip(BRIDGE),
        apology: clip(APOLOGY),
        call_back: clip(CALL_BACK),
        message,
    })
}

/// Stops that the live call wrote down.
fn stops(log: &[Line], said: Option<&[Utterance]>) -> Vec<Stop> {
    let mut stops = Vec::new();
    for (at, line) in log.iter().enumerate() {
        let What::BargeIn { onset_ms } = line.what else { continue };
        let heard = log[at..].iter().find_map(|line| match &line.what {
            What::Heard { clip, heard_ms, total_ms } => Some((clip.clone(), *heard_ms, *total_ms)),
            _ => None,
        });
        let (clip, heard_ms, total_ms) = heard.unwrap_or_default();
        let clear_ms = line.media_ms;
        let falsely = said.map(|said| !said.iter().any(|it| it.start_ms <= clear_ms && it.end_ms >= onset_ms));
        stops.push(Stop { clip, onset_ms, clear_ms, heard_ms, total_ms, falsely });
    }
    stops
}

/// The carrier's marks that are on their way back, in the order of their places.
#[derive(Default)]
struct Carrier {
    marks: Vec<(u64, String)>,
    /// Where the queue ends.
    end: u64,
    lag: u64,
}

impl Carrier {
    /// How much later than its place a mark came back live: the median of the call.
    fn of(log: &[Line]) -> Carrier {
        let (mut due, mut serial, mut late) = (BTreeMap::new(), 0_u32, Vec::new());
        for line in log {
            match &line.what {
                What::Play { marks_ms, .. } => {
                    serial += 1;
                    due.extend(marks_ms.iter().map(|ms| (format!("c{serial}-{ms}"), line.media_ms + ms)));
                }
                // Numbers are shared with the agent's stretches, whose marks are in no line.
                What::AgentSpeaks { .. } => break,
                What::Mark { name, played: true } => {
                    late.extend(due.get(name).map(|due| line.media_ms.saturating_sub(*due)));
                }
                _ => {}
            }
        }
        let lag = Quantiles::of(late).map_or(FRAME_MS, |it| it.p50);
        Carrier { lag: lag * SAMPLES_PER_MS, ..Carrier::default() }
    }

    fn play(&mut self, at: u64, serial: u32, clip: &PreparedClip) {
        let start = self.end.max(at);
        let marks = clip.pieces.iter().filter(|it| it.mark).map(|it| it.end as u64);
        self.marks.extend(marks.map(|end| (start + end + self.lag, mark_name(serial, end))));
        self.end = start + clip.samples();
    }

    fn say(&mut self, at: u64, piece: &Piece) {
        match piece {
            Piece::Sound(ulaw) => self.end = self.end.max(at) + ulaw.len() as u64,
            Piece::Mark(serial, samples) => {
                self.marks.push((self.end.max(at) + self.lag, mark_name(*serial, *samples)));
            }
        }
    }

    /// Plays no more of it; the marks come back at once and prove nothing.
    fn clear(&mut self, at: u64) {
        self.end = at;
        for mark in &mut self.marks {
            mark.0 = at;
        }
    }

    fn due(&mut self, at: u64) -> Vec<String> {
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.marks).into_iter().partition(|it| it.0 <= at);
        self.marks = later;
        now.into_iter().map(|(_, name)| name).collect()
    }
}

/// The agent's voice: of each turn, from where to where it stands in our channel.
fn turns(recorded: &Recorded) -> Vec<(Arc<str>, usize, usize)> {
    let place = |ms: u64| usize::try_from(ms * SAMPLES_PER_MS).unwrap_or(usize::MAX).min(recorded.us.len());
    let log = &recorded.log;
    let mut turns = Vec::new();
    for (at, line) in log.iter().enumerate() {
        let What::AgentSpeaks { turn, .. } = &line.what else { continue };
        let ends = |it: &&Line| {
            matches!(it.what, What::AgentSpeaks { .. } | What::Clear | What::Play { .. } | What::End { .. })
        };
        let until = log[at + 1..].iter().find(ends).map_or(recorded.us.len(), |it| place(it.media_ms));
        let from = place(line.media_ms);
        let sounds = recorded.us[from..until.max(from)].iter().rposition(|it| *it != ULAW_SILENCE);
        turns.push((Arc::from(turn.as_str()), from, sounds.map_or(from, |last| from + last + 1)));
    }
    turns
}

struct Player<'a> {
    recorded: &'a Recorded,
    session: Session,
    carrier: Carrier,
    script: Arc<CallScript>,
    opened: Boot,
    log: Vec<Line>,
    /// Frames in which our voice could have been stopped.
    stoppable: Vec<bool>,
    /// What plays: name, and where it began.
    playing: Vec<(String, u64)>,
}

impl Player<'_> {
    fn now(&self) -> Boot {
        self.opened + Duration::from_millis(self.session.media_ms())
    }

    fn place(&self) -> u64 {
        self.session.media_ms() * SAMPLES_PER_MS
    }

    fn message(&mut self, event: media::Event<'_>) {
        self.event(Event::Message(Ok(Inbound { sequence: None, event })));
    }

    fn event(&mut self, event: Event<'_>) {
        let now = self.now();
        self.session.handle(now, event);
        while let Some(command) = self.session.poll() {
            let now = self.now();
            match command {
                Command::Claim(_) => self.session.handle(now, Event::Claimed(Some(Arc::clone(&self.script)))),
                Command::Judge(mut job) => {
                    job.judge();
                    self.session.handle(now, Event::Judged(job));
                }
                Command::OptOut => self.session.handle(now, Event::OptOutStored),
                Command::Transfer => self.session.handle(now, Event::Transferred(true)),
                Command::Play(serial, clip) => self.carrier.play(self.place(), serial, &clip),
                Command::Say(piece) => self.carrier.say(self.place(), &piece),
                Command::Clear => self.carrier.clear(self.place()),
                Command::Log(what) => self.note(what),
                // What the agent is told changes nothing: its part was recorded.
                Command::Agent(_)
                | Command::Understand(..)
                | Command::OwnVoice
                | Command::Promise
                | Command::Switch => {}
                Command::Record | Command::Sound(..) | Command::Close => {}
            }
        }
    }

    fn note(&mut self, what: What) {
        let media_ms = self.session.media_ms();
        match &what {
            What::Play { clip, .. } => self.playing.push((clip.clone(), media_ms)),
            What::AgentSpeaks { .. } => self.playing.push((AGENT.to_owned(), media_ms)),
            What::Heard { clip, .. } => {
                let at = self.playing.iter().position(|it| it.0 == *clip);
                at.map(|at| self.playing.remove(at));
            }
            _ => {}
        }
        self.log.push(Line { ms: media_ms, media_ms, what });
    }

    /// What the live call's world told it at a place of its log.
    fn told(&mut self, what: &What) {
        match what {
            What::Dtmf { key } => self.message(media::Event::Dtmf(*key)),
            What::Answerer { who } => self.event(Event::AnsweredBy(*who)),
            What::MachineSaid { text } => self.event(Event::Words(Some(text.clone()))),
            What::AgentReady => self.event(Event::Agent(FromAgent::Ready)),
            What::AgentStopped => self.event(Event::Agent(FromAgent::Interrupted)),
            What::AgentHangs => self.event(Event::Agent(FromAgent::Hangs)),
            What::Transfer { agent: true } => self.event(Event::Agent(FromAgent::Transfers)),
            What::AgentGone { why } => self.event(Event::Agent(FromAgent::Gone { why: why.clone() })),
            _ => {}
        }
    }

    /// The agent's voice, as much as was played in the frame that comes.
    fn agent(&mut self, turns: &[(Arc<str>, usize, usize)], at: usize) {
        for (turn, from, to) in turns {
            let (first, last) = ((*from).max(at), (*to).min(at + FRAME));
            if first < last {
                let quiet_before = self.recorded.us[*from..first].iter().rev().take_while(|it| **it == ULAW_SILENCE);
                let ulaw = &self.recorded.us[first..last];
                let quiet = ulaw.iter().all(|it| *it == ULAW_SILENCE);
                // One that has run dry sends nothing.
                if !quiet || quiet_before.count() < PAUSE {
                    self.event(Event::Agent(FromAgent::Sound { turn: Arc::clone(turn), ulaw: ulaw.to_vec() }));
                }
            }
            if (at..at + FRAME).contains(to) {
                self.event(Event::Agent(FromAgent::Whole { turn: Arc::clone(turn) }));
            }
        }
    }

    /// Whether speech over our voice would stop it now.
    fn could_stop(&self) -> bool {
        let protect = u64::try_from(self.script.barge_in.protect.as_millis()).unwrap_or(u64::MAX);
        let ms = self.session.media_ms();
        let ours = self.session.owner().can_be_stopped();
        ours && self.playing.first().is_some_and(|(_, from)| ms.saturating_sub(*from) >= protect)
    }

    fn run(&mut self) {
        use base64::Engine as _;
        let start =
            Start { stream: "replay".to_owned(), call: None, parameters: BTreeMap::new(), spelling: Spelling::Camel };
        self.message(media::Event::Start(start));
        let (recorded, turns) = (self.recorded, turns(self.recorded));
        let mut told = recorded.log.iter().peekable();
        for (nth, frame) in recorded.them.chunks(FRAME).enumerate() {
            let at = nth * FRAME;
            while let Some(line) = told.next_if(|line| line.media_ms * SAMPLES_PER_MS <= at as u64) {
                self.told(&line.what);
            }
            self.agent(&turns, at);
            self.stoppable.push(self.could_stop());
            let payload = base64::engine::general_purpose::STANDARD.encode(frame);
            self.message(media::Event::Media(media::Frame { timestamp: None, chunk: None, payload: payload.into() }));
            for name in self.carrier.due(self.place()) {
                self.message(media::Event::Mark(name.into()));
            }
            self.event(Event::Tick);
        }
        self.message(media::Event::Stop);
    }

    /// Utterances over our voice that left it going.
    fn missed(&self, said: &[Utterance], stops: &[Stop], least_ms: u64) -> Vec<(u64, u64)> {
        let over = |it: &Utterance| {
            let frame = |ms: u64| usize::try_from(ms / FRAME_MS).unwrap_or(usize::MAX).min(self.stoppable.len());
            let frames = &self.stoppable[frame(it.start_ms)..frame(it.end_ms.max(it.start_ms))];
            frames.iter().filter(|it| **it).count() as u64 * FRAME_MS >= least_ms.max(FRAME_MS)
        };
        let stopped =
            |it: &Utterance| stops.iter().any(|stop| stop.onset_ms <= it.end_ms && stop.clear_ms >= it.start_ms);
        said.iter().filter(|it| over(it) && !stopped(it)).map(|it| (it.start_ms, it.end_ms)).collect()
    }
}

fn same(a: &Stop, b: &Stop) -> bool {
    a.clear_ms.abs_diff(b.clear_ms) <= SAME_MS && a.onset_ms.abs_diff(b.onset_ms) <= SAME_MS
}

/// Replays a call. `Err`: why it cannot be.
pub fn replay(recorded: &Recorded, trial: &Trial) -> Result<Replayed, &'static str> {
    if let Some(why) = refusal(&recorded.log) {
        return Err(why);
    }
    let script = Arc::new(script(recorded, trial).ok_or("its log has no clip that was played")?);
    let opened = Boot(1_000_000);
    let mut player = Player {
        recorded,
        session: Session::new(opened),
        carrier: Carrier::of(&recorded.log),
        script,
        opened,
        log: Vec::new(),
        stoppable: Vec::new(),
        playing: Vec::new(),
    };
    player.run();
    let said = recorded.said.as_deref();
    let (replayed, live) = (stops(&player.log, said), stops(&recorded.log, said));
    let alone = |these: &[Stop], those: &[Stop]| {
        these.iter().find(|it| !those.iter().any(|other| same(it, other))).map(|it| it.clear_ms)
    };
    let differs_from_ms = [alone(&replayed, &live), alone(&live, &replayed)].into_iter().flatten().min();
    let least = u64::try_from(trial.barge_in.min_speech.as_millis()).unwrap_or(u64::MAX);
    let missed = said.map(|said| player.missed(said, &replayed, least));
    let cut = |line: &&Line| matches!(&line.what, What::Heard { heard_ms, total_ms, .. } if heard_ms < total_ms);
    let unknown_rests = recorded.log.iter().filter(cut).count();
    let held = player.log.iter().filter_map(|line| match line.what {
        What::Held { onset_ms, why } => Some((onset_ms, why)),
        _ => None,
    });
    let echo = player.log.iter().find_map(|line| match line.what {
        What::Echo { delay_ms, loss_db } => Some((delay_ms, loss_db)),
        _ => None,
    });
    let (file, held) = (recorded.name.clone(), held.collect());
    Ok(Replayed { file, stops: replayed, live, differs_from_ms, missed, held, echo, unknown_rests })
}

/// Figures of these calls.
pub fn figures(calls: &[Replayed]) -> Figures {
    let all = || calls.iter().flat_map(|it| &it.stops);
    let live = || calls.iter().flat_map(|it| &it.live);
    let delay = |it: &Stop| it.clear_ms.saturating_sub(it.onset_ms);
    let twins = |it: &Replayed| it.stops.iter().filter(|stop| it.live.iter().any(|other| same(stop, other))).count();
    let held = |why: Why| calls.iter().flat_map(|it| &it.held).filter(|it| it.1 == why).count();
    let labelled = calls.iter().any(|it| it.missed.is_some());
    Figures {
        calls: calls.len(),
        stops: all().count(),
        live_stops: live().count(),
        same: calls.iter().map(twins).sum(),
        delay_ms: Quantiles::of(all().map(delay)),
        live_delay_ms: Quantiles::of(live().map(delay)),
        heard_percent: Quantiles::of(all().filter(|it| it.total_ms > 0).map(|it| 100 * it.heard_ms / it.total_ms)),
        false_stops: labelled.then(|| all().filter(|it| it.falsely == Some(true)).count()),
        missed_stops: labelled.then(|| calls.iter().filter_map(|it| it.missed.as_ref()).map(Vec::len).sum()),
        held_echo: held(Why::Echo),
        held_back_channel: held(Why::BackChannel),
        held_faint: held(Why::Faint),
    }
}
