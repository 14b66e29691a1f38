//! Transcripts and summaries, made after calls and beside them. What is waited for stands in the ledger: a crash, a service
//! that is away or a run that ended early loses none of it. A crash between the file and the ledger has it made again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Semaphore;

use super::clock::Clock;
use super::ledger::LedgerHandle;
use super::recordings::Which;
use super::render::pause_after;
use crate::base::text::printable;
use crate::base::{Failure, Money, Slug, Wall, limits};
use crate::core::call::after::{self, Setback, Stretch, Writing, Written};
use crate::core::call::report::Saying;
use crate::core::config::{After, Campaign, EngineConfig};
use crate::core::cost::{Usage, table};
use crate::core::sound::{Pcm, g711, wav};
use crate::edge::engine::EngineFault;
use crate::edge::engine::http::Bounds;
use crate::edge::summarizer::{self, Summarizer, Task};
use crate::edge::transcriber::{self, Transcriber};
use crate::run::render::told;
use crate::store::calllog;
use crate::store::ledger::{DueWriting, LedgerFault};
use crate::store::workspace::Workspace;

/// Who puts the calls of a campaign into words.
#[derive(Default)]
pub struct Pens {
    transcriber: Option<Arc<dyn Transcriber>>,
    summarizer: Option<Arc<dyn Summarizer>>,
    outcomes: Vec<String>,
    /// Puts a machine's first words down while its call goes on.
    listener: Option<Listener>,
}

/// Somebody who listens to calls that go on: no more at once than the service bears.
struct Listener {
    transcriber: Arc<dyn Transcriber>,
    room: Semaphore,
}

impl Pens {
    /// Opens what a campaign names; nothing is asked yet.
    ///
    /// Errors: a key or a program that is not there.
    pub fn open(ws: &Workspace, wanted: &After) -> Result<Pens, Failure> {
        let secret = |wanted: &crate::base::secret::SecretRef, what: &str| ws.secret(wanted, what);
        let config = |of: &BTreeMap<String, EngineConfig>, name: &str| {
            of.get(name).cloned().ok_or_else(|| Failure::bug(format!("no `{name}`: the campaign was checked for it")))
        };
        let opened = |fault: EngineFault| told(&fault);
        let transcriber = match &wanted.transcript {
            Some(name) => {
                let config = config(&ws.config.transcribers, name)?;
                Some(transcriber::open(name, &config, &secret, Bounds::default()).map_err(opened)?)
            }
            None => None,
        };
        let summarizer = match &wanted.summary {
            Some(name) => {
                let config = config(&ws.config.summarizers, name)?;
                Some(summarizer::open(name, &config, &secret, Bounds::default()).map_err(opened)?)
            }
            None => None,
        };
        Ok(Pens { transcriber, summarizer, outcomes: wanted.outcomes.clone(), listener: None })
    }

    /// … and who listens to machines: a name of `[transcribers.NAME]`.
    ///
    /// Errors: a key or a program that is not there.
    pub fn listening(mut self, ws: &Workspace, name: Option<&str>) -> Result<Pens, Failure> {
        if let Some(name) = name {
            let only = After { transcript: Some(name.to_owned()), ..After::default() };
            self.listener = Pens::open(ws, &only)?.transcriber.map(|transcriber| {
                let room = Semaphore::new(transcriber.concurrency().clamp(1, limits::RENDER_CONCURRENCY_MOST));
                Listener { transcriber, room }
            });
        }
        Ok(self)
    }

    /// What a machine said (µ-law), and what it cost to put that down; `None`: nobody can tell. The caller bounds the wait.
    pub async fn understand(&self, language: &str, ulaw: &[u8], now: Wall) -> Option<(String, Money)> {
        let listener = self.listener.as_ref()?;
        let _room = listener.room.acquire().await.ok()?;
        let wav = wav::write(&Pcm { samples: g711::decode_ulaw(ulaw), rate: 8_000 });
        let transcriber = &listener.transcriber;
        match transcriber.transcribe(&wav, language).await {
            Ok(heard) => {
                let cost = match transcriber.model() {
                    Some((kind, id)) => table().bill(kind, id, heard.usage, now).cost,
                    None => heard.usage.cost,
                };
                Some((heard.text.chars().take(limits::SERVICE_WORDS).collect(), cost))
            }
            Err(fault) => {
                // The sound alone decides: nobody waits for another try.
                tracing::warn!(name = transcriber.name(), %fault, "a machine's words were not understood");
                None
            }
        }
    }

