//! What comes after calls, asked of the carrier: recordings, fetched into their calls' folders, and prices.
//! What is waited for stands in the ledger: a crash, a lost callback or a run that ended early loses none of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::carriers;
use super::clock::Clock;
use super::ledger::LedgerHandle;
use super::writings::{WrittenReport, write_down};
use crate::base::{Exit, Failure, Money, Sid, Wall, limits};
use crate::core::call::recording::{End, end_of, later};
use crate::edge::carrier::{AskFault, Carrier, ListQuery, SoundFile};
use crate::store::calllog;
use crate::store::ledger::writer::Writer;
use crate::store::ledger::{DueRecording, Ledger, LedgerFault, OpenOptions};
use crate::store::workspace::Workspace;

/// An account whose recordings and prices are wanted.
#[derive(Clone)]
pub struct Wanted {
    /// The carrier.
    pub carrier: Arc<dyn Carrier>,
    /// Its account in the ledger.
    pub account: String,
    /// The ledger.
    pub ledger: LedgerHandle,
    /// Where call logs lie.
    pub calls_dir: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What one look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Looked {
    /// Recordings that lie in their folders now.
    pub fetched: u64,
    /// Recordings that there will never be.
    pub missing: u64,
    /// Recordings that are asked for again later.
    pub later: u64,
}

/// Which recordings a look is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those whose time has come.
    Due,
    /// All that are waited for: a person asks.
    All,
}

/// What asking for prices came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Prices {
    /// Calls whose price is known now.
    pub told: u64,
    /// Their sum.
    pub sum: Money,
    /// Calls whose price the carrier has not told yet.
    pub untold: u64,
}

impl SoundFile for calllog::Fetched {
    fn held(&self) -> u64 {
        calllog::Fetched::held(self)
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        calllog::Fetched::append(self, bytes)
    }

    fn restart(&mut self) -> std::io::Result<()> {
        calllog::Fetched::restart(self)
    }
}

/// Why a look ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookFault {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
    /// The carrier: it refuses the account, or gives no list of prices.
    #[error(transparent)]
    Carrier(AskFault),
}

impl Wanted {
    /// One look at recordings; calls `each` after each of them.
    pub async fn recordings(&self, which: Which, mut each: impl FnMut(&Looked)) -> Result<Looked, LookFault> {
        let (until, most) = match which {
            Which::Due => (self.clock.wall(), limits::RECORDINGS_A_LOOK),
            Which::All => (Wall(i64::MAX), limits::LIST_ROWS),
        };
        let account = self.account.clone();
        let due = self.ledger.run(move |ledger| ledger.due_recordings(&account, until, most)).await?;
        let mut looked = Looked::default();
        let mut ended = stream::iter(due).map(|due| self.one(due)).buffer_unordered(limits::RECORDINGS_AT_ONCE);
        while let Some(end) = ended.next().await {
            match end? {
                End::Fetched => looked.fetched += 1,
                End::Missing(_) => looked.missing += 1,
                End::Later(_) => looked.later += 1,
            }
            each(&looked);
        }
        Ok(looked)
    }

    async fn one(&self, due: DueRecording) -> Result<End, LookFault> {
        let end = match self.ask(&due).await {
            Ok(end) => end,
            Err(fault) if fault.stop().is_some() => return Err(LookFault::Carrier(fault)),
            Err(AskFault::Gone) => End::Missing("the carrier does not know it (any more)".to_owned()),
            Err(fault) => {
                tracing::debug!(call = %due.call, %fault, "a recording could not be fetched");
                later(due.begun, self.clock.wall(), &format!("could not be fetched in a day: {fault}"))
            }
        };
        let (call, told) = (due.call, end.clone());
        self.ledger.run(move |ledger| ledger.recording_is(call, &told)).await?;
        Ok(end)
    }

    async fn ask(&self, due: &DueRecording) -> Result<End, AskFault> {
        let (recording, state) = match &due.recording {
            Some(recording) => (recording.clone(), self.carrier.recording(recording).await?),
            // The answer to our request was lost: whatever the call has is ours.
            None => match self.carrier.recordings_of(&due.sid).await?.pop() {
                Some(found) => found,
                None => return Ok(later(due.begun, self.clock.wall(), "the carrier made none")),
            },
        };
        if let Some(end) = end_of(state, due.begun, self.clock.wall()) {
            return Ok(end);
        }
        let disk = |error: std::io::Error| AskFault::Failed { cause: format!("the file: {error}") };
        let folder = match &due.folder {
            Some(folder) => self.calls_dir.join(folder),
            None => calllog::folder(&self.calls_dir, due.call, due.begun),
        };
        let mut sound = calllog::Fetched::open(&folder).map_err(disk)?;
        for tries in 1.. {
            let held = sound.held();
            match self.carrier.fetch_sound(&recording, &mut sound).await {
                Ok(()) => break,
                // Its state is told before its sound can be had: a moment more.
                Err(AskFault::Gone) => return Err(AskFault::Failed { cause: "no sound yet".to_owned() }),
                // The connection broke on its way: it is gone on with at once.
                Err(AskFault::Failed { .. }) if sound.held() > held && tries < limits::RECORDING_PARTS => {}
                Err(fault) => return Err(fault),
            }
        }
        sound.finish().map_err(disk)?;
        Ok(End::Fetched)
    }

    /// How many recordings of the account are waited for.
    pub async fn waiting(&self) -> Result<u64, LedgerFault> {
        let account = self.account.clone();
        self.ledger.run(move |ledger| ledger.waiting_recordings(&account)).await
    }

