//! An agent's session beside its call: opened while the phone rings, primed and mute, handed to the stream when it
//! begins. A task of its own: an agent that is slow, dead or loud delays nobody else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::base::{Failure, limits};
use crate::core::agent::{Closed, Echo, FromAgent, Machine, Opening, Outbox, Prompt, ToAgent};
use crate::core::config::{Agent, Campaign, ECHO, NONE};
use crate::core::cost::table;
use crate::edge::agent::{AgentSocket, Ended, Provider};
use crate::run::clock::Clock;
use crate::run::metrics::{OnStage, Stage, Stages};
use crate::run::render::told;
use crate::store::workspace::Workspace;

/// A call's ends of the line to its agent.
pub struct AgentLine {
    /// What the call tells.
    pub to: mpsc::Sender<ToAgent>,
    /// What the agent tells.
    pub from: mpsc::Receiver<FromAgent>,
    /// Kind and model, as the dated table knows them; `None`: it costs nothing.
    pub priced: Option<(&'static str, String)>,
    /// The line to a session that is to take this one's place in the call, if one comes.
    pub next: Option<oneshot::Receiver<AgentLine>>,
}

/// The other ends of a line, for its session.
pub struct Berth {
    says: mpsc::Sender<FromAgent>,
    told: mpsc::Receiver<ToAgent>,
    next: Option<oneshot::Sender<AgentLine>>,
}

impl Berth {
    /// Where the line of a session goes that is to take this one's place; its end is the call's end.
    pub fn take_next(&mut self) -> Option<oneshot::Sender<AgentLine>> {
        self.next.take()
    }

    /// Ready when the call is over.
    pub async fn left(&self) {
        self.says.closed().await;
    }

    /// There will be no session.
    pub async fn gone(self, why: &str) {
        // A call that is over does not need to know.
        let _call_is_over = self.says.send(FromAgent::Gone { why: why.to_owned() }).await;
    }
}

/// One agent of the workspace, with its slots.
pub struct AgentDoor {
    /// `None`: the echo, which needs no provider.
    provider: Option<Provider>,
    slots: Arc<Semaphore>,
    most: usize,
    stages: Arc<Stages>,
}

/// A slot: a session may be opened.
pub struct Slot(OwnedSemaphorePermit);

/// The agents that campaigns of this process use.
#[derive(Default)]
pub(crate) struct Agents(Mutex<BTreeMap<String, Arc<AgentDoor>>>);

impl Agents {
    /// The agent of a campaign; `None`: it has none. Slots are shared by all campaigns that name it.
    pub fn of(&self, ws: &Workspace, campaign: &Campaign) -> Result<Option<Arc<AgentDoor>>, Failure> {
        let name = campaign.agent.name.as_str();
        if name == NONE {
            return Ok(None);
        }
        let mut doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = doors.get(name) {
            return Ok(Some(Arc::clone(door)));
        }
        let door = match ws.config.agents.get(name) {
            None if name == ECHO => AgentDoor::new(None, limits::STREAMS),
            None => return Err(Failure::bug(format!("no agent `{name}`: the campaign was checked for it"))),
            Some(config) => {
                let secret = |wanted: &crate::base::secret::SecretRef, what: &str| ws.secret(wanted, what);
                let provider = Provider::open(name, config, &secret).map_err(|fault| told(&fault))?;
                AgentDoor::new(Some(provider), config.slots)
            }
        };
        doors.insert(name.to_owned(), Arc::clone(&door));
        Ok(Some(door))
    }
}

impl Agents {
    /// Every agent that was asked for so far, by name.
    pub fn all(&self) -> Vec<(String, Arc<AgentDoor>)> {
        let doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        doors.iter().map(|(name, door)| (name.clone(), Arc::clone(door))).collect()
    }
}

impl AgentDoor {
    /// An agent of this provider with so many slots; without a provider it is the echo.
    pub fn new(provider: Option<Provider>, slots: usize) -> Arc<AgentDoor> {
        let (most, stages) = (slots, Arc::default());
        Arc::new(AgentDoor { provider, slots: Arc::new(Semaphore::new(slots)), most, stages })
    }

    /// Whether the dated table knows what its model costs: without a price no cap on spending holds.
    pub fn has_price(&self) -> bool {
        let model = |it: &Provider| table().model(it.priced_as(), it.model()).is_some_and(|it| !it.prices.is_empty());
        self.provider.as_ref().is_none_or(model)
    }

    /// Sessions that could be opened now.
    pub fn free(&self) -> usize {
        self.slots.available_permits()
    }

