//! One engine, many terminals: the control socket's two ends. The engine's end never waits for a terminal.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::api::{Api, CloneRoom};
use super::campaign::{DeskLook, Engine, EngineOptions, RunOptions, RunReport, Word, check_rules, narrow};
use super::clock::Clock;
use crate::base::{Exit, Failure, Slug, limits};
use crate::core::control::{Hand, Hello, Reply, Request, RunRequest, VERSION};
use crate::core::dial::desk::Stop;
use crate::core::dial::note::{Note, Watcher};
use crate::edge::control::{Lines, Listener, Pen, connect, path_of};
use crate::store::ledger::lock;
use crate::store::workspace::Workspace;

/// What the terminals' tasks share.
struct Desk {
    engine: Arc<Engine>,
    root: PathBuf,
    seed: u64,
    clients: AtomicUsize,
    closing: watch::Sender<bool>,
}

/// An engine's open control socket.
pub struct Control {
    desk: Arc<Desk>,
    task: tokio::task::JoinHandle<()>,
}

impl Control {
    /// Opens the control socket of an engine, which holds the workspace's lock.
    pub fn open(ws: &Workspace, engine: Arc<Engine>, seed: u64) -> Result<Control, Failure> {
        let path = path_of(&ws.ledger_path());
        let listener = Listener::bind(&path).map_err(|error| {
            Failure::bug(format!("the control socket {} cannot be opened: {error}", path.display()))
                .next("remove what is there, if it is nobody's; it lies beside the ledger, which may be put elsewhere")
        })?;
        let (root, clients, closing) = (ws.root.clone(), AtomicUsize::new(0), watch::channel(false).0);
        let desk = Arc::new(Desk { engine, root, seed, clients, closing });
        let task = tokio::spawn(listen(listener, Arc::clone(&desk)));
        Ok(Control { desk, task })
    }

    /// Lets the terminals read their last lines (at most two seconds) and closes the socket.
    pub async fn close(self) {
        self.desk.closing.send_replace(true);
        for _ in 0..100 {
            if self.desk.clients.load(Ordering::Acquire) == 0 {
                break;
            }
            self.desk.engine.clock().sleep(Duration::from_millis(20)).await;
        }
        self.task.abort();
        let _aborted = self.task.await;
    }
}

