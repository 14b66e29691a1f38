//! Performs what one stream's machine decides: reads and writes its socket, carries chunks to the voice network,
//! opt-outs to the desk, lines and sound to the recorder.

mod asks;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{Instrument, Span};

use self::asks::{agents_word, answer_of, carriers_word, store_opt_out};
use super::gateway::{CallSummary, CarrierWord, Expected, Judging, Shared};
use crate::base::doors;
use crate::base::{Boot, Language, Money, Sid, Wall, limits};
use crate::core::agent::{FromAgent, ToAgent};
use crate::core::call::ear::Job;
use crate::core::call::playout::{Piece, mark_name};
use crate::core::call::{Command, EndCause, Event, Line, PreparedClip, Session, What};
use crate::core::cost::{Usage, table};
use crate::core::wire::media::{self, MediaFault, Start, Writer};
use crate::core::wire::token;
use crate::edge::gateway::{MediaDoor, Outgoing, Turn};
use crate::run::agent::AgentLine;
use crate::store::calllog;

/// Messages written before the other streams get their turn.
const WRITES_A_TURN: usize = 2;
/// How often the machine's timeouts are looked at; they are seconds.
const TICK: Duration = Duration::from_millis(500);
/// How long a closing socket is drained: closing with unread sound would reset the connection and lose our `close`.
const DRAIN: Duration = Duration::from_secs(2);

enum Out {
    Sound(Arc<PreparedClip>, usize),
    /// A piece of the agent's voice: the tail of its message.
    Voice(String),
    Mark(u32, u64),
    Clear,
    Close,
}

/// What waits to be sent.
#[derive(Default)]
struct Outbox {
    writer: Option<Writer>,
    waiting: VecDeque<Out>,
}

impl Outbox {
    fn play(&mut self, serial: u32, clip: &Arc<PreparedClip>) {
        for (at, piece) in clip.pieces.iter().enumerate() {
            self.waiting.push_back(Out::Sound(clip.clone(), at));
            if piece.mark {
                self.waiting.push_back(Out::Mark(serial, piece.end as u64));
            }
        }
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.waiting.push_back(Out::Clear);
    }

    fn next(&mut self) -> Option<Outgoing> {
        let out = self.waiting.pop_front()?;
        // Nothing but `close` is queued before `start` named the stream.
        let writer = self.writer.as_ref();
        match (out, writer) {
            (Out::Sound(clip, at), Some(writer)) => Some(Outgoing::Text(writer.media(&clip.pieces[at].tail))),
            (Out::Voice(tail), Some(writer)) => Some(Outgoing::Text(writer.media(&tail))),
            (Out::Mark(serial, end), Some(writer)) => Some(Outgoing::Text(writer.mark(&mark_name(serial, end)))),
            (Out::Clear, Some(writer)) => Some(Outgoing::Text(writer.clear())),
            (Out::Close, _) | (_, None) => Some(Outgoing::Close),
        }
    }
}

/// The call that a stream belongs to, once its token was accepted.
struct Bound {
    expected: Expected,
    sid: Option<Sid>,
    zero: Boot,
    answered: bool,
    started: Boot,
    stream_at: Option<Wall>,
    folder: PathBuf,
    log_open: bool,
    log_lost: u64,
    first_audio: Option<(u64, u64)>,
}

struct Stream<'a> {
    shared: &'a Arc<Shared>,
    socket: Box<dyn MediaDoor>,
    session: Session,
    outbox: Outbox,
    /// The token in its address, where there is one.
    token: Option<String>,
    bound: Option<Bound>,
    judged: mpsc::Sender<Box<Job>>,
    opt_out: Option<oneshot::Receiver<()>>,
    /// Whether the carrier takes a transfer, until it is known.
    transfer: Option<oneshot::Receiver<bool>>,
    /// Whether the caller will be called back, until it is known.
    promise: Option<oneshot::Receiver<bool>>,
    /// A machine's first words and what it costs to put them down, until they are there.
    words: Option<oneshot::Receiver<Option<(String, Money)>>>,
    /// The carrier's word about who answered, until it has come.
    word: Option<Arc<CarrierWord>>,
    agent: Option<AgentLine>,
    /// The line to a session that waits to take the agent's place, until it comes; and when it has come.
    coming: Option<oneshot::Receiver<AgentLine>>,
    next: Option<AgentLine>,
    /// Kind and model of the agent, as the table of prices knows them.
    priced: Option<(&'static str, String)>,
    /// What it used up cost, and whoever put a machine's words down.
    agent_cost: Option<Money>,
    /// From the stream's `start` to its first sound: nothing in it waits for anything else (law 8).
    way: Option<Span>,
    /// Pieces of sound that the agent had no room for.
    unheard: u64,
    closing: bool,
    last_write: Boot,
}