    /// Sessions that may be open at once.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Its sessions, by where they stand.
    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    /// A slot, if one is free.
    pub fn slot(&self) -> Option<Slot> {
        Arc::clone(&self.slots).try_acquire_owned().ok().map(Slot)
    }

    /// Opens a session. It ends when the line is dropped.
    pub fn open(self: &Arc<Self>, slot: Slot, agent: &Agent, vad: crate::core::config::Vad, task: Task) -> AgentLine {
        let (line, berth) = self.line();
        self.begin(berth, slot, agent, vad, task);
        line
    }

    /// A line whose session begins later.
    pub fn line(&self) -> (AgentLine, Berth) {
        let (to, told) = mpsc::channel(limits::AGENT_QUEUE);
        let (says, from) = mpsc::channel(limits::AGENT_QUEUE);
        let priced = self.provider.as_ref().map(|provider| (provider.priced_as(), provider.model().to_owned()));
        let (next, coming) = oneshot::channel();
        (AgentLine { to, from, priced, next: Some(coming) }, Berth { says, told, next: Some(next) })
    }

    /// Begins the session of a line, in a task of its own.
    pub fn begin(self: &Arc<Self>, berth: Berth, slot: Slot, agent: &Agent, vad: crate::core::config::Vad, task: Task) {
        let Berth { says, told, next: _ } = berth;
        let door = Arc::clone(self);
        let voice = task.voice.clone().or_else(|| agent.voice.clone());
        tokio::spawn(async move {
            let Slot(_held_to_the_end) = slot;
            let place = OnStage::new(&door.stages);
            match &door.provider {
                None => {
                    Session::new(Box::new(Echo::new()), says, told, place).run(None, None).await;
                }
                Some(provider) => {
                    let opening = Opening {
                        model: provider.model().to_owned(),
                        voice,
                        prompt: task.prompt,
                        language: task.language,
                        vad,
                        transcribe: provider.transcribe().map(str::to_owned),
                        transfers: task.transfers,
                    };
                    serve(provider, Session::new(provider.machine(opening), says, told, place)).await;
                }
            }
        });
    }
}

/// Opens a session of an agent, as a call would, and closes it again. Gives how long it took to be ready.
pub(crate) async fn rehearse(
    door: &Arc<AgentDoor>,
    campaign: &Campaign,
    clock: &dyn Clock,
) -> Result<Duration, String> {
    let slot = door.slot().ok_or("it has no free slot")?;
    let begun = clock.boot();
    let prompt = Prompt { first: "Say nothing.".to_owned(), later: None };
    let language = campaign.greeting.texts.keys().next().map_or("en".to_owned(), ToString::to_string);
    let mut line =
        door.open(slot, &campaign.agent, campaign.vad, Task { prompt, language, transfers: false, voice: None });
    loop {
        match line.from.recv().await {
            Some(FromAgent::Ready) => return Ok(clock.boot().since(begun)),
            Some(FromAgent::Gone { why } | FromAgent::Fault { what: why }) => return Err(why),
            Some(_) => {}
            None => return Err("its task has ended".to_owned()),
        }
    }
}

/// What an agent has to do in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its prompt.
    pub prompt: Prompt,
    /// The call's language.
    pub language: String,
    /// It may have the callee connected with a person.
    pub transfers: bool,
    /// A voice in place of the campaign's.
    pub voice: Option<String>,
}

async fn serve(provider: &Provider, session: Session) {
    let gone = |why: String| FromAgent::Gone { why };
    match timeout(limits::AGENT_CONNECT, provider.connect()).await {
        Ok(Ok(socket)) => session.run(Some(provider), Some(socket)).await,
        // The call may be over: then nobody needs to know.
        Ok(Err(fault)) => drop(session.says.send(gone(fault.to_string())).await),
        Err(_) => drop(session.says.send(gone("no connection in time".to_owned())).await),
    }
}

struct Session {
    machine: Box<dyn Machine>,
    says: mpsc::Sender<FromAgent>,
    told: mpsc::Receiver<ToAgent>,
    /// Words to the call that it had no room for yet: until they are taken, nothing more is read.
    waiting: VecDeque<FromAgent>,
    ready: bool,
    gone: bool,
    place: OnStage,
}

enum Step {
    Received(Result<String, Ended>),
    Told(Option<ToAgent>),
    Room,
    Late,
}

