//! The world around the ledger: dialing processes, the carrier, and what is on the way between them. Calls are queued, then
//! answered or not, then over: the other statuses add no move that these do not have.

use std::time::Duration;

use ahoy::base::{Wall, limits};
use ahoy::core::dial::CallStatus;
use ahoy::core::dial::attempt::{Input, Source, State};
use ahoy::core::dial::sweep::{self, Ask};

use super::ledger::{LeadAt, Ledger, OLD, TICK};

/// The horizon that a campaign has by default.
pub const HORIZON: Duration = Duration::from_secs(300);
/// An order that was written is processed within so many ticks, or never.
const PROCESSED_WITHIN: u8 = 2;
/// How far the wall clock jumps.
const DAY: Duration = Duration::from_secs(86_400);
const RING_TIMEOUT: Duration = Duration::from_secs(30);

/// A protection taken away, or a carrier outside its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broken {
    /// The design as it is.
    Nothing,
    /// The send deadline is not looked at before the request leaves.
    NoFence,
    /// One listing, made at once, releases.
    NoHorizon,
    /// An attempt whose process is gone is released by time, as a lease would.
    RescueByTime,
    /// The claim is not durable before the request leaves.
    NoDurableIntent,
    /// The carrier's list lags more than the horizon.
    ListLag,
    /// Something between us and the carrier repeats a request.
    RepeatingProxy,
    /// Leads are claimed by a wall clock that is known to be wrong.
    ClockUnwatched,
}

/// The bounds of one check.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Phone of each lead.
    pub phones: Vec<u8>,
    pub tries: u8,
    pub attempts: usize,
    pub crashes: u8,
    pub freezes: u8,
    pub clock_jumps: u8,
    pub lists_lost: u8,
    /// A second process may start beside a frozen one (a paused machine, a copied disk): the lock does not help.
    pub lock_broken: bool,
    pub broken: Broken,
    /// What the check must have met.
    pub sees: &'static [super::Sight],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    Placed(u8),
    Throttled,
}

/// Where the task of one attempt stands, in its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Claimed so many ticks ago by the boot clock; before the fence.
    Claimed(u8),
    /// Past the fence, before the first byte.
    Sending,
    /// The request is written; the answer may have come.
    Waiting(Option<Reply>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    Off,
    On,
    /// Stopped between two instructions: SIGSTOP, a paused machine, a laptop asleep.
    Frozen,
}

/// What a process remembers about asking for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    pub attempt: u8,
    pub known_for: u8,
    pub last: Option<u8>,
}

/// A list that was read and not acted on yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listing {
    pub attempt: u8,
    pub may_release: bool,
    pub calls: Vec<(u8, CallStatus)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pub mode: Mode,
    pub name: u8,
    pub tasks: Vec<(u8, Stage)>,
    pub asked: Vec<Asked>,
    pub listing: Option<Listing>,
}

impl Process {
    fn off() -> Process {
        Process { mode: Mode::Off, name: 0, tasks: Vec::new(), asked: Vec::new(), listing: None }
    }
}

/// A call at the carrier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub attempt: u8,
    pub age: u8,
    pub status: CallStatus,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Post {
    pub attempt: u8,
    pub age: u8,
    pub copy: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub ledger: Ledger,
    pub processes: [Process; 2],
    pub posts: Vec<Post>,
    pub calls: Vec<Call>,
    /// Requests to end a call, on their way.
    pub ends: Vec<u8>,
    /// The wall clock is a day ahead of true time.
    pub ahead: bool,
    pub started: u8,
    pub crashes: u8,
    pub freezes: u8,
    pub clock_jumps: u8,
    pub lists_lost: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Claim { process: usize, lead: u8 },
    Fence { process: usize, attempt: u8 },
    Write { process: usize, attempt: u8 },
    NoConnection { process: usize, attempt: u8 },
    Answer { process: usize, attempt: u8 },
    GiveUp { process: usize, attempt: u8 },
    Accept { post: usize },
    Throttle { post: usize },
    LosePost { post: usize },
    CallProgress { call: u8, to: CallStatus },
    Callback { process: usize, call: u8, status: CallStatus },
    List { process: usize, attempt: u8, lags: bool },
    ListLost { process: usize, attempt: u8 },
    ListRead { process: usize },
    Fetch { process: usize, attempt: u8 },
    Orphan { process: usize, attempt: u8 },
    EndCall { end: usize },
    LoseEnd { end: usize },
    Crash { process: usize },
    Start { process: usize },
    Freeze { process: usize },
    Thaw { process: usize },
    ClockJump,
    Tick,
}