    /// Asks what calls cost that have no price yet: one list for each number that was called from.
    pub async fn prices(&self) -> Result<Prices, LookFault> {
        let oldest = self.clock.wall() - Duration::from_secs(limits::PRICE_DAYS * 86_400);
        let account = self.account.clone();
        let unpriced = self.ledger.run(move |ledger| ledger.unpriced(&account, oldest)).await?;
        let mut all = Prices::default();
        for caller in unpriced {
            let query = ListQuery { from: &caller.caller, to: None, since: caller.since };
            let listed = self.carrier.list(query).await.map_err(LookFault::Carrier)?;
            let told: Vec<(Sid, Money)> =
                listed.calls.into_iter().filter_map(|call| Some((call.sid, call.price?))).collect();
            let account = self.account.clone();
            let (taken, sum) = self.ledger.run(move |ledger| ledger.priced(&account, &told)).await?;
            all.told += taken;
            all.sum += sum;
            all.untold += caller.calls.saturating_sub(taken);
        }
        Ok(all)
    }
}

/// What `ahoy calls fetch` came to, for one carrier.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct FetchReport {
    /// The carrier's name in `ahoy.toml`.
    pub carrier: String,
    /// Recordings.
    pub recordings: Looked,
    /// Still waited for.
    pub waiting: u64,
    /// Prices.
    pub prices: Prices,
    /// The newest calls whose recording is missing for good, and why.
    pub missing: Vec<(String, String)>,
}

/// What `ahoy calls fetch` came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fetched {
    /// Recordings and prices, by carrier.
    pub carriers: Vec<FetchReport>,
    /// Transcripts and summaries, by campaign.
    pub written: Vec<WrittenReport>,
}

/// Missing recordings that a report names.
const MISSING_SHOWN: u32 = 100;
/// Between two looks of `ahoy calls fetch --wait`.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// Asks every carrier for what comes after calls, then writes down and sums up what is waited for; with `wait`, until nothing
/// is, each at most so long. May run beside a campaign.
///
/// Errors: exit 12 if an account is refused, 1 if a carrier cannot be asked.
pub async fn fetch(
    ws: &Workspace,
    clock: Arc<dyn Clock>,
    wait: Option<Duration>,
    mut each: impl FnMut(&Looked),
) -> Result<Fetched, Failure> {
    let ledger = Ledger::open(&ws.ledger_path(), &OpenOptions::with_fresh_key(clock.wall()))?;
    let ledger = LedgerHandle::new(Writer::start(ledger)?);
    let mut reports = Vec::new();
    for name in ws.config.carriers.keys() {
        let account = carriers::account_of(ws, name)?;
        let oldest = clock.wall() - Duration::from_secs(limits::PRICE_DAYS * 86_400);
        let asked = account.clone();
        let idle = ledger
            .run(move |ledger| {
                Ok::<_, LedgerFault>(
                    ledger.waiting_recordings(&asked)? == 0 && ledger.unpriced(&asked, oldest)?.is_empty(),
                )
            })
            .await?;
        if idle {
            continue;
        }
        let opened = carriers::open(ws, name, Arc::clone(&clock)).await?;
        let wanted = Wanted {
            carrier: opened.carrier,
            account,
            ledger: ledger.clone(),
            calls_dir: ws.calls_dir(),
            clock: Arc::clone(&clock),
        };
        let report = fetch_one(&wanted, name, wait, &mut each).await.map_err(|fault| failure(name, fault));
        if let Some(sim) = opened.sim {
            sim.stop().await;
        }
        reports.push(report?);
    }
    let written = write_down(ws, &ledger, &clock, wait).await?;
    Ok(Fetched { carriers: reports, written })
}

async fn fetch_one(
    wanted: &Wanted,
    name: &str,
    wait: Option<Duration>,
    each: &mut impl FnMut(&Looked),
) -> Result<FetchReport, LookFault> {
    let until = wanted.clock.boot() + wait.unwrap_or_default();
    let mut report = FetchReport { carrier: name.to_owned(), ..FetchReport::default() };
    loop {
        let before = report.recordings;
        let looked = wanted.recordings(Which::All, |looked| each(&before.and(*looked))).await?;
        report.recordings = before.and(looked);
        report.waiting = wanted.waiting().await?;
        if report.waiting == 0 || wanted.clock.boot() >= until {
            break;
        }
        wanted.clock.sleep(BETWEEN_LOOKS).await;
    }
    report.prices = wanted.prices().await?;
    let account = wanted.account.clone();
    let missing = wanted.ledger.run(move |ledger| ledger.missing_recordings(&account, MISSING_SHOWN)).await?;
    report.missing = missing.into_iter().map(|(call, why)| (call.to_string(), why)).collect();
    Ok(report)
}

impl Looked {
    /// This look and an earlier one: what is asked for later is counted once.
    fn and(self, later: Looked) -> Looked {
        Looked { fetched: self.fetched + later.fetched, missing: self.missing + later.missing, later: later.later }
    }
}

fn failure(carrier: &str, fault: LookFault) -> Failure {
    match fault {
        LookFault::Ledger(fault) => Failure::from(fault),
        LookFault::Carrier(fault) if fault.stop().is_some() => {
            Failure::new(Exit::Account, format!("carrier {carrier}: {fault}")).next("`ahoy doctor` tells what is wrong")
        }
        LookFault::Carrier(fault) => {
            Failure::bug(format!("carrier {carrier}: {fault}")).next("run `ahoy calls fetch` again later")
        }
    }
}
