//! `ahoy doctor --live`: one real call to one's own telephone, the whole way round: order, callbacks, stream, sound.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use uuid::Uuid;

use super::{DoctorReport, State, UNREACHED, script};
use crate::base::{AttemptId, Boot, Exit, Failure, Phone, Sid, Slug, limits};
use crate::core::call::{Answerer, ULAW_SILENCE};
use crate::core::config::{Campaign, CarrierConfig};
use crate::core::dial::{CallStatus, VerdictPolicy};
use crate::core::sound::tone::BEEP;
use crate::core::wire::signature::Trusted;
use crate::core::wire::token;
use crate::edge::carrier::{Carrier, Ending, Order, PlaceFault, Refusal};
use crate::edge::gateway::guard::Bounds;
use crate::run::campaign::{Urls, document, ledger_failure, open_ledger};
use crate::run::carriers::{self, OpenCarrier};
use crate::run::clock::Clock;
use crate::run::gateway::{
    self, Boxed, CallDesk, CallSummary, Expected, GatewayOptions, Overloaded, Registry, StatusEvent,
};
use crate::run::{pbx, stop};
use crate::store::ledger::lock::{DialLock, Holder};
use crate::store::ledger::{ForeignCall, Ledger, OpenOptions};
use crate::store::scratch;
use crate::store::workspace::Workspace;

const SUBJECT: &str = "live call";
/// The longest that such a call lasts once it is answered.
const TALK: Duration = Duration::from_secs(20);
/// What the last callback may come later than the end of the stream.
const LAST_WORD: Duration = Duration::from_secs(10);
/// Between two looks at the carrier.
const LOOK: Duration = Duration::from_secs(5);

/// A call to be made: by which carrier, from which of our numbers, to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCall {
    /// Name of the carrier in `ahoy.toml`.
    pub carrier: String,
    /// The number that is shown.
    pub from: Phone,
    /// One's own telephone.
    pub to: Phone,
}

impl LiveCall {
    /// Chooses what was not said: the only carrier that campaigns call by, the first number that one calls from.
    ///
    /// Errors: nothing or too much to choose from.
    pub fn plan(ws: &Workspace, carriers: &[String], from: Option<Phone>, to: Phone) -> Result<LiveCall, Failure> {
        let names = ws.campaign_names()?;
        let campaigns: Vec<Campaign> = names.iter().filter_map(|name| ws.campaign(name).ok()).collect();
        let dialed: BTreeSet<&String> = campaigns.iter().map(|campaign| &campaign.carrier).collect();
        let carrier = match (carriers, dialed.into_iter().collect::<Vec<_>>().as_slice()) {
            ([named], _) => named.clone(),
            ([], [only]) => (*only).clone(),
            _ => {
                return Err(Failure::usage("--live makes one call by one carrier")
                    .next("name it: ahoy doctor CARRIER --live NUMBER"));
            }
        };
        if !ws.config.carriers.contains_key(&carrier) {
            return Err(Failure::usage(format!("no carrier `{carrier}` in ahoy.toml")));
        }
        let ours = campaigns.iter().filter(|campaign| campaign.carrier == carrier);
        let ours = ours.flat_map(|campaign| campaign.callers.iter().cloned()).next();
        let from = from.or(ours).ok_or_else(|| {
            Failure::usage(format!("no campaign calls by carrier {carrier}: which number shall be shown?"))
                .next("say it with --from")
        })?;
        Ok(LiveCall { carrier, from, to })
    }
}

/// Makes the call, waits for its end, and adds what was found. The ledger knows it: it counts towards the caps of its number.
///
/// Errors: the ledger cannot be used (exit 11: somebody dials on it), the number must not be called (exit 2), the carrier
/// cannot be opened.
pub(super) async fn make(
    report: &mut DoctorReport,
    ws: &Workspace,
    clock: Arc<dyn Clock>,
    live: &LiveCall,
) -> Result<(), Failure> {
    let now = clock.wall();
    let holder = Holder { pid: std::process::id(), campaign: "ahoy doctor --live".to_owned(), since: now };
    let _held = DialLock::take(&ws.ledger_path(), &holder)?;
    let mut ledger = open_ledger(ws, now)?;
    let open = carriers::open(ws, &live.carrier, Arc::clone(&clock)).await?;
    may_be_called(&ledger, &open, live, &*clock)?;
    let config = &ws.config.carriers[&live.carrier];
    let sound = scratch::folder()?;
    let line = match Line::open(ws, &open, sound.path(), Arc::clone(&clock)).await {
        Ok(line) => line,
        Err(fault) => {
            report.add(SUBJECT, "gateway", State::Fail, fault.what, fault.next.as_deref().unwrap_or(""));
            return Ok(());
        }
    };
    line.call(report, &mut ledger, config, live).await?;
    line.gateway.stop().await;
    Ok(())
}