    /// Whether there is anything to write.
    pub fn any(&self) -> bool {
        self.transcriber.is_some() || self.summarizer.is_some()
    }
}

/// One campaign's writings.
#[derive(Clone)]
pub struct Scribe {
    /// The ledger.
    pub ledger: LedgerHandle,
    /// Where call logs lie.
    pub calls_dir: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The campaign.
    pub campaign: Slug,
    /// Who writes.
    pub pens: Arc<Pens>,
}

/// What one look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Wrote {
    /// Transcripts that lie in their folders now.
    pub transcripts: u64,
    /// Summaries that lie in their folders now.
    pub summaries: u64,
    /// Those that there will never be.
    pub missing: u64,
    /// Those that are tried again later.
    pub later: u64,
    /// What all of it cost, by the dated table.
    pub cost: Money,
}

/// A try that came to nothing.
struct Stuck(Setback, String);

impl From<EngineFault> for Stuck {
    fn from(fault: EngineFault) -> Stuck {
        let setback = match &fault {
            EngineFault::Account { .. } | EngineFault::Missing { .. } => Setback::Account,
            EngineFault::Language { .. } | EngineFault::Refused { .. } => Setback::Refused,
            EngineFault::BadSound { .. } | EngineFault::Busy { .. } | EngineFault::Failed { .. } => Setback::Failed,
        };
        let why = match fault {
            EngineFault::Language { engine, language, .. } => format!("{engine}: does not know `{language}`"),
            EngineFault::Account { engine, why }
            | EngineFault::Missing { engine, why }
            | EngineFault::Refused { engine, why }
            | EngineFault::BadSound { engine, why }
            | EngineFault::Busy { engine, why, .. }
            | EngineFault::Failed { engine, why } => format!("{engine}: {why}"),
        };
        Stuck(setback, why)
    }
}

impl From<Failure> for Stuck {
    fn from(failure: Failure) -> Stuck {
        Stuck(Setback::Failed, failure.what)
    }
}

fn never(why: &str) -> Stuck {
    Stuck(Setback::Refused, why.to_owned())
}

impl Scribe {
    /// One look: first the transcripts that are due, then the summaries. Nothing while another process looks.
    pub async fn look(&self, which: Which) -> Result<Wrote, LedgerFault> {
        let mut wrote = Wrote::default();
        let _alone = match calllog::alone(&self.calls_dir) {
            Ok(Some(alone)) => alone,
            Ok(None) => return Ok(wrote),
            Err(failure) => {
                // No reason to stop calling people: it is waited for, and said so at the end.
                tracing::warn!(%failure, "calls are not written down");
                return Ok(wrote);
            }
        };
        for kind in Writing::ALL {
            let now = self.clock.wall();
            let (due, most) = match which {
                Which::Due => (now, limits::WRITINGS_A_LOOK),
                Which::All => (Wall(i64::MAX), limits::LIST_ROWS),
            };
            let campaign = self.campaign.clone();
            let found = self.ledger.run(move |ledger| ledger.due_writings(kind, &campaign, due, now, most)).await?;
            let mut ended =
                stream::iter(found).map(|due| self.one(kind, due)).buffer_unordered(limits::WRITINGS_AT_ONCE);
            while let Some(end) = ended.next().await {
                let (came_to, cost) = end?;
                wrote.cost += cost;
                match (came_to, kind) {
                    (Written::Done, Writing::Transcript) => wrote.transcripts += 1,
                    (Written::Done, Writing::Summary) => wrote.summaries += 1,
                    (Written::Missing(_), _) => wrote.missing += 1,
                    (Written::Later(..), _) => wrote.later += 1,
                }
            }
        }
        Ok(wrote)
    }

    /// How many are waited for; with `by`, only those that can be made by then.
    pub async fn waiting(&self, by: Option<Wall>) -> Result<u64, LedgerFault> {
        let campaign = self.campaign.clone();
        self.ledger.run(move |ledger| ledger.waiting_writings(&campaign, by)).await
    }

