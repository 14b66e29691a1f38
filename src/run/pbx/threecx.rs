//! A 3CX at work. An event says only that something has changed, so the state is asked for; and because events may be lost,
//! everything is looked at again every 2 s while a call is there, after a gap, and after the event socket broke.

mod hook;
mod sound;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use self::sound::Sound;
use super::talk::{Who, talk};
use super::{Attached, Board, Ended, EventHouse, ToLeg, keep_listening};
use crate::base::{AttemptId, Boot, Failure, Phone, Sid, Wall, limits};
use crate::core::api::bearer::TokenHash;
use crate::core::config::ThreeCxConfig;
use crate::core::config::account::account_id;
use crate::core::dial::CallStatus;
use crate::core::wire::ours;
use crate::core::wire::threecx::calls::{Over, Part, Whose};
use crate::core::wire::threecx::hook::Fields;
use crate::core::wire::threecx::{Counting, Participant, Stage, What, read};
use crate::core::wire::twiml::{self, Verb};
use crate::edge::carrier::events::EventSocket;
use crate::edge::carrier::threecx::ThreeCx;
use crate::edge::carrier::{AskFault, Carrier};
use crate::run::carriers::OpenCarrier;
use crate::run::clock::Clock;
use crate::run::gateway::Streams;
use crate::store::workspace::Workspace;

/// How often it is looked whether a look is due.
const TICK: Duration = Duration::from_millis(250);

/// What of the configuration is needed here.
pub(super) struct Place {
    /// The carrier's name in `ahoy.toml`.
    name: String,
    /// The provider's id of the account, as calls to a desk name it.
    account: String,
    /// How long a call may ring: the system is told nothing of it.
    ring: Duration,
    /// What a call without a number from outside was made to.
    number: Option<Phone>,
    hook: Option<(TokenHash, Fields)>,
}

impl Place {
    pub(super) fn of(
        ws: &Workspace,
        carrier: &OpenCarrier,
        config: &ThreeCxConfig,
        ring: Duration,
    ) -> Result<Place, Failure> {
        let hook = match &config.webhook {
            None => None,
            Some(hook) => {
                let about = format!("carrier {}, webhook.token", carrier.name);
                let hash = TokenHash::of(&ws.secret(&hook.token, &about)?);
                let hash =
                    hash.map_err(|weak| Failure::usage(format!("{about}: {weak}")).next("choose a longer one"))?;
                Some((hash, hook.fields.clone()))
            }
        };
        let account = account_id(&carrier.account).to_owned();
        Ok(Place { name: carrier.name.clone(), account, ring, number: config.number.clone(), hook })
    }
}

/// What else is remembered of a call.
#[derive(Default)]
struct More {
    /// When it was first seen.
    since: Option<Boot>,
    rings: bool,
    /// It rang for as long as it may, and was ended.
    rang_out: bool,
    /// Since when, and in how many looks, it is not shown.
    missed: Option<(Boot, u32)>,
    /// Lines that an add-on's words have in its log.
    hook_lines: u32,
}

/// A call that was answered, on its way to its session.
struct Begin {
    attempt: AttemptId,
    sid: Sid,
    token: String,
}

struct House {
    pbx: Arc<ThreeCx>,
    place: Place,
    board: Board<More>,
    counting: Mutex<Counting>,
    /// Somebody wants a look at everything.
    wanted: AtomicBool,
    looking: tokio::sync::Mutex<()>,
    begin: mpsc::Sender<Begin>,
    /// Calls to a desk: the attempt, and what opens its stream.
    arrivals: Mutex<HashMap<Sid, (AttemptId, String)>>,
}