/// What forbids any call forbids this one.
fn may_be_called(ledger: &Ledger, open: &OpenCarrier, live: &LiveCall, clock: &dyn Clock) -> Result<(), Failure> {
    let fault = |fault| ledger_failure(&fault);
    if ledger.is_suppressed(&live.to).map_err(fault)? {
        return Err(Failure::usage(format!("{} is on the list of numbers that are never called", live.to))
            .next("`ahoy leads unsuppress` takes it off, with a reason"));
    }
    if ledger.phone_history(&live.to, clock.wall()).map_err(fault)?.open {
        return Err(Failure::usage(format!("a call to {} is open: nobody is rung twice at once", live.to))
            .next("`ahoy reconcile` asks what became of it"));
    }
    match ledger.account_stop(&open.account).map_err(fault)? {
        Some(why) => Err(Failure::new(Exit::Account, format!("{} is stopped: {why}", open.account))
            .next("`ahoy campaign resume NAME` when what stopped it is mended")),
        None => Ok(()),
    }
}

/// Everything that one call needs.
struct Line {
    carrier: Arc<dyn Carrier>,
    account: String,
    gateway: gateway::GatewayHandle,
    registry: Registry,
    key: token::TokenKey,
    seen: Arc<Seen>,
    clock: Arc<dyn Clock>,
    _attached: Option<pbx::Attached>,
}

impl Line {
    /// `sound`: where the call's log goes.
    async fn open(ws: &Workspace, open: &OpenCarrier, sound: &Path, clock: Arc<dyn Clock>) -> Result<Line, Failure> {
        let registry = Registry::default();
        let seen = Arc::new(Seen {
            carrier: Arc::clone(&open.carrier),
            clock: Arc::clone(&clock),
            state: Mutex::default(),
            news: Notify::new(),
        });
        let key = OpenOptions::with_fresh_key(clock.wall()).fresh_key;
        let options = GatewayOptions {
            listen: ws.config.listen,
            public_url: ws.config.public_url.clone(),
            auth_tokens: Vec::new(),
            token_key: key,
            calls_dir: sound.to_owned(),
            bounds: Bounds::default(),
            quiet: false,
        };
        let desk = Arc::clone(&seen) as Arc<dyn CallDesk>;
        let gateway = gateway::start(options, desk, registry.clone(), Arc::clone(&clock))?;
        open.trusted.iter().for_each(|trusted: &Trusted| gateway.trust(trusted.clone()));
        let attached = pbx::attach_to(ws, open, Some(gateway.streams()), &clock).await?;
        Ok(Line {
            carrier: Arc::clone(&open.carrier),
            account: open.account.clone(),
            gateway,
            registry,
            key,
            seen,
            clock,
            _attached: attached,
        })
    }

    async fn call(
        &self,
        report: &mut DoctorReport,
        ledger: &mut Ledger,
        config: &CarrierConfig,
        live: &LiveCall,
    ) -> Result<(), Failure> {
        let attempt = AttemptId(Uuid::now_v7());
        let order = self.order(attempt, config, live)?;
        let mut stop = stop::listen()?;
        let asked = self.clock.boot();
        let sid = match self.carrier.place(&order).await {
            Ok(placed) => {
                let took = self.clock.boot().since(asked).as_millis();
                report.add(SUBJECT, "order", State::Ok, format!("taken within {took} ms"), "");
                Some(placed.sid)
            }
            Err(fault @ (PlaceFault::Unnamed | PlaceFault::MaybePlaced { .. })) => {
                report.add(SUBJECT, "order", State::Warn, fault.to_string(), "");
                self.carrier.own_sid(attempt)
            }
            Err(fault) => {
                report.refused |= matches!(fault, PlaceFault::Refused { what: Refusal::Account(_), .. });
                report.add(
                    SUBJECT,
                    "order",
                    State::Fail,
                    fault.to_string(),
                    "look the code up in the carrier's documentation",
                );
                return Ok(());
            }
        };
        if let Some(sid) = &sid {
            self.write_down(ledger, sid, live)?;
        }
        let most = config.ring_timeout + TALK + LAST_WORD;
        tokio::select! {
            _ = timeout(most, self.seen.until_over()) => {}
            () = self.until_over_there(sid.as_ref()) => {}
            _ = stop.changed() => report.add(SUBJECT, "call", State::Skipped, "stopped by a signal", ""),
        }
        let sid = sid.or_else(|| self.seen.state().sid.clone());
        if let Some(sid) = &sid {
            // Written once: what the order's answer named is known already.
            self.write_down(ledger, sid, live)?;
            if !self.seen.state().is_over() {
                let _what_the_list_will_tell = self.carrier.end(sid, Ending::HangUp).await;
            }
        }
        self.tell(report, sid.as_ref(), asked).await;
        Ok(())
    }