impl World {
    pub fn new(bounds: &Bounds) -> World {
        let mut world = World {
            ledger: Ledger::new(&bounds.phones),
            processes: [Process::off(), Process::off()],
            posts: Vec::new(),
            calls: Vec::new(),
            ends: Vec::new(),
            ahead: false,
            started: 0,
            crashes: bounds.crashes,
            freezes: bounds.freezes,
            clock_jumps: bounds.clock_jumps,
            lists_lost: bounds.lists_lost,
        };
        world.start(0);
        world
    }

    pub fn actions(&self, bounds: &Bounds, actions: &mut Vec<Action>) {
        for (process, one) in self.processes.iter().enumerate() {
            match one.mode {
                Mode::Off => {
                    let beside = self.processes.iter().any(|other| other.mode == Mode::Frozen);
                    let alone = self.processes.iter().all(|other| other.mode == Mode::Off);
                    if (alone && process == 0) || (beside && bounds.lock_broken && self.started < 2) {
                        actions.push(Action::Start { process });
                    }
                }
                Mode::Frozen => actions.push(Action::Thaw { process }),
                Mode::On => self.of_process(process, bounds, actions),
            }
        }
        for post in 0..self.posts.len() {
            actions.extend([Action::Accept { post }, Action::Throttle { post }, Action::LosePost { post }]);
        }
        for (call, one) in (0..).zip(&self.calls) {
            let next: &[CallStatus] = match one.status {
                CallStatus::Queued => &[CallStatus::InProgress, CallStatus::NoAnswer],
                CallStatus::InProgress => &[CallStatus::Completed],
                CallStatus::Initiated
                | CallStatus::Ringing
                | CallStatus::Completed
                | CallStatus::Busy
                | CallStatus::NoAnswer
                | CallStatus::Failed
                | CallStatus::Canceled => &[],
            };
            actions.extend(next.iter().map(|to| Action::CallProgress { call, to: *to }));
        }
        for end in 0..self.ends.len() {
            actions.extend([Action::EndCall { end }, Action::LoseEnd { end }]);
        }
        if self.clock_jumps > 0 && self.ledger.attempts.iter().any(|attempt| attempt.is_open()) {
            actions.push(Action::ClockJump);
        }
        if self.time_may_pass(bounds) {
            actions.push(Action::Tick);
        }
    }