async fn listen(listener: Listener, desk: Arc<Desk>) {
    loop {
        match listener.accept().await {
            Ok((lines, pen)) => {
                if desk.clients.fetch_add(1, Ordering::AcqRel) >= limits::CONTROL_CLIENTS {
                    desk.clients.fetch_sub(1, Ordering::AcqRel);
                    continue;
                }
                let desk = Arc::clone(&desk);
                tokio::spawn(async move {
                    if let Err(error) = serve(&desk, lines, pen).await {
                        tracing::debug!(%error, "a terminal has gone");
                    }
                    desk.clients.fetch_sub(1, Ordering::AcqRel);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket could not accept");
                desk.engine.clock().sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Writes one line, or gives the terminal up.
async fn say(desk: &Desk, pen: &mut Pen, reply: &impl serde::Serialize) -> std::io::Result<()> {
    let late = desk.engine.clock().sleep(limits::CONTROL_WRITE);
    tokio::select! {
        written = pen.write(reply) => written,
        () = late => Err(std::io::Error::other("it does not read")),
    }
}

async fn serve(desk: &Arc<Desk>, mut lines: Lines, mut pen: Pen) -> std::io::Result<()> {
    say(desk, &mut pen, &Hello { version: VERSION, pid: std::process::id() }).await?;
    let late = desk.engine.clock().sleep(limits::CONTROL_REQUEST);
    let line = tokio::select! {
        line = lines.next() => line?,
        () = late => return Err(std::io::Error::other("it asked for nothing")),
    };
    let Some(line) = line else { return Ok(()) };
    let request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => {
            let what = format!("the request cannot be read: {error}");
            return say(desk, &mut pen, &refusal(&Failure::usage(what))).await;
        }
    };
    match request {
        Request::Run(request) => run(desk, request, lines, pen).await,
        Request::Pause(campaigns) => {
            desk.engine.told(&campaigns, Word::Pause).await;
            say(desk, &mut pen, &Reply::Done { campaigns }).await
        }
        Request::Resume(campaigns) => {
            desk.engine.told(&campaigns, Word::Resume).await;
            say(desk, &mut pen, &Reply::Done { campaigns }).await
        }
        Request::Stop { campaigns, hangup } => {
            let stop = if hangup { Stop::Cancel } else { Stop::Drain };
            desk.engine.told(&campaigns, Word::Stop(stop)).await;
            say(desk, &mut pen, &Reply::Done { campaigns }).await
        }
        Request::Status => say(desk, &mut pen, &Reply::Done { campaigns: desk.engine.running() }).await,
        Request::Tail => tail(desk, lines, pen).await,
    }
}

fn refusal(failure: &Failure) -> Reply {
    Reply::Failure { what: failure.what.clone(), next: failure.next.clone(), exit: failure.exit.code() }
}

/// A terminal's notes, in a queue of its own: the engine puts them in and never waits.
struct Mailbox {
    notes: mpsc::Sender<Note>,
    missed: AtomicU64,
}

impl Mailbox {
    /// What to say about notes that found no room since this was last asked.
    fn take_missed(&self) -> Option<Note> {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        (missed > 0).then(|| Note::Say(format!("{missed} notes were not shown: this terminal reads too slowly")))
    }
}

impl Watcher for Mailbox {
    fn note(&self, note: &Note) {
        if self.notes.try_send(note.clone()).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn mailbox() -> (Arc<Mailbox>, mpsc::Receiver<Note>) {
    let (notes, inbox) = mpsc::channel(limits::CONTROL_NOTES);
    (Arc::new(Mailbox { notes, missed: AtomicU64::new(0) }), inbox)
}

async fn tail(desk: &Arc<Desk>, mut lines: Lines, mut pen: Pen) -> std::io::Result<()> {
    let (mailbox, mut inbox) = mailbox();
    let watcher = Arc::clone(&mailbox) as Arc<dyn Watcher>;
    desk.engine.hub().join(None, Arc::clone(&watcher));
    let mut closing = desk.closing.subscribe();
    let ended = loop {
        tokio::select! {
            note = inbox.recv() => {
                let Some(note) = note else { break Ok(()) };
                if let Err(error) = say(desk, &mut pen, &Reply::Note(note)).await {
                    break Err(error);
                }
                if let Some(missed) = mailbox.take_missed()
                    && let Err(error) = say(desk, &mut pen, &Reply::Note(missed)).await
                {
                    break Err(error);
                }
            }
            line = lines.next() => match line {
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            },
            _closing = closing.changed() => break Ok(()),
        }
    };
    desk.engine.hub().leave(&watcher);
    ended
}

/// A run for a terminal. If the terminal goes away without a word, its campaigns end as after a first Ctrl-C.
async fn run(desk: &Arc<Desk>, request: RunRequest, mut lines: Lines, mut pen: Pen) -> std::io::Result<()> {
    let (mailbox, mut inbox) = mailbox();
    let (hand, stop) = watch::channel(Stop::No);
    let started = async {
        let ws = Workspace::open(&desk.root)?;
        let mut campaigns = ws.campaigns(&request.campaigns)?;
        narrow(&mut campaigns, request.segment.as_deref())?;
        let options = RunOptions {
            campaigns,
            drain: request.drain,
            seed: desk.seed,
            watcher: Arc::clone(&mailbox) as Arc<dyn Watcher>,
            stop,
            max_runtime: request.max_runtime_ms.map(Duration::from_millis),
        };
        desk.engine.add(&ws, options).await
    };
    let run = match started.await {
        Ok(run) => run,
        Err(failure) => return say(desk, &mut pen, &refusal(&failure)).await,
    };
    let engine = Arc::clone(&desk.engine);
    let ending = engine.wait(&run);
    tokio::pin!(ending);
    let mut here = true;
    let ended = loop {
        tokio::select! {
            ended = &mut ending => break ended,
            note = inbox.recv(), if here => {
                if let Some(note) = note
                    && say(desk, &mut pen, &Reply::Note(note)).await.is_err()
                {
                    here = false;
                    hand.send_if_modified(|stop| firmer(stop, Stop::Drain));
                }
            }
            line = lines.next(), if here => match line.ok().flatten().map(|line| serde_json::from_str::<Hand>(&line)) {
                Some(Ok(word)) => {
                    hand.send_if_modified(|stop| firmer(stop, word.stop));
                }
                Some(Err(error)) => tracing::debug!(%error, "a terminal's word cannot be read"),
                None => {
                    here = false;
                    hand.send_if_modified(|stop| firmer(stop, Stop::Drain));
                }
            },
        }
    };
    // What happened before the end is told before it.
    while let Ok(note) = inbox.try_recv() {
        say(desk, &mut pen, &Reply::Note(note)).await?;
    }
    if let Some(missed) = mailbox.take_missed() {
        say(desk, &mut pen, &Reply::Note(missed)).await?;
    }
    let reply = match ended.and_then(|report| {
        let value = serde_json::to_value(&report).map_err(|error| Failure::bug(format!("the report: {error}")))?;
        Ok(Reply::Report { report: value, exit: report.exit.code() })
    }) {
        Ok(reply) => reply,
        Err(failure) => refusal(&failure),
    };
    say(desk, &mut pen, &reply).await
}

fn firmer(stop: &mut Stop, wish: Stop) -> bool {
    let firmer = wish > *stop;
    *stop = (*stop).max(wish);
    firmer
}

/// Runs campaigns: in an engine of this process if the workspace has none, else in the one that it has.
///
/// An engine of this process also serves other terminals; it ends when the last of their runs is over.
pub async fn run_or_attach(ws: &Workspace, clock: Arc<dyn Clock>, options: RunOptions) -> Result<RunReport, Failure> {
    check_rules(ws, &options.campaigns)?;
    let engine = match Engine::start(ws, Arc::clone(&clock), EngineOptions::of(&options)).await {
        Ok(engine) => Arc::new(engine),
        Err(failure) if failure.exit == Exit::Locked => return attach(ws, clock, options, failure).await,
        Err(failure) => return Err(failure),
    };
    let control = Control::open(ws, Arc::clone(&engine), options.seed)?;
    let watcher = Arc::clone(&options.watcher);
    let result = engine.run(ws, options).await;
    let others = engine.running();
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(Slug::as_str).collect();
        let text = format!("done here; this process goes on for other terminals: {}", names.join(", "));
        watcher.note(&Note::Say(text));
    }
    engine.idle().await;
    control.close().await;
    let ended = engine.finish().await;
    let report = result?;
    ended?;
    Ok(report)
}

/// Holds an engine for other terminals, its desks for people who call, and its HTTP API, until it is stopped. `told`: hears
/// once what the desks answer (`None`: there are none) and where the API listens, when they do.
pub async fn serve_engine(
    ws: &Workspace,
    clock: Arc<dyn Clock>,
    options: EngineOptions,
    told: impl FnOnce(Option<&DeskLook>, Option<SocketAddr>),
) -> Result<(), Failure> {
    let (mut stop, seed) = (options.stop.clone(), options.seed);
    let engine = Arc::new(Engine::start(ws, clock, options).await?);
    let control = Control::open(ws, Arc::clone(&engine), seed)?;
    let ready = async {
        let look = engine.open_desks(ws).await?;
        let api = match &ws.config.api {
            Some(config) => {
                let clones = engine.cloner(ws)?.map(|cloner| cloner as Arc<dyn CloneRoom>);
                Some(Api::open(ws, config, Arc::clone(&engine), clones)?)
            }
            None => None,
        };
        engine.keep_promises(ws);
        told(look.as_ref(), api.as_ref().map(|api| api.addr));
        Ok::<_, Failure>(api)
    };
    let api = match ready.await {
        Ok(api) => api,
        Err(failure) => {
            control.close().await;
            engine.finish().await?;
            return Err(failure);
        }
    };
    // The sender lives as long as the process listens for signals; without it there is nothing to wait for.
    drop(stop.wait_for(|stop| *stop > Stop::No).await);
    if let Some(desks) = engine.desks() {
        desks.close();
        // People who are on the line finish; a second signal ends their calls politely.
        while desks.speaking() > 0 && *stop.borrow() <= Stop::Drain {
            engine.clock().sleep(Duration::from_millis(50)).await;
        }
    }
    engine.idle().await;
    if let Some(api) = api {
        api.close().await;
    }
    control.close().await;
    engine.finish().await
}

/// Runs campaigns in the engine of another process.
async fn attach(
    ws: &Workspace,
    clock: Arc<dyn Clock>,
    options: RunOptions,
    held: Failure,
) -> Result<RunReport, Failure> {
    let RunOptions { campaigns, drain, watcher, mut stop, max_runtime, .. } = options;
    if campaigns.iter().any(|campaign| !campaign.set_aside.is_empty()) {
        // The engine reads the campaign's file itself: what this terminal sets aside would not hold there.
        return Err(Failure::usage("--override does not reach a run that another process holds")
            .next("end that run, then start this campaign by itself"));
    }
    let (mut lines, mut pen, hello) = knock(ws, &*clock).await.ok_or(held)?;
    let names: Vec<Slug> = campaigns.iter().map(|campaign| campaign.name.clone()).collect();
    let max_runtime_ms = max_runtime.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    let segment = campaigns.iter().find_map(|campaign| campaign.narrowed_by.clone());
    let request = Request::Run(RunRequest { campaigns: names, drain, max_runtime_ms, segment });
    let gone = |_| {
        Failure::bug(format!("process {}, which made the calls, has gone", hello.pid))
            .next("run the same command again: what is open is in the ledger, and is asked about")
    };
    pen.write(&request).await.map_err(gone)?;
    let mut listening = true;
    loop {
        tokio::select! {
            line = lines.next() => {
                let line = line.and_then(|line| line.ok_or_else(|| std::io::Error::other("it closed")));
                let reply = serde_json::from_str(&line.map_err(gone)?)
                    .map_err(|error| Failure::bug(format!("process {} said something unreadable: {error}", hello.pid)))?;
                match reply {
                    Reply::Note(note) => watcher.note(&note),
                    Reply::Done { .. } => {}
                    Reply::Failure { what, next, exit } => return Err(Failure { exit: Exit::of(exit), what, next }),
                    Reply::Report { report, exit } => {
                        let mut report: RunReport = serde_json::from_value(report)
                            .map_err(|error| Failure::bug(format!("the report cannot be read: {error}")))?;
                        report.exit = Exit::of(exit);
                        return Ok(report);
                    }
                }
            }
            changed = stop.changed(), if listening => {
                listening = changed.is_ok();
                let wish = *stop.borrow_and_update();
                if wish == Stop::Exit {
                    let what = format!("left; process {} cancels and hangs up what is left", hello.pid);
                    return Err(Failure::new(Exit::Stopped, what).next("`ahoy campaign status` shows what became of it"));
                }
                if wish > Stop::No {
                    pen.write(&Hand { stop: wish }).await.map_err(gone)?;
                }
            }
        }
    }
}

/// Connects to the engine of a workspace, if there is one; waits a little for one that is just starting.
async fn knock(ws: &Workspace, clock: &dyn Clock) -> Option<(Lines, Pen, Hello)> {
    let path = path_of(&ws.ledger_path());
    let began = clock.boot();
    loop {
        if let Ok((mut lines, pen)) = connect(&path).await {
            let hello = tokio::select! {
                line = lines.next() => line.ok().flatten().and_then(|line| serde_json::from_str::<Hello>(&line).ok()),
                () = clock.sleep(limits::CONTROL_REQUEST) => None,
            };
            return hello.filter(|hello| hello.version == VERSION).map(|hello| (lines, pen, hello));
        }
        // Nobody who holds the lock, or one who has had time enough: there is no engine to wait for.
        let since = clock.wall().0.saturating_sub(lock::holder(&ws.ledger_path())?.since.0);
        let fresh = since < i64::try_from(limits::CONTROL_OPENS.as_millis()).unwrap_or(i64::MAX);
        if !fresh || clock.boot().since(began) > limits::CONTROL_OPENS {
            return None;
        }
        clock.sleep(Duration::from_millis(50)).await;
    }
}

/// Hears everything that happens in the engine of a workspace until it ends. False if there is no engine.
///
/// Errors: 1, if what it says cannot be read or shown.
pub async fn follow(
    ws: &Workspace,
    clock: &dyn Clock,
    mut hear: impl FnMut(&Note) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let Some((mut lines, mut pen, hello)) = knock(ws, clock).await else { return Ok(false) };
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::bug(format!("process {} said something unreadable: {error}", hello.pid))
    };
    pen.write(&Request::Tail).await.map_err(|error| unreadable(&error))?;
    // An engine that dies closes its end without a word: what it said was all there is.
    while let Ok(Some(line)) = lines.next().await {
        match serde_json::from_str(&line).map_err(|error| unreadable(&error))? {
            Reply::Note(note) => hear(&note)?,
            Reply::Failure { what, next, exit } => return Err(Failure { exit: Exit::of(exit), what, next }),
            Reply::Done { .. } | Reply::Report { .. } => {}
        }
    }
    Ok(true)
}

/// Tells the engine of a workspace something, if there is one. True if it took it.
pub async fn tell(ws: &Workspace, clock: &dyn Clock, request: &Request) -> bool {
    let Ok((mut lines, mut pen)) = connect(&path_of(&ws.ledger_path())).await else { return false };
    let told = async {
        lines.next().await?;
        pen.write(request).await?;
        lines.next().await
    };
    tokio::select! {
        answer = told => answer.is_ok_and(|line| line.is_some_and(|line| line.contains("done"))),
        () = clock.sleep(limits::CONTROL_REQUEST) => false,
    }
}