    /// Until the carrier, asked, says that the call is over, and what it still had to tell has had its time: whoever cannot be
    /// reached hears nothing.
    async fn until_over_there(&self, sid: Option<&Sid>) {
        let Some(sid) = sid else { return std::future::pending().await };
        loop {
            self.clock.sleep(LOOK).await;
            if self.carrier.fetch(sid).await.is_ok_and(|call| call.status.is_terminal()) {
                return self.clock.sleep(LAST_WORD).await;
            }
        }
    }

    fn order(&self, attempt: AttemptId, config: &CarrierConfig, live: &LiveCall) -> Result<Order, Failure> {
        let call_token = token::mint(&self.key, attempt);
        let card = self.carrier.card();
        let urls = Urls { stream: self.gateway.stream_url(), status: self.gateway.status_url("") };
        let language = "en".parse().map_err(|_| Failure::bug("a language"))?;
        let expected = Expected {
            attempt,
            call: attempt.call(),
            token: call_token.clone(),
            expires: self.clock.boot() + config.ring_timeout + TALK + limits::PLACE_TIMEOUT,
            proof: card.stream,
            script: Arc::new(script(beeps())),
            late: None,
        };
        self.registry.expect(expected).map_err(|_| Failure::bug("the gateway has no room for a stream"))?;
        Ok(Order {
            attempt,
            to: live.to.clone(),
            from: live.from.clone(),
            ring_timeout: config.ring_timeout,
            time_limit: TALK,
            twiml: document(&urls, card, attempt, &call_token, &language),
            status_url: format!("{}{call_token}", urls.status),
            reason: None,
            machines: false,
        })
    }

    /// The next run asks the carrier for calls that this ledger does not know.
    fn write_down(&self, ledger: &mut Ledger, sid: &Sid, live: &LiveCall) -> Result<(), Failure> {
        let now = self.clock.wall();
        let call = ForeignCall {
            sid: sid.clone(),
            to: live.to.clone(),
            from: live.from.clone(),
            made_at: now,
            status: CallStatus::Queued,
            duration_s: None,
        };
        let of_no_lead: [(Slug, VerdictPolicy); 0] = [];
        ledger.import_foreign(&self.account, &[call], &of_no_lead, now).map_err(|fault| ledger_failure(&fault))?;
        Ok(())
    }

    async fn tell(&self, report: &mut DoctorReport, sid: Option<&Sid>, asked: Boot) {
        let told = self.seen.state().told.clone();
        let callback = |wanted: CallStatus| told.iter().find(|(status, _)| *status == wanted).map(|(_, at)| *at);
        match told.first() {
            Some((_, first)) => {
                let found = format!(
                    "{} came, their signatures are right; the first after {} ms",
                    told.len(),
                    first.since(asked).as_millis()
                );
                report.add(SUBJECT, "callbacks", State::Ok, found, "");
            }
            None => {
                let found = format!("none arrived within {} s", self.clock.boot().since(asked).as_secs());
                report.add(SUBJECT, "callbacks", State::Fail, found, UNREACHED);
            }
        }
        let at_the_carrier = match sid {
            Some(sid) => self.carrier.fetch(sid).await.ok().map(|call| call.status),
            None => None,
        };
        let last = told.last().map(|(status, _)| *status).filter(|status| status.is_terminal()).or(at_the_carrier);
        let stream = self.seen.state().stream.clone();
        let answered =
            callback(CallStatus::InProgress).is_some() || last == Some(CallStatus::Completed) || stream.is_some();
        if !answered {
            let found = match last {
                Some(status) => format!("nobody answered: {status}"),
                None => "nobody answered, and the carrier does not say what became of it".to_owned(),
            };
            report.add(
                SUBJECT,
                "answer",
                State::Warn,
                found,
                "answer the telephone when it rings: what comes after could not be tried",
            );
            return;
        }
        report.add(SUBJECT, "answer", State::Ok, "somebody or something answered", "");
        let Some(stream) = stream else {
            report.add(SUBJECT, "stream", State::Fail, "the carrier opened none, or it was refused", UNREACHED);
            return;
        };
        self.tell_of_sound(report, &stream);
    }