    fn of_process(&self, process: usize, bounds: &Bounds, actions: &mut Vec<Action>) {
        let one = &self.processes[process];
        if self.may_claim(bounds) {
            let leads = 0..u8::try_from(self.ledger.leads.len()).expect("few");
            let free = leads.filter(|lead| self.ledger.may_claim(*lead, bounds.tries));
            actions.extend(free.map(|lead| Action::Claim { process, lead }));
        }
        for &(attempt, stage) in &one.tasks {
            match stage {
                Stage::Claimed(_) => actions.push(Action::Fence { process, attempt }),
                Stage::Sending => {
                    actions.extend([Action::Write { process, attempt }, Action::NoConnection { process, attempt }]);
                }
                Stage::Waiting(reply) => {
                    actions.extend(reply.map(|_| Action::Answer { process, attempt }));
                    actions.push(Action::GiveUp { process, attempt });
                }
            }
        }
        for (call, other) in (0..).zip(&self.calls) {
            actions.extend(other.said().map(|status| Action::Callback { process, call, status }));
        }
        if one.listing.is_some() {
            actions.push(Action::ListRead { process });
        } else {
            for attempt in self.asked_about() {
                match self.ask(process, attempt, bounds) {
                    Ask::At(_) => {}
                    Ask::Orphaned => actions.push(Action::Orphan { process, attempt }),
                    Ask::Fetch => actions.push(Action::Fetch { process, attempt }),
                    Ask::List { .. } => {
                        let lags = [false, true].map(|lags| Action::List { process, attempt, lags });
                        actions.extend(lags);
                        if self.lists_lost > 0 {
                            actions.push(Action::ListLost { process, attempt });
                        }
                    }
                }
            }
        }
        if self.crashes > 0 {
            actions.push(Action::Crash { process });
        }
        // Between the fence and the first byte, the lock is all that there is.
        let fenced = one.tasks.iter().any(|(_, stage)| *stage == Stage::Sending);
        if self.freezes > 0 && !one.tasks.is_empty() && !(bounds.lock_broken && fenced) {
            actions.push(Action::Freeze { process });
        }
    }

    /// Nobody is claimed by a clock that jumped: the carrier's list is asked by time.
    fn may_claim(&self, bounds: &Bounds) -> bool {
        let clock_is_right = !self.ahead || bounds.broken == Broken::ClockUnwatched;
        self.ledger.attempts.len() < bounds.attempts && clock_is_right
    }

    /// A process that runs does what is due within a tick; only a stopped one is late.
    fn time_may_pass(&self, bounds: &Bounds) -> bool {
        let at_work = |process: usize| {
            let one = &self.processes[process];
            let asks = || self.asked_about().any(|attempt| !matches!(self.ask(process, attempt, bounds), Ask::At(_)));
            one.mode == Mode::On && (!one.tasks.is_empty() || one.listing.is_some() || asks())
        };
        let waits = |at: LeadAt| self.may_claim(bounds) && matches!(at, LeadAt::Ready(due) if due > 0);
        let pending = !self.posts.is_empty()
            || self.asked_about().next().is_some()
            || self.processes.iter().any(|one| one.mode == Mode::Frozen)
            || self.ledger.leads.iter().any(|lead| waits(lead.at));
        pending && !at_work(0) && !at_work(1)
    }

    /// Attempts that the sweep looks at: open ones, and zombies that have not ended.
    fn asked_about(&self) -> impl Iterator<Item = u8> + '_ {
        let rows = (0..).zip(&self.ledger.attempts);
        rows.filter(|(_, row)| row.is_open() || (row.state == State::Zombie && row.end.is_none())).map(|(n, _)| n)
    }

    /// The real question, asked of `core::dial::sweep`.
    fn ask(&self, process: usize, attempt: u8, bounds: &Bounds) -> Ask {
        let row = &self.ledger.attempts[usize::from(attempt)];
        let one = &self.processes[process];
        let Some(asked) = one.asked.iter().find(|asked| asked.attempt == attempt) else {
            panic!("looked at when it was claimed, or at the start")
        };
        let now = Wall(1_000_000_000);
        // A clock that jumped makes everything that was written down before look old.
        let wall_age = |age: u8| if self.ahead && !row.ahead { OLD } else { age };
        let intent_at = now - TICK * u32::from(wall_age(row.age));
        let standing = match row.state {
            State::Intent => sweep::Standing::Intent,
            State::Unknown => sweep::Standing::Unknown,
            State::Placed | State::Ringing | State::Answered | State::Bridged => sweep::Standing::Placed,
            State::Ended | State::Rejected | State::NotPlaced | State::Zombie => sweep::Standing::Placed,
        };
        let open = sweep::Open {
            intent_at,
            send_by: intent_at + limits::SEND_WINDOW,
            release_after: intent_at + HORIZON,
            in_hand: row.owner == one.name,
            in_flight: one.tasks.iter().any(|(of, _)| *of == attempt),
            standing,
            ring_timeout: RING_TIMEOUT,
            last_asked: asked.last.map(|age| now - TICK * u32::from(age)),
            known_for: TICK * u32::from(asked.known_for),
        };
        match sweep::next(&open, now) {
            Ask::List { .. } if bounds.broken == Broken::NoHorizon => Ask::List { may_release: true },
            ask => ask,
        }
    }

    fn start(&mut self, process: usize) {
        self.started += 1;
        self.processes[process] = Process { mode: Mode::On, name: self.started, ..Process::off() };
        self.look();
    }

    /// Every process that runs notices new open attempts (each half second), and forgets closed ones.
    fn look(&mut self) {
        let open: Vec<u8> = self.asked_about().collect();
        for one in self.processes.iter_mut().filter(|one| one.mode == Mode::On) {
            one.asked.retain(|asked| open.contains(&asked.attempt));
            for attempt in &open {
                if !one.asked.iter().any(|asked| asked.attempt == *attempt) {
                    one.asked.push(Asked { attempt: *attempt, known_for: 0, last: None });
                }
            }
            one.asked.sort_unstable_by_key(|asked| asked.attempt);
        }
    }
}