/// Opens the event socket, looks at what is there, and keeps both. Errors: the events cannot be opened.
pub(super) async fn attach(
    pbx: Arc<ThreeCx>,
    place: Place,
    streams: Streams,
    clock: Arc<dyn Clock>,
) -> Result<Attached, Failure> {
    let board = Board::new(Arc::clone(&pbx) as Arc<dyn Carrier>, streams.clone(), clock);
    let (begin, begun) = mpsc::channel(limits::PBX_EVENTS);
    let house = Arc::new(House {
        pbx,
        place,
        board,
        counting: Mutex::default(),
        wanted: AtomicBool::new(false),
        looking: tokio::sync::Mutex::default(),
        begin,
        arrivals: Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    keep_listening(&house, &mut tasks).await.map_err(|words| unheard(&words))?;
    // What is there now was there before us.
    house.look().await.map_err(|fault| unheard(&fault.to_string()))?;
    tasks.spawn(watch(Arc::clone(&house)));
    tasks.spawn(speak(Arc::clone(&house), begun));
    if house.place.hook.is_some() {
        streams.posts(&house.place.name, Arc::clone(&house) as Arc<dyn crate::run::gateway::Posts>);
    }
    Ok(Attached(tasks))
}

fn unheard(words: &str) -> Failure {
    Failure::bug(format!("the 3CX's events cannot be opened: {words}"))
        .next("compare base_url, client_id and client_secret with the console (docs/3CX.md); ask `ahoy doctor`")
}

/// What an event asks for.
enum News {
    /// A participant of the route point.
    Changed(u64),
    Removed(u64),
    Keys(u64, String),
    /// Something else has changed, or was missed.
    Look,
}

impl EventHouse for House {
    type News = News;
    const NAME: &'static str = "3CX";

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.board.clock
    }

    fn working(&self) -> &Arc<Semaphore> {
        &self.board.working
    }

    async fn open(&self) -> Result<EventSocket, String> {
        let socket = self.pbx.listen().await?;
        *lock(&self.counting) = Counting::default();
        Ok(socket)
    }

    fn told(&self, told: bool) {
        self.pbx.set_told(told);
    }

    fn read(&self, text: &str) -> Option<News> {
        let told = read(text)?;
        if lock(&self.counting).misses(told.sequence) {
            self.wanted.store(true, Ordering::Release);
        }
        let (dn, id, what) = told.about?;
        if dn != self.pbx.route_point() {
            return Some(News::Look);
        }
        Some(match what {
            What::Changed => News::Changed(id),
            What::Removed => News::Removed(id),
            What::Keys(keys) => News::Keys(id, keys),
        })
    }

    async fn take(self: Arc<Self>, news: News) {
        match news {
            News::Look => self.wanted.store(true, Ordering::Release),
            News::Removed(id) => self.removed(id).await,
            News::Keys(id, keys) => {
                let owner = self.pbx.calls().owner(id);
                if let Some(attempt) = owner.and_then(|sid| self.attempt_of(&sid)) {
                    keys.chars().for_each(|key| self.board.tell(attempt, ToLeg::Key(key)));
                }
            }
            News::Changed(id) => match self.pbx.participant(id).await {
                // Another end of the call may be shown, and decides whether somebody has answered.
                Ok(own) if own.stage() == Stage::Connected && self.pbx.calls().sees_others() => {
                    if let Err(fault) = self.look().await {
                        tracing::warn!(%fault, "the 3CX could not be looked at");
                    }
                }
                Ok(own) => self.settle(&own).await,
                // Gone already: its end is told by another event, or seen at the next looks.
                Err(AskFault::Gone) => self.wanted.store(true, Ordering::Release),
                Err(fault) => {
                    tracing::warn!(%fault, "a participant could not be asked about");
                    self.wanted.store(true, Ordering::Release);
                }
            },
        }
    }

    async fn catch_up(self: Arc<Self>) {
        if let Err(fault) = self.look().await {
            tracing::warn!(%fault, "the 3CX could not be looked at after its events broke");
            self.wanted.store(true, Ordering::Release);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one step: a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl House {
    fn attempt_of(&self, sid: &Sid) -> Option<AttemptId> {
        let arrival = || lock(&self.arrivals).get(sid).map(|(attempt, _)| *attempt);
        ours::attempt_of(sid.as_str()).or_else(arrival)
    }

    fn is_arrival(&self, sid: &Sid) -> bool {
        lock(&self.arrivals).contains_key(sid)
    }

    /// Looks at everything, one at a time, and does what follows.
    async fn look(&self) -> Result<(), AskFault> {
        let _one = self.looking.lock().await;
        let early = self.pbx.calls().ended_early();
        for over in early {
            self.over(over, "removed").await;
        }
        let asked = self.board.clock.boot();
        let view = self.pbx.view().await?;
        let missing = self.pbx.calls().look(self.pbx.route_point(), &view, asked);
        for sid in missing {
            self.missed(sid).await;
        }
        for participant in view.participants.iter().filter(|it| it.dn == self.pbx.route_point()) {
            self.settle(participant).await;
        }
        Ok(())
    }

    /// A participant of the route point stands so.
    async fn settle(&self, participant: &Participant) {
        let now = self.board.clock.boot();
        let whose = self.pbx.calls().whose(participant, now);
        match whose {
            Whose::Ours(sid) => self.moved(sid, participant, now).await,
            Whose::Incoming => self.come_in(participant).await,
            Whose::Strangers | Whose::Gone => {}
        }
    }

    async fn moved(&self, sid: Sid, participant: &Participant, now: Boot) {
        let Some(attempt) = self.attempt_of(&sid) else { return };
        let answered = self.pbx.calls().answered(participant);
        let rings = {
            let mut lines = self.board.lines();
            let line = lines.entry(attempt).or_default();
            line.more.since.get_or_insert(now);
            line.more.missed = None;
            !std::mem::replace(&mut line.more.rings, true)
        };
        if answered {
            self.answered(attempt, sid).await;
        } else if rings && !self.is_arrival(&sid) {
            self.board.report(attempt, CallStatus::Ringing, Ended::default()).await;
        }
    }

    /// Somebody has answered: its sound begins. Once.
    async fn answered(&self, attempt: AttemptId, sid: Sid) {
        {
            let mut lines = self.board.lines();
            let line = lines.entry(attempt).or_default();
            line.answered.get_or_insert(self.board.clock.wall());
            if std::mem::replace(&mut line.joined, true) {
                return;
            }
        }
        let arrival = lock(&self.arrivals).get(&sid).map(|(_, token)| token.clone());
        let is_arrival = arrival.is_some();
        let token = arrival.or_else(|| self.pbx.calls().token(&sid));
        match token {
            Some(token) => {
                let begin = Begin { attempt, sid, token };
                if self.begin.send(begin).await.is_err() {
                    tracing::error!(%attempt, "nobody is there to speak on an answered call");
                }
            }
            None => {
                tracing::error!(%attempt, "a call of an earlier process was answered: it is hung up");
                self.board.hang_up(attempt, &sid).await;
            }
        }
        if !is_arrival {
            self.board.report(attempt, CallStatus::InProgress, Ended::default()).await;
        }
    }

    async fn removed(&self, id: u64) {
        let over = self.pbx.calls().gone(id);
        if let Some(over) = over {
            self.over(over, "removed").await;
        }
    }

    /// A call is over. `how`: how that was known.
    async fn over(&self, Over { sid, cancelled }: Over, how: &str) {
        let Some(attempt) = self.attempt_of(&sid) else { return };
        self.board.tell(attempt, ToLeg::Over);
        let line = self.board.lines().remove(&attempt);
        if lock(&self.arrivals).remove(&sid).is_some() {
            return;
        }
        let line = line.unwrap_or_default();
        // No cause is told: whoever was not connected was not reached, for whatever reason.
        let status = match line.answered {
            Some(_) => CallStatus::Completed,
            None if cancelled && !line.more.rang_out => CallStatus::Canceled,
            None => CallStatus::NoAnswer,
        };
        let duration_s = self.board.talked(line.answered, self.board.clock.wall());
        let words = vec![("known_by".to_owned(), how.to_owned())];
        self.board.report(attempt, status, Ended { duration_s, sip_code: None, words }).await;
    }

    /// A call is not shown any more, and no event has told of its end. One that was answered is over. What became of one that
    /// was not, nobody saw: the sweep asks, and leaves it to a person.
    async fn missed(&self, sid: Sid) {
        let Some(attempt) = self.attempt_of(&sid) else { return };
        let now = self.board.clock.boot();
        let (looks, since, answered) = {
            let mut lines = self.board.lines();
            let line = lines.entry(attempt).or_default();
            let (since, looks) = line.more.missed.unwrap_or((now, 0));
            line.more.missed = Some((since, looks + 1));
            (looks + 1, since, line.answered.is_some())
        };
        // Its event may be on the way.
        if answered && looks >= 2 {
            let over = self.pbx.calls().over(&sid);
            if let Some(over) = over {
                self.over(over, "not shown").await;
            }
        } else if now.since(since) > limits::PBX_MISSED {
            self.pbx.calls().forget(&sid);
            lock(&self.arrivals).remove(&sid);
            self.board.lines().remove(&attempt);
        }
    }

    /// Somebody calls us: a desk answers, or nobody does.
    async fn come_in(&self, participant: &Participant) {
        let Some(part) = Part::of(participant) else { return };
        let Some(called) = e164(&participant.party_did).or_else(|| self.place.number.clone()) else {
            tracing::warn!("a call to the route point names no number of ours: set `number` of the carrier");
            return;
        };
        let Wall(at) = self.board.clock.wall();
        let name = format!("ahoy-in-{}-{}-{at}", part.id, part.call.unwrap_or(0));
        let sid: Sid = name.parse().expect("letters and digits");
        // Without a prefix it may be of any country: then it is withheld from us.
        let from = participant.party_caller_id.trim();
        let from = from.strip_prefix("00").map_or_else(|| from.to_owned(), |rest| format!("+{rest}"));
        let Some(document) = self.board.streams.answer(&[
            ("CallSid".to_owned(), name.clone()),
            ("AccountSid".to_owned(), self.place.account.clone()),
            ("To".to_owned(), called.expose().to_owned()),
            ("From".to_owned(), from),
        ]) else {
            tracing::debug!("a call to the route point is nobody's here");
            return;
        };
        self.pbx.calls().take_in(&sid, part, self.board.clock.boot());
        let token = twiml::parse(&document).ok().and_then(|verbs| match verbs.into_iter().next() {
            Some(Verb::Connect(stream)) => stream.url.rsplit('/').next().map(str::to_owned),
            _ => None,
        });
        let Some((attempt, token)) = token.and_then(|token| Some((self.board.streams.attempt_of(&token)?, token)))
        else {
            // Every place is taken: no busy tone can be asked for, so it is ended.
            if let Err(fault) = self.pbx.end(&sid, crate::edge::carrier::Ending::HangUp).await {
                tracing::warn!(%fault, "a call that no desk has a place for could not be ended");
            }
            return;
        };
        lock(&self.arrivals).insert(sid.clone(), (attempt, token));
        self.board.lines().entry(attempt).or_default().more.rings = true;
        if participant.stage() == Stage::Connected {
            return self.answered(attempt, sid).await;
        }
        // A route point may answer by itself before we do: then this is refused, and its event comes all the same.
        if let Err(fault) = self.pbx.pick_up(&sid).await {
            tracing::warn!(%attempt, %fault, "a call to us could not be picked up");
        }
    }

    /// Ends what has rung for as long as it may.
    async fn end_what_rang_out(&self) {
        let now = self.board.clock.boot();
        let due: Vec<AttemptId> = {
            let mut lines = self.board.lines();
            let rang = lines.iter_mut().filter(|(_, line)| {
                let long = line.more.since.is_some_and(|since| now.since(since) > self.place.ring);
                long && line.answered.is_none() && !line.more.rang_out
            });
            rang.map(|(attempt, line)| {
                line.more.rang_out = true;
                *attempt
            })
            .collect()
        };
        for attempt in due {
            if let Some(sid) = self.pbx.own_sid(attempt).filter(|sid| self.pbx.part(sid).is_some()) {
                self.board.hang_up(attempt, &sid).await;
            }
        }
    }
}

/// A number of ours as a telephone system shows it; `None`: it is an extension, or none.
fn e164(text: &str) -> Option<Phone> {
    let text = text.trim();
    let bare = text.strip_prefix("00").or_else(|| text.strip_prefix('+')).unwrap_or(text);
    let plain = bare.len() >= 8 && !bare.starts_with('0');
    if plain { Phone::from_e164(&format!("+{bare}")).ok() } else { None }
}

/// Looks when it is wanted, and every two seconds while a call is there.
async fn watch(house: Arc<House>) {
    let mut last = house.board.clock.boot();
    loop {
        house.board.clock.sleep(TICK).await;
        house.end_what_rang_out().await;
        let now = house.board.clock.boot();
        // One lock after the other, never both.
        let lines = house.board.lines().len();
        let calls = lines + house.pbx.calls().len().0 > 0;
        let wanted = house.wanted.load(Ordering::Acquire) && now.since(last) >= limits::PBX_LOOK_LEAST;
        let due = calls && now.since(last) >= limits::PBX_LOOK;
        if !wanted && !due {
            continue;
        }
        last = now;
        house.wanted.store(false, Ordering::Release);
        if let Err(fault) = house.look().await {
            tracing::debug!(%fault, "the 3CX could not be looked at");
        }
    }
}

/// Runs the sessions of answered calls.
async fn speak(house: Arc<House>, mut begun: mpsc::Receiver<Begin>) {
    let mut live = JoinSet::new();
    loop {
        tokio::select! {
            begin = begun.recv() => match begin {
                Some(begin) => {
                    live.spawn(run(Arc::clone(&house), begin));
                }
                None => return,
            },
            Some(done) = live.join_next() => if let Err(error) = done {
                tracing::error!(%error, "a call's sound ended in a bug");
            },
        }
    }
}

/// A call's sound from its answer to its end.
async fn run(house: Arc<House>, begin: Begin) {
    let Begin { attempt, sid, token } = begin;
    let (to, mut told) = mpsc::channel(limits::LEG_MESSAGES);
    match house.board.lines().get_mut(&attempt) {
        Some(line) => line.leg = Some(to),
        // It was over before its sound began.
        None => return,
    }
    let mut sound = Sound::open(Arc::clone(&house.pbx), sid.clone(), Arc::clone(&house.board.clock));
    let who = Who { attempt, sid: &sid, stream: sid.as_str(), token };
    let session = talk(&house.board, who, &mut sound, &mut told).await;
    drop(sound);
    if let Err(error) = session.await {
        tracing::error!(%attempt, %error, "a session ended in a bug");
    }
    // Nobody speaks on it any more.
    if house.pbx.part(&sid).is_some() {
        house.board.hang_up(attempt, &sid).await;
    }
}