    fn tell_of_sound(&self, report: &mut DoctorReport, stream: &CallSummary) {
        match stream.first_audio_us {
            Some(us) => {
                let found = format!("our first sound left {:.1} ms after its start", us as f64 / 1_000.0);
                report.add(SUBJECT, "stream", State::Ok, found, "");
            }
            None => report.add(SUBJECT, "stream", State::Fail, "it opened and broke before our first sound", UNREACHED),
        }
        let (heard, whole) = (stream.notes.greeting_heard_ms, stream.notes.greeting_total_ms);
        let found = format!("{heard} of {whole} ms of our beeps were played, by the carrier's marks");
        match heard >= whole {
            true => report.add(SUBJECT, "played", State::Ok, found, ""),
            false => report.add(SUBJECT, "played", State::Warn, found, "whoever hangs up early hears less: try again"),
        }
        match stream.notes.media_ms {
            0 => report.add(
                SUBJECT,
                "heard",
                State::Fail,
                "none of their sound came",
                "the stream must carry the callee's track",
            ),
            ms => report.add(SUBJECT, "heard", State::Ok, format!("{ms} ms of their sound came"), ""),
        }
    }
}

/// Three beeps of 400 ms.
fn beeps() -> Vec<u8> {
    let pause = [ULAW_SILENCE; 1_600];
    [&BEEP[..], &pause, &BEEP, &pause, &BEEP].concat()
}

/// What the carrier and the stream told.
struct Seen {
    carrier: Arc<dyn Carrier>,
    clock: Arc<dyn Clock>,
    state: Mutex<SeenState>,
    news: Notify,
}

#[derive(Default)]
struct SeenState {
    sid: Option<Sid>,
    told: Vec<(CallStatus, Boot)>,
    stream: Option<CallSummary>,
    streaming: bool,
}

impl SeenState {
    fn is_over(&self) -> bool {
        self.told.iter().any(|(status, _)| status.is_terminal())
    }
}

impl Seen {
    fn state(&self) -> MutexGuard<'_, SeenState> {
        // Every change is one step: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the carrier said its last word and the stream, if one began, is over.
    async fn until_over(&self) {
        loop {
            let news = self.news.notified();
            let (over, streaming, stream) = {
                let state = self.state();
                (state.is_over(), state.streaming, state.stream.is_some())
            };
            match (over, streaming && !stream) {
                (true, false) => return,
                // The stream's last words are written: it is told of at once.
                (true, true) => news.await,
                (false, _) if stream => {
                    if timeout(LAST_WORD, news).await.is_err() {
                        return;
                    }
                }
                (false, _) => news.await,
            }
        }
    }
}

impl CallDesk for Seen {
    fn status(&self, event: StatusEvent) -> Boxed<'_, Result<(), Overloaded>> {
        let now = self.clock.boot();
        let mut state = self.state();
        state.sid = state.sid.take().or(event.sid);
        state.told.push((event.status, now));
        drop(state);
        self.news.notify_one();
        Box::pin(async { Ok(()) })
    }

    fn answered_by(&self, _: AttemptId, _: Answerer) -> Boxed<'_, Result<(), Overloaded>> {
        Box::pin(async { Ok(()) })
    }

    fn opt_out(&self, _: AttemptId) -> Boxed<'_, Result<(), Overloaded>> {
        Box::pin(async { Ok(()) })
    }

    fn stream_started(&self, _: AttemptId, _: Option<Sid>) {
        self.state().streaming = true;
    }

    fn hang_up(&self, _: AttemptId, sid: Sid) -> Boxed<'_, ()> {
        Box::pin(async move {
            let _its_own_time_limit_ends_it = self.carrier.end(&sid, Ending::HangUp).await;
        })
    }

    fn ended(&self, summary: CallSummary) -> Boxed<'_, ()> {
        self.state().stream = Some(summary);
        self.news.notify_one();
        Box::pin(async {})
    }
}