impl Call {
    pub fn is_live(&self) -> bool {
        !self.status.is_terminal()
    }

    /// Every status that it has had: any of them may be told at any time, again and again, in any order.
    fn said(&self) -> impl Iterator<Item = CallStatus> + use<> {
        let answered = matches!(self.status, CallStatus::InProgress | CallStatus::Completed);
        let over = self.status.is_terminal().then_some(self.status);
        [Some(CallStatus::Queued), answered.then_some(CallStatus::InProgress), over].into_iter().flatten()
    }
}

/// Moves of the world.
impl World {
    pub fn next(&self, bounds: &Bounds, action: Action) -> World {
        let mut world = self.clone();
        world.act(bounds, action);
        world.look();
        world
    }

    fn act(&mut self, bounds: &Bounds, action: Action) {
        let tries = bounds.tries;
        match action {
            Action::Claim { process, lead } => {
                let one = &mut self.processes[process];
                let attempt = self.ledger.claim(lead, one.name, self.ahead);
                one.tasks.push((attempt, Stage::Claimed(0)));
            }
            Action::Fence { process, attempt } => {
                let task = self.task(process, attempt);
                let Stage::Claimed(age) = *task else { panic!("only a claimed attempt is fenced") };
                let open = TICK * u32::from(age) < limits::SEND_WINDOW || bounds.broken == Broken::NoFence;
                if open {
                    *task = Stage::Sending;
                } else {
                    self.done(process, attempt, Some(Input::FenceFailed), tries);
                }
            }
            Action::Write { process, attempt } => {
                *self.task(process, attempt) = Stage::Waiting(None);
                self.posts.push(Post { attempt, age: 0, copy: false });
            }
            Action::NoConnection { process, attempt } => self.done(process, attempt, Some(Input::NotSent), tries),
            Action::GiveUp { process, attempt } => self.done(process, attempt, Some(Input::AnswerLost), tries),
            Action::Answer { process, attempt } => {
                let Stage::Waiting(Some(reply)) = *self.task(process, attempt) else { panic!("there is an answer") };
                match reply {
                    Reply::Throttled => self.done(process, attempt, Some(Input::Throttled { after: None }), tries),
                    Reply::Placed(call) => {
                        self.done(process, attempt, None, tries);
                        self.told(attempt, call, CallStatus::Queued, Source::Answer, tries);
                    }
                }
            }
            Action::Accept { post } => {
                let call = u8::try_from(self.calls.len()).expect("few");
                let taken = self.posts[post].clone();
                if bounds.broken == Broken::RepeatingProxy && !taken.copy {
                    self.posts[post].copy = true;
                } else {
                    self.posts.remove(post);
                }
                self.calls.push(Call { attempt: taken.attempt, age: 0, status: CallStatus::Queued });
                self.reply(taken.attempt, Reply::Placed(call));
            }
            Action::Throttle { post } => {
                let taken = self.posts.remove(post);
                self.reply(taken.attempt, Reply::Throttled);
            }
            Action::LosePost { post } => {
                self.posts.remove(post);
            }
            Action::CallProgress { call, to } => self.calls[usize::from(call)].status = to,
            Action::Callback { process: _, call, status } => {
                let attempt = self.calls[usize::from(call)].attempt;
                self.told(attempt, call, status, Source::Callback, tries);
            }
            Action::List { process, attempt, lags } => self.list(process, attempt, lags, bounds),
            Action::ListLost { process, attempt } => {
                self.lists_lost -= 1;
                self.asked(process, attempt);
            }
            Action::ListRead { process } => {
                let listing = self.processes[process].listing.take().expect("a list");
                self.list_read(&listing, tries);
                self.asked(process, listing.attempt);
            }
            Action::Fetch { process, attempt } => {
                let call = self.ledger.attempts[usize::from(attempt)].sid.expect("a call that is fetched has a sid");
                let status = self.calls[usize::from(call)].status;
                self.told(attempt, call, status, Source::Fetch, tries);
                self.asked(process, attempt);
            }
            Action::Orphan { process: _, attempt } => {
                // FenceFailed is what "nothing was sent" looks like: the rescuer by time believes so.
                let rescued = bounds.broken == Broken::RescueByTime;
                let input = if rescued { Input::FenceFailed } else { Input::OwnerGone };
                self.ledger.settle(attempt, input, tries);
            }
            Action::EndCall { end } => {
                let call = &mut self.calls[usize::from(self.ends.remove(end))];
                call.status = match call.status {
                    CallStatus::Queued => CallStatus::NoAnswer,
                    CallStatus::InProgress => CallStatus::Completed,
                    over => over,
                };
            }
            Action::LoseEnd { end } => {
                self.ends.remove(end);
            }
            Action::Crash { process } => {
                self.crashes -= 1;
                if bounds.broken == Broken::NoDurableIntent {
                    self.forget_intents(self.processes[process].name);
                }
                self.processes[process] = Process::off();
            }
            Action::Start { process } => self.start(process),
            Action::Freeze { process } => {
                self.freezes -= 1;
                self.processes[process].mode = Mode::Frozen;
            }
            Action::Thaw { process } => self.processes[process].mode = Mode::On,
            Action::ClockJump => {
                self.clock_jumps -= 1;
                self.ahead = true;
                for lead in &mut self.ledger.leads {
                    if let LeadAt::Ready(due) = &mut lead.at {
                        *due = 0;
                    }
                }
                for asked in self.processes.iter_mut().flat_map(|one| &mut one.asked) {
                    asked.last = asked.last.map(|_| OLD);
                }
            }
            Action::Tick => self.tick(),
        }
    }