    async fn one(&self, kind: Writing, due: DueWriting) -> Result<(Written, Money), LedgerFault> {
        let mut cost = Money::default();
        let tried = match kind {
            Writing::Transcript => self.transcribe(&due, &mut cost).await,
            Writing::Summary => self.sum_up(&due, &mut cost).await,
        };
        let (came_to, counts) = match tried {
            Ok(()) => (Written::Done, true),
            Err(Stuck(setback, why)) => {
                tracing::debug!(call = %due.call, why, "a {} did not come to be", kind.as_str());
                let why: String = printable(&why).chars().take(limits::SERVICE_WORDS).collect();
                let next = after::next_try(setback, due.tries, due.since, self.clock.wall(), &why);
                (next, setback != Setback::Account)
            }
        };
        let (call, told) = (due.call, came_to.clone());
        self.ledger.run(move |ledger| ledger.writing_is(call, kind, &told, cost, counts)).await?;
        Ok((came_to, cost))
    }

    async fn folder(&self, due: &DueWriting) -> Result<PathBuf, Stuck> {
        if let Some(folder) = &due.folder {
            return Ok(self.calls_dir.join(folder));
        }
        let found = calllog::find(&self.calls_dir, due.call, due.made_at);
        let found = found.ok_or_else(|| never("the call left no recording: its process died"))?;
        let (call, known) = (due.call, found.strip_prefix(&self.calls_dir).unwrap_or(&found).display().to_string());
        let written = self.ledger.run(move |ledger| ledger.folder_found(call, &known)).await;
        written.map_err(|fault| Stuck(Setback::Failed, fault.to_string()))?;
        Ok(found)
    }

    async fn transcribe(&self, due: &DueWriting, cost: &mut Money) -> Result<(), Stuck> {
        let Some(transcriber) = &self.pens.transcriber else {
            return Err(never("the campaign names no [transcript] engine any more"));
        };
        let folder = self.folder(due).await?;
        let (call, place) = (due.call, folder.clone());
        let spoken = blocking(move || calllog::spoken(call, &place)).await?;
        let spoken = spoken.ok_or_else(|| never("there is no recording"))?;
        let language = due.language.as_str();
        let model = transcriber.model().map(|(kind, id)| (kind, id.to_owned()));
        let priced = |usage: Usage| match &model {
            Some((kind, id)) => table().bill(kind, id, usage, self.clock.wall()).cost,
            None => usage.cost,
        };
        let at_once = transcriber.concurrency().clamp(1, limits::RENDER_CONCURRENCY_MOST);
        let mut heard =
            stream::iter(spoken).map(|(place, pcm)| self.hear(&**transcriber, language, place, pcm)).buffered(at_once);
        let mut said = Vec::new();
        while let Some(piece) = heard.next().await {
            let (place, text, usage) = piece?;
            *cost += priced(usage);
            let text = printable(text.trim());
            if !text.is_empty() {
                said.push(Saying::heard(place.ours, place.from_ms, &text));
            }
        }
        blocking(move || calllog::write_transcript(&folder, &said)).await?;
        Ok(())
    }

    /// One piece, with the pauses that a busy service asks for.
    async fn hear(
        &self,
        transcriber: &dyn Transcriber,
        language: &str,
        place: Stretch,
        pcm: Pcm,
    ) -> Result<(Stretch, String, Usage), Stuck> {
        let wav = wav::write(&pcm);
        let mut wait = limits::RENDER_BACKOFF;
        for attempt in 1.. {
            let heard = tokio::time::timeout(limits::RENDER_TIMEOUT, transcriber.transcribe(&wav, language)).await;
            let fault = match heard {
                Ok(Ok(transcript)) => return Ok((place, transcript.text, transcript.usage)),
                Ok(Err(fault)) => fault,
                Err(_) => return Err(Stuck(Setback::Failed, format!("{}: no answer in time", transcriber.name()))),
            };
            let Some(pause) = pause_after(&fault, wait).filter(|_| attempt < limits::RENDER_TRIES) else {
                return Err(fault.into());
            };
            self.clock.sleep(pause).await;
            wait *= 2;
        }
        unreachable!("the loop ends at the last try")
    }