impl Session {
    fn new(
        machine: Box<dyn Machine>,
        says: mpsc::Sender<FromAgent>,
        told: mpsc::Receiver<ToAgent>,
        place: OnStage,
    ) -> Session {
        Session { machine, says, told, waiting: VecDeque::new(), ready: false, gone: false, place }
    }

    async fn run(mut self, provider: Option<&Provider>, mut socket: Option<AgentSocket>) {
        let mut late = std::pin::pin!(sleep(limits::AGENT_CONNECT));
        let mut out = Outbox::default();
        self.machine.opened(&mut out);
        loop {
            if let Err(why) = self.pass_on(&mut out, provider, socket.as_mut()).await {
                self.gone(why);
            }
            if self.gone && self.waiting.is_empty() {
                break;
            }
            let step = tokio::select! {
                told = self.told.recv() => Step::Told(told),
                room = self.says.reserve(), if !self.waiting.is_empty() => match room {
                    Ok(permit) => {
                        if let Some(word) = self.waiting.pop_front() {
                            permit.send(word);
                        }
                        Step::Room
                    }
                    Err(_) => Step::Told(None),
                },
                received = next(&mut socket), if self.waiting.is_empty() && !self.gone => Step::Received(received),
                () = &mut late, if !self.ready && !self.gone => Step::Late,
            };
            match step {
                Step::Told(None) => break,
                Step::Told(Some(what)) if !self.gone => {
                    if matches!(what, ToAgent::TakeOver { .. } | ToAgent::Resume(_)) {
                        self.place.is(Stage::Talking);
                    }
                    self.machine.told(what, &mut out);
                }
                Step::Received(Ok(text)) => self.machine.received(&text, &mut out),
                Step::Received(Err(ended)) => match self.machine.closed(ended.code) {
                    Closed::Gone => self.gone(provider.map_or(ended.why.clone(), |it| it.safe(&ended.why))),
                    Closed::Again => out.reconnect = true,
                    Closed::Hung => {
                        self.waiting.push_back(FromAgent::Hangs);
                        self.gone = true;
                    }
                },
                Step::Late => self.gone("its session was not ready in time".to_owned()),
                Step::Told(Some(_)) | Step::Room => {}
            }
            if std::mem::take(&mut out.reconnect) && !self.gone {
                socket = self.again(provider, socket.take(), &mut out).await;
            }
        }
        if let Some(socket) = socket {
            // A provider that does not take our goodbye is left.
            let _gone_either_way = timeout(limits::AGENT_STALL, socket.close()).await;
        }
    }

    /// The next connection of the same session. What the call says meanwhile waits in its queue.
    async fn again(
        &mut self,
        provider: Option<&Provider>,
        old: Option<AgentSocket>,
        out: &mut Outbox,
    ) -> Option<AgentSocket> {
        let provider = provider?;
        let connected = timeout(limits::AGENT_CONNECT, provider.connect()).await;
        if let Some(old) = old {
            let _gone_either_way = timeout(limits::AGENT_STALL, old.close()).await;
        }
        match connected {
            Ok(Ok(socket)) => {
                self.machine.opened(out);
                return Some(socket);
            }
            Ok(Err(fault)) => self.gone(format!("it could not be reached again: {fault}")),
            Err(_) => self.gone("it could not be reached again in time".to_owned()),
        }
        None
    }

    fn gone(&mut self, why: String) {
        if !std::mem::replace(&mut self.gone, true) {
            self.waiting.push_back(FromAgent::Gone { why });
        }
    }

    /// Sends what the machine wants sent, and queues its words to the call.
    async fn pass_on(
        &mut self,
        out: &mut Outbox,
        provider: Option<&Provider>,
        socket: Option<&mut AgentSocket>,
    ) -> Result<(), String> {
        for mut word in out.call.drain(..) {
            if let (Some(provider), FromAgent::Fault { what: words } | FromAgent::Gone { why: words }) =
                (provider, &mut word)
            {
                *words = provider.safe(words);
            }
            if word == FromAgent::Ready && !std::mem::replace(&mut self.ready, true) {
                self.place.is(Stage::Ready);
            }
            self.gone |= matches!(word, FromAgent::Gone { .. });
            self.waiting.push_back(word);
        }
        let Some(socket) = socket else { return Ok(()) };
        for text in out.wire.drain(..) {
            match timeout(limits::AGENT_STALL, socket.send(text)).await {
                Ok(sent) => sent?,
                Err(_) => return Err("it takes no messages".to_owned()),
            }
        }
        Ok(())
    }
}

async fn next(socket: &mut Option<AgentSocket>) -> Result<String, Ended> {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}