    fn task(&mut self, process: usize, attempt: u8) -> &mut Stage {
        let mut tasks = self.processes[process].tasks.iter_mut();
        &mut tasks.find(|(of, _)| *of == attempt).expect("the task of an attempt in hand").1
    }

    /// The task of an attempt is over, with this to write down.
    fn done(&mut self, process: usize, attempt: u8, input: Option<Input>, tries: u8) {
        let one = &mut self.processes[process];
        one.tasks.retain(|(of, _)| *of != attempt);
        one.asked.retain(|asked| asked.attempt != attempt);
        if let Some(input) = input {
            self.ledger.settle(attempt, input, tries);
        }
    }

    /// The answer reaches the process that waits for it, if it still does.
    fn reply(&mut self, attempt: u8, reply: Reply) {
        for (of, stage) in self.processes.iter_mut().flat_map(|one| &mut one.tasks) {
            if *of == attempt && *stage == Stage::Waiting(None) {
                *stage = Stage::Waiting(Some(reply));
            }
        }
    }

    fn told(&mut self, attempt: u8, call: u8, status: CallStatus, source: Source, tries: u8) {
        if let Some(end) = self.ledger.fact(attempt, call, status, source, tries)
            && !self.ends.contains(&end)
            && self.calls[usize::from(end)].is_live()
        {
            self.ends.push(end);
        }
    }