    async fn sum_up(&self, due: &DueWriting, cost: &mut Money) -> Result<(), Stuck> {
        let Some(summarizer) = &self.pens.summarizer else {
            return Err(never("the campaign names no [summary] engine any more"));
        };
        let folder = self.folder(due).await?;
        let (call, place) = (due.call, folder.clone());
        let said = blocking(move || {
            // Made from the events, if no engine has made one.
            calllog::transcript(call, &place)?;
            calllog::said(&place)
        })
        .await?;
        let said = said.filter(|said| said.iter().any(|it| !it.ours));
        let said = said.ok_or_else(|| never("nobody wrote down that the person said anything"))?;
        let task = Task {
            instructions: after::instructions(&self.pens.outcomes),
            material: after::material(&said, &due.keys),
            schema: after::answer_schema(&self.pens.outcomes),
        };
        let asked = tokio::time::timeout(limits::RENDER_TIMEOUT, summarizer.sum_up(&task)).await;
        let answer =
            asked.map_err(|_| Stuck(Setback::Failed, format!("{}: no answer in time", summarizer.name())))??;
        *cost += match (summarizer.price(), summarizer.model()) {
            (Some(price), _) => price.of(&answer.usage),
            (None, Some((kind, id))) => table().bill(kind, id, answer.usage, self.clock.wall()).cost,
            (None, None) => answer.usage.cost,
        };
        let summary = after::read_summary(&answer.text, &self.pens.outcomes)
            .map_err(|why| Stuck(Setback::Failed, format!("{}: {why}", summarizer.name())))?;
        blocking(move || calllog::write_summary(&folder, &summary)).await?;
        Ok(())
    }
}

/// Files are read and written beside the runtime: recordings are long.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Stuck> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| Stuck(Setback::Failed, format!("a bug: {error}")))??)
}

/// What `ahoy calls fetch` wrote down, of one campaign.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct WrittenReport {
    /// The campaign.
    pub campaign: String,
    /// What came of it.
    pub written: Wrote,
    /// Still waited for.
    pub waiting: u64,
    /// The newest that are missing for good: call, `transcript` or `summary`, why.
    pub missing: Vec<(String, String, String)>,
}

/// Missing writings that a report names.
const MISSING_SHOWN: u32 = 100;
/// Between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// Writes down what is waited for, of every campaign; with `wait`, until nothing is, at most so long.
///
/// Errors: a campaign whose file cannot be read, a key or a program that is not there.
pub async fn write_down(
    ws: &Workspace,
    ledger: &LedgerHandle,
    clock: &Arc<dyn Clock>,
    wait: Option<Duration>,
) -> Result<Vec<WrittenReport>, Failure> {
    let until = clock.boot() + wait.unwrap_or_default();
    let mut reports = Vec::new();
    for campaign in ledger.run(|ledger| ledger.campaigns_with_writings()).await? {
        let wanted: Campaign = match ws.campaign(&campaign) {
            Ok(wanted) => wanted,
            Err(failure) => {
                // Others are not held up by a campaign whose file is gone or broken.
                tracing::warn!(%campaign, %failure, "its calls are not written down");
                continue;
            }
        };
        let scribe = Scribe {
            ledger: ledger.clone(),
            calls_dir: ws.calls_dir(),
            clock: Arc::clone(clock),
            campaign: campaign.clone(),
            pens: Arc::new(Pens::open(ws, &wanted.after)?),
        };
        let mut all = Wrote::default();
        let waiting = loop {
            let wrote = scribe.look(Which::All).await?;
            all = Wrote {
                transcripts: all.transcripts + wrote.transcripts,
                summaries: all.summaries + wrote.summaries,
                missing: all.missing + wrote.missing,
                later: wrote.later,
                cost: all.cost + wrote.cost,
            };
            let waiting = scribe.waiting(None).await?;
            if waiting == 0 || clock.boot() >= until {
                break waiting;
            }
            clock.sleep(BETWEEN_LOOKS).await;
        };
        let missing = ledger.run(move |ledger| ledger.missing_writings(&campaign, MISSING_SHOWN)).await?;
        reports.push(WrittenReport {
            campaign: scribe.campaign.to_string(),
            written: all,
            waiting,
            missing: missing.into_iter().map(|(call, kind, why)| (call.to_string(), kind, why)).collect(),
        });
    }
    Ok(reports)
}

/// What a call's folder has in words.
pub fn summary_of(folder: &Path) -> Option<after::Summary> {
    // A file that cannot be read is shown by its path.
    calllog::summary(folder).ok().flatten()
}