/// Runs one media socket from its upgrade to the end of its log.
pub(super) async fn serve(shared: &Arc<Shared>, socket: Box<dyn MediaDoor>, token: Option<String>) {
    let (judged, mut verdicts) = mpsc::channel(1);
    let now = shared.clock.boot();
    let mut stream = Stream {
        shared,
        socket,
        session: Session::new(now),
        outbox: Outbox::default(),
        token,
        bound: None,
        judged,
        opt_out: None,
        transfer: None,
        promise: None,
        words: None,
        word: None,
        agent: None,
        coming: None,
        next: None,
        priced: None,
        agent_cost: None,
        way: None,
        unheard: 0,
        closing: false,
        last_write: now,
    };
    stream.run(&mut verdicts).await;
    stream.finish().await;
}

impl Stream<'_> {
    async fn run(&mut self, verdicts: &mut mpsc::Receiver<Box<Job>>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.closing {
            let reading = !self.session.wants_a_pause(self.shared.clock.boot());
            let outbox = &mut self.outbox;
            let mut more = || outbox.next();
            tokio::select! {
                biased;
                Some(job) = verdicts.recv() => {
                    let now = self.shared.clock.boot();
                    self.session.handle(now, Event::Judged(job));
                }
                turn = self.socket.turn(&mut more, WRITES_A_TURN), if reading => self.take(turn).await,
                stored = answer_of(&mut self.opt_out) => {
                    self.opt_out = None;
                    // A sender that is gone gave up: the machine's own timeout ends the call.
                    if stored.is_some() {
                        self.session.handle(self.shared.clock.boot(), Event::OptOutStored);
                    }
                }
                taken = answer_of(&mut self.transfer) => {
                    self.transfer = None;
                    self.session.handle(self.shared.clock.boot(), Event::Transferred(taken.unwrap_or(false)));
                }
                kept = answer_of(&mut self.promise) => {
                    self.promise = None;
                    self.session.handle(self.shared.clock.boot(), Event::Promised(kept.unwrap_or(false)));
                }
                understood = answer_of(&mut self.words) => {
                    self.words = None;
                    let text = understood.flatten().map(|(text, cost)| {
                        self.agent_cost = Some(self.agent_cost.unwrap_or_default() + cost);
                        text
                    });
                    self.session.handle(self.shared.clock.boot(), Event::Words(text));
                }
                told = agents_word(&mut self.agent), if !self.session.agent_is_ahead() => {
                    if let FromAgent::Gone { .. } = told {
                        self.agent = None;
                    }
                    self.session.handle(self.shared.clock.boot(), Event::Agent(told));
                }
                line = answer_of(&mut self.coming) => (self.coming, self.next) = (None, line),
                told = agents_word(&mut self.next) => {
                    if let FromAgent::Gone { .. } = told {
                        self.next = None;
                    }
                    self.session.handle(self.shared.clock.boot(), Event::NextAgent(told));
                }
                who = carriers_word(&self.word) => {
                    self.word = None;
                    self.session.handle(self.shared.clock.boot(), Event::AnsweredBy(who));
                }
                _ = ticks.tick() => self.tick(),
            }
            self.perform().await;
        }
    }

    async fn take(&mut self, turn: Turn) {
        let now = self.shared.clock.boot();
        match turn {
            Turn::Text(text) => {
                let message = media::parse(&text);
                if let (Ok(message), None) = (&message, &self.bound)
                    && matches!(message.event, media::Event::Start(_))
                {
                    self.way = Some(tracing::trace_span!(target: doors::TARGET, "first_audio"));
                }
                self.session.handle(now, Event::Message(message));
            }
            Turn::NotText => self.session.handle(now, Event::Message(Err(MediaFault::Malformed))),
            Turn::Wrote => {
                self.last_write = now;
                if !self.outbox.waiting.is_empty() {
                    // A long greeting goes out in portions: another stream's first sound comes before our second.
                    tokio::task::yield_now().await;
                }
            }
            Turn::Closed | Turn::Broken => self.session.handle(now, Event::Ended(EndCause::Lost)),
        }
    }

    fn tick(&mut self) {
        let now = self.shared.clock.boot();
        if self.outbox.waiting.is_empty() {
            self.last_write = now;
        }
        if now >= self.last_write + limits::STREAM_STALL {
            self.session.handle(now, Event::Ended(EndCause::Stalled));
        }
        if self.shared.stopping.load(Ordering::Acquire) {
            self.session.handle(now, Event::Ended(EndCause::Stopped));
        }
        if self.session.next_timeout().is_some_and(|due| now >= due) {
            self.session.handle(now, Event::Tick);
        }
    }

    async fn perform(&mut self) {
        while let Some(command) = self.session.poll() {
            match self.way.clone() {
                Some(way) => self.obey(command).instrument(way).await,
                None => self.obey(command).await,
            }
        }
        // Whoever is refused hears nothing.
        self.way = None;
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Claim(start) => self.claim(&start),
            Command::Play(serial, clip) => {
                self.outbox.play(serial, &clip);
                self.first_audio().await;
            }
            Command::Say(piece) => {
                self.outbox.waiting.push_back(match piece {
                    Piece::Sound(ulaw) => Out::Voice(media::media_tail(&ulaw)),
                    Piece::Mark(serial, samples) => Out::Mark(serial, samples),
                });
                self.write(WRITES_A_TURN).await;
            }
            Command::Agent(what) => self.tell_agent(what),
            Command::Clear => {
                self.outbox.clear();
                self.write(1).await;
            }
            Command::Judge(job) => {
                let judging = Judging { job, back: self.judged.clone() };
                if let Err(refused) = self.shared.judge.try_send(judging) {
                    // One chunk per stream is out at most, so the queue has room unless the gateway is stopping.
                    let judging = refused.into_inner();
                    self.session.handle(self.shared.clock.boot(), Event::Judged(judging.job));
                }
            }
            Command::OptOut => self.store_opt_out(),
            Command::OwnVoice => {
                if let Some(bound) = &self.bound {
                    self.shared.desk.own_voice(bound.expected.attempt);
                }
            }
            Command::Transfer => self.transfer(),
            Command::Promise => self.promise(),
            Command::Switch => self.agent = self.next.take(),
            Command::Understand(language, ulaw) => self.understand(language, ulaw),
            Command::Record => {
                if let Some(bound) = &self.bound
                    && let Some(sid) = bound.sid.clone()
                {
                    self.shared.desk.record(bound.expected.attempt, sid);
                }
            }
            Command::Log(what) => self.log(what),
            Command::Sound(them, us) => {
                self.open_log();
                if let Some(bound) = &mut self.bound
                    && !self.shared.recorder.sound(bound.expected.call, them, us)
                {
                    bound.log_lost += 1;
                }
            }
            Command::Close => {
                self.outbox.waiting.retain(|out| matches!(out, Out::Clear));
                self.outbox.waiting.push_back(Out::Close);
                self.closing = true;
            }
        }
    }

    fn tell_agent(&mut self, what: ToAgent) {
        // One that is gone has said so, or will.
        let Some(agent) = &self.agent else { return };
        if let Err(TrySendError::Full(_)) = agent.to.try_send(what) {
            self.unheard += 1;
            if self.unheard == 1 || self.unheard.is_multiple_of(100) {
                self.log(What::AgentDeaf { pieces: self.unheard });
            }
        }
    }

    fn claim(&mut self, start: &Start) {
        let now = self.shared.clock.boot();
        // A carrier may not give parameters back; where it does and they differ, it is no stream of ours.
        let given = start.parameters.get("token").map(String::as_str);
        let token = match (given, self.token.as_deref()) {
            (Some(given), Some(own)) if given != own => "",
            (given, own) => given.or(own).unwrap_or(""),
        };
        let claimed = token::verify(&self.shared.token_key, token)
            .and_then(|attempt| self.shared.registry.claim(attempt, token, now));
        let Some((expected, zero, answered)) = claimed else {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return self.session.handle(now, Event::Claimed(None));
        };
        let script = expected.script.clone();
        self.outbox.writer = Some(Writer::of(start));
        self.bound = Some(Bound {
            expected,
            sid: start.call.as_deref().and_then(|sid| sid.parse().ok()),
            zero,
            answered: answered.is_some(),
            started: now,
            stream_at: None,
            folder: PathBuf::new(),
            log_open: false,
            log_lost: 0,
            first_audio: None,
        });
        self.session.handle(now, Event::Claimed(Some(script)));
    }

    /// Writes the first sound of the stream at once; everything else about the call comes after it.
    async fn first_audio(&mut self) {
        if self.bound.as_ref().is_none_or(|bound| bound.first_audio.is_some()) {
            return;
        }
        let wrote = self.write(1).await;
        let now = self.shared.clock.boot();
        let media_ms = self.session.media_ms();
        let Some(bound) = &mut self.bound else { return };
        self.way = None;
        if wrote > 0 {
            let us = u64::try_from(now.since(bound.started).as_micros()).unwrap_or(u64::MAX);
            bound.first_audio = Some((us, media_ms));
        }
        self.word = self.shared.registry.word_of(bound.expected.attempt);
        self.agent = self.shared.registry.take_agent(bound.expected.attempt);
        self.priced = self.agent.as_mut().and_then(|agent| agent.priced.take());
        self.coming = self.agent.as_mut().and_then(|agent| agent.next.take());
        self.shared.desk.stream_started(bound.expected.attempt, bound.sid.clone());
    }

    async fn write(&mut self, most: usize) -> usize {
        let outbox = &mut self.outbox;
        // A broken connection shows itself in the next turn.
        let wrote = self.socket.write_some(&mut || outbox.next(), most).await.unwrap_or(0);
        if wrote > 0 {
            self.last_write = self.shared.clock.boot();
        }
        wrote
    }

    fn store_opt_out(&mut self) {
        let Some(bound) = &self.bound else { return };
        let (stored, waiting) = oneshot::channel();
        self.opt_out = Some(waiting);
        let (shared, attempt) = (self.shared.clone(), bound.expected.attempt);
        // A task of its own: it goes on when the callee hangs up.
        tokio::spawn(async move {
            if store_opt_out(&shared, attempt).await {
                let _the_stream_may_have_ended = stored.send(());
            }
        });
    }

    fn transfer(&mut self) {
        let (told, waiting) = oneshot::channel();
        self.transfer = Some(waiting);
        let Some(bound) = &self.bound else { return };
        // Without the carrier's id nothing can be asked: the sender that is dropped says no.
        let Some(sid) = bound.sid.clone() else { return };
        let (shared, attempt) = (self.shared.clone(), bound.expected.attempt);
        tokio::spawn(async move {
            let taken = timeout(limits::TRANSFER_WAIT, shared.desk.transfer(attempt, sid)).await.unwrap_or(false);
            let _the_stream_may_have_ended = told.send(taken);
        });
    }

    fn promise(&mut self) {
        let (told, waiting) = oneshot::channel();
        self.promise = Some(waiting);
        let Some(bound) = &self.bound else { return };
        let (shared, attempt) = (self.shared.clone(), bound.expected.attempt);
        // A task of its own: who hangs up after the key has asked for it all the same.
        tokio::spawn(async move {
            let kept = shared.desk.promise(attempt).await;
            let _the_stream_may_have_ended = told.send(kept);
        });
    }

    fn understand(&mut self, language: Language, ulaw: Vec<u8>) {
        let (told, waiting) = oneshot::channel();
        self.words = Some(waiting);
        let Some(bound) = &self.bound else { return };
        let (shared, attempt) = (self.shared.clone(), bound.expected.attempt);
        tokio::spawn(async move {
            let asked = timeout(limits::WORDS_WAIT, shared.desk.understand(attempt, language, ulaw)).await;
            let _the_stream_may_have_ended = told.send(asked.unwrap_or_default());
        });
    }

    fn open_log(&mut self) {
        let Some(bound) = self.bound.as_mut().filter(|bound| !bound.log_open) else { return };
        bound.log_open = true;
        let wall = self.shared.clock.wall();
        bound.stream_at = Some(wall - self.shared.clock.boot().since(bound.started));
        bound.folder = calllog::folder(&self.shared.calls_dir, bound.expected.call, wall);
        self.shared.recorder.open(bound.expected.call, bound.folder.clone());
        let sid = bound.sid.as_ref().map(|sid| sid.as_str().to_owned());
        let first = bound.first_audio.map(|(us, _)| What::FirstAudio { us });
        let answered = bound.answered.then_some((What::Answered, bound.zero));
        let started = Some((What::Start { sid, wall: wall.rfc3339() }, bound.started));
        let first = first.map(|what| (what, bound.started));
        for (what, at) in [answered, started, first].into_iter().flatten() {
            self.line(what, at);
        }
    }

    fn log(&mut self, what: What) {
        self.open_log();
        self.line(what, self.shared.clock.boot());
    }

    fn line(&mut self, what: What, at: Boot) {
        let media_ms = self.session.media_ms();
        let Some(bound) = &mut self.bound else { return };
        let ms = u64::try_from(at.since(bound.zero).as_millis()).unwrap_or(u64::MAX);
        let (call, recorder) = (bound.expected.call, &self.shared.recorder);
        if bound.log_lost > 0
            && recorder.event(call, Line { ms, media_ms, what: What::LogLost { parts: bound.log_lost } })
        {
            bound.log_lost = 0;
        }
        if !recorder.event(call, Line { ms, media_ms, what }) {
            bound.log_lost += 1;
        }
    }

    /// Ends a call that we have finished at the carrier, before the socket closes: a socket that we close sends the
    /// carrier on to the verb after the stream, which is the apology for a call that broke.
    async fn hang_up(&mut self) {
        let Some(bound) = &self.bound else { return };
        let Some(sid) = bound.sid.clone() else { return };
        match self.session.notes().cause {
            Some(EndCause::Finished | EndCause::OptedOut | EndCause::Machine | EndCause::MaxCall) => {}
            Some(EndCause::NoAgent) => {}
            // It goes on at the carrier.
            Some(EndCause::Transferred) => return,
            Some(
                EndCause::HungUp
                | EndCause::Lost
                | EndCause::Refused
                | EndCause::BadMessages
                | EndCause::NeverStarted
                | EndCause::Idle
                | EndCause::Stalled
                | EndCause::Stopped,
            )
            | None => return,
        }
        let asked = timeout(limits::HANG_UP_WAIT, self.shared.desk.hang_up(bound.expected.attempt, sid)).await;
        if asked.is_err() {
            tracing::warn!(attempt = %bound.expected.attempt, "the carrier did not confirm the hang-up in time");
        }
    }

    /// What the agent used up, with its price of today.
    fn bill_agent(&mut self) {
        let Some((kind, model)) = self.priced.take() else { return };
        let notes = self.session.notes();
        if !notes.handed_over {
            return;
        }
        // Who bills by the minute bills the whole stream.
        let usage = Usage { audio_ms: notes.media_ms, ..notes.usage };
        let usage = table().bill(kind, &model, usage, self.shared.clock.wall());
        self.agent_cost = Some(self.agent_cost.unwrap_or_default() + usage.cost);
        self.log(What::AgentCost { model, usage });
    }

    /// Closes the socket politely, waits for the opt-out and the log, and tells the desk.
    async fn finish(mut self) {
        self.bill_agent();
        // Its session ends with the call, not with the call's log.
        (self.agent, self.coming, self.next) = (None, None, None);
        self.hang_up().await;
        let outbox = &mut self.outbox;
        let socket = &mut self.socket;
        let drained = timeout(DRAIN, async {
            let mut more = || outbox.next();
            while !matches!(socket.turn(&mut more, WRITES_A_TURN).await, Turn::Closed | Turn::Broken) {}
        });
        let _a_carrier_that_does_not_close_is_cut_off = drained.await;
        drop(self.socket);
        if let Some(stored) = self.opt_out {
            // The wish outlives the call; the summary repeats it if it is not stored by now.
            let _stored_or_given_up = timeout(limits::OPT_OUT_WAIT, stored).await;
        }
        let Some(bound) = self.bound else { return };
        let (closed, on_disk) = oneshot::channel();
        let tell = move || {
            let _nobody_may_be_waiting = closed.send(());
        };
        self.shared.recorder.close(bound.expected.call, Box::new(tell));
        if timeout(Duration::from_secs(5), on_disk).await.is_err() {
            tracing::warn!(call = %bound.expected.call, "the call log is not on the disk yet");
        }
        self.shared.registry.ended(bound.expected.attempt);
        let summary = CallSummary {
            attempt: bound.expected.attempt,
            call: bound.expected.call,
            sid: bound.sid,
            stream_at: bound.stream_at,
            first_audio_us: bound.first_audio.map(|(us, _)| us),
            first_audio_media_ms: bound.first_audio.map(|(_, media_ms)| media_ms),
            notes: self.session.notes(),
            folder: bound.folder,
            agent_cost: self.agent_cost,
        };
        self.shared.desk.ended(summary).await;
    }
}