    /// What the carrier's list shows between the numbers of an attempt: it knows no attempts, only numbers and times.
    fn list(&mut self, process: usize, attempt: u8, lags: bool, bounds: &Bounds) {
        let Ask::List { may_release } = self.ask(process, attempt, bounds) else { panic!("only what is asked") };
        let phone = self.ledger.phone(attempt);
        let lag = if bounds.broken == Broken::ListLag { OLD } else { 1 };
        // The list is read from an hour before the claim on, by our clock.
        let asked_for = !self.ledger.attempts[usize::from(attempt)].ahead;
        let shown = |call: &Call| asked_for && self.ledger.phone(call.attempt) == phone && (call.age >= lag || !lags);
        let calls = (0..).zip(&self.calls).filter(|(_, call)| shown(call)).map(|(n, call)| (n, call.status)).collect();
        self.processes[process].listing = Some(Listing { attempt, may_release, calls });
    }

    /// As `run/campaign/sweep` reads it: calls of other attempts are left out, and a call is an attempt's own only if it
    /// was made while its order could be on its way. A live call that is nobody's blocks the release.
    fn list_read(&mut self, listing: &Listing, tries: u8) {
        let row = &self.ledger.attempts[usize::from(listing.attempt)];
        let owned = |call: u8| {
            let mut others = (0..).zip(&self.ledger.attempts).filter(|(n, _)| *n != listing.attempt);
            others.any(|(_, other)| other.sid == Some(call) && !other.forgotten)
        };
        let now = Wall(1_000_000_000);
        let intent_at = now - TICK * u32::from(row.age) + DAY * u32::from(row.ahead);
        let in_time =
            |call: u8| sweep::is_its_own(intent_at, now - TICK * u32::from(self.calls[usize::from(call)].age));
        let found: Vec<_> = listing.calls.iter().copied().filter(|(call, _)| !owned(*call)).collect();
        let (mine, strange): (Vec<_>, Vec<_>) = found.into_iter().partition(|(call, _)| in_time(*call));
        let strangers = strange.iter().any(|(_, status)| !status.is_terminal());
        if mine.is_empty() && !strangers && listing.may_release {
            self.ledger.settle(listing.attempt, Input::ListedNone, tries);
        }
        for (call, status) in mine {
            self.told(listing.attempt, call, status, Source::Listing, tries);
        }
    }

    fn asked(&mut self, process: usize, attempt: u8) {
        for asked in &mut self.processes[process].asked {
            if asked.attempt == attempt {
                asked.last = Some(0);
            }
        }
    }

    fn forget_intents(&mut self, owner: u8) {
        for row in &mut self.ledger.attempts {
            if row.owner == owner && row.state == State::Intent {
                row.forgotten = true;
                self.ledger.leads[usize::from(row.lead)].at = LeadAt::Ready(0);
            }
        }
    }

    fn tick(&mut self) {
        let older = |age: &mut u8| *age = (*age + 1).min(OLD);
        self.posts.iter_mut().for_each(|post| older(&mut post.age));
        self.posts.retain(|post| post.age < PROCESSED_WITHIN);
        self.calls.iter_mut().for_each(|call| older(&mut call.age));
        self.ledger.attempts.iter_mut().for_each(|attempt| older(&mut attempt.age));
        for lead in &mut self.ledger.leads {
            if let LeadAt::Ready(due) = &mut lead.at {
                *due = due.saturating_sub(1);
            }
        }
        for one in &mut self.processes {
            for (_, stage) in &mut one.tasks {
                if let Stage::Claimed(age) = stage {
                    older(age);
                }
            }
            for asked in &mut one.asked {
                older(&mut asked.known_for);
                asked.last.iter_mut().for_each(older);
            }
        }
    }
}
