//! `GET /metrics`: what this process has done since its start, and what stands open now.

use super::House;
use crate::core::api::page::{Kind, Page};
use crate::core::api::{Answer, Body, ROUTES, Route};
use crate::core::dial::attempt::STATES;
use crate::run::campaign::Halt;
use crate::run::gateway;
use crate::run::metrics::{Metrics, STAGES};
use crate::store::ledger::{Holdings, Ledger, LedgerFault};

impl House {
    pub(super) async fn figures(&self) -> Answer {
        let accounts = self.accounts();
        let names: Vec<String> = accounts.iter().map(|(_, account)| account.clone()).collect();
        let ledger = self.engine.ledger().run(move |ledger: &mut Ledger| {
            let stop = |account: &String| Ok(ledger.account_stop(account)?.map(|_| account.clone()));
            let stopped = names.iter().map(stop).collect::<Result<Vec<_>, LedgerFault>>()?;
            Ok::<_, LedgerFault>((ledger.holdings()?, stopped))
        });
        let (holdings, stopped) = self.look(ledger).await.and_then(Result::ok).unzip();
        let stopped: Vec<String> = stopped.unwrap_or_default().into_iter().flatten().collect();
        let mut page = Page::default();
        page.family(
            "ahoy_build_info",
            Kind::Gauge,
            "The running version.",
            [([("version", env!("CARGO_PKG_VERSION"))], 1.0)],
        );
        calls(&mut page, self.engine.metrics());
        page.one(
            "ahoy_ledger_up",
            Kind::Gauge,
            "Whether the ledger could be read for this page.",
            f64::from(u8::from(holdings.is_some())),
        );
        page.one(
            "ahoy_ledger_queue_length",
            Kind::Gauge,
            "Units of work that wait for the ledger's writer.",
            self.engine.ledger().waiting() as f64,
        );
        if let Some(holdings) = holdings {
            held(&mut page, &holdings);
        }
        self.carriers(&mut page, &accounts, &stopped);
        self.agents(&mut page);
        let desks = self.engine.desks().map_or(0, |desks| desks.calls());
        page.one("ahoy_desk_calls", Kind::Gauge, "Calls that people made to us and that are open.", desks as f64);
        if let Some(clones) = &self.clones {
            page.histogram("ahoy_clone_seconds", "Time from wanting a caller's voice to having it.", &clones.seconds());
        }
        gateway(&mut page, self.engine.gateway_counts());
        self.requests(&mut page);
        Answer { body: Body::Metrics(page.text()), ..Answer::json(200, serde_json::Value::Null) }
    }

    /// `stopped`: accounts that the ledger says are stopped, open here or not.
    fn carriers(&self, page: &mut Page, accounts: &[(String, String)], stopped: &[String]) {
        let halted = self.engine.halted();
        for (name, halt, help) in [
            (
                "ahoy_carrier_stopped",
                Halt::Stopped,
                "Whether the carrier's account is stopped until a person has looked.",
            ),
            (
                "ahoy_carrier_unreachable",
                Halt::Unreachable,
                "Whether the carrier cannot be reached, or the clock is off.",
            ),
        ] {
            let of = |account: &String| {
                let kept = halt == Halt::Stopped && stopped.contains(account);
                kept || halted.iter().any(|(it, why)| it == account && *why == halt)
            };
            let labels = accounts
                .iter()
                .map(|(carrier, account)| ([("carrier", carrier.as_str())], f64::from(u8::from(of(account)))));
            page.family(name, Kind::Gauge, help, labels);
        }
    }

    fn agents(&self, page: &mut Page) {
        let doors = self.engine.agent_doors();
        let mut sessions = Vec::new();
        for (name, door) in &doors {
            for (stage, label) in STAGES {
                sessions.push(([("agent", name.as_str()), ("state", label)], door.stages().count(stage) as f64));
            }
        }
        page.family(
            "ahoy_agent_sessions",
            Kind::Gauge,
            "Sessions of an agent by state: being opened, ready and mute, having the line.",
            sessions,
        );
        let slots = doors.iter().map(|(name, door)| ([("agent", name.as_str())], door.most() as f64));
        page.family("ahoy_agent_slots", Kind::Gauge, "Sessions that an agent may have at once.", slots);
    }

    fn requests(&self, page: &mut Page) {
        let answered = self.counts.answered.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let rows: Vec<(&str, String, u64)> =
            answered.iter().map(|((route, status), count)| (path_of(*route), status.to_string(), *count)).collect();
        let labels =
            rows.iter().map(|(path, status, count)| ([("path", *path), ("status", status.as_str())], *count as f64));
        page.family(
            "ahoy_api_requests_total",
            Kind::Counter,
            "Requests to this API by path and HTTP status; 401 and 429 are requests without the token.",
            labels,
        );
        page.one(
            "ahoy_api_turned_away_total",
            Kind::Counter,
            "Connections to this API that were closed because there were too many.",
            self.counts.pressed.load(std::sync::atomic::Ordering::Relaxed) as f64,
        );
    }
}

/// A route's path as a label: with its `{…}`, never with what stood there.
fn path_of(route: Option<Route>) -> &'static str {
    let spot = ROUTES.iter().find(|spot| Some(spot.route) == route);
    spot.map_or("other", |spot| spot.path)
}

fn calls(page: &mut Page, metrics: &Metrics) {
    let outcomes = metrics.outcomes();
    let ended = outcomes.iter().map(|(outcome, count)| ([("outcome", outcome.as_str())], *count as f64));
    page.family("ahoy_calls_ended_total", Kind::Counter, "Attempts that are over, by outcome.", ended);
    page.one("ahoy_calls_ordered_total", Kind::Counter, "Calls ordered at a carrier.", metrics.orders() as f64);
    let greetings = metrics.greetings().into_iter().map(|(label, count)| ([("source", label)], count as f64));
    page.family(
        "ahoy_greetings_total",
        Kind::Counter,
        "Calls ordered, by where their greeting comes from: the cache, the plain one from the cache because their own was \
         not rendered, or rendered while it rings.",
        greetings,
    );
    page.histogram(
        "ahoy_first_audio_seconds",
        "Time from a stream's start to its first sound.",
        &metrics.first_audio.spread(),
    );
    page.one("ahoy_barge_ins_total", Kind::Counter, "Times that speech stopped our sound.", metrics.barge_ins() as f64);
    page.histogram(
        "ahoy_barge_in_seconds",
        "Time from the beginning of speech over our sound to its stop, of the call's sound.",
        &metrics.barge_in.spread(),
    );
}

/// Every state has a line, so that a rate over them never misses one.
fn held(page: &mut Page, holdings: &Holdings) {
    let open = STATES.into_iter().filter(|state| state.is_open() || state.as_str() == "zombie");
    let counts = open.map(|state| {
        let count = holdings.open.iter().find(|(it, _)| *it == state).map_or(0, |(_, count)| *count);
        ([("state", state.as_str())], count as f64)
    });
    page.family(
        "ahoy_calls",
        Kind::Gauge,
        "Open attempts by state; unknown: whether the call exists is being asked at the carrier.",
        counts,
    );
    let tasks = holdings.tasks.iter().map(|(kind, count)| ([("kind", kind.as_str())], *count as f64));
    page.family("ahoy_tasks_waiting", Kind::Gauge, "Work that comes after calls and is not done yet, by kind.", tasks);
}

fn gateway(page: &mut Page, counts: Option<gateway::Counts>) {
    let up = f64::from(u8::from(counts.is_some()));
    page.one("ahoy_gateway_up", Kind::Gauge, "Whether the gateway's port is open.", up);
    let counts = counts.unwrap_or_default();
    page.one("ahoy_live_streams", Kind::Gauge, "Media streams that are open.", counts.live as f64);
    let refused = [
        ([("reason", "signature")], counts.forged as f64),
        ([("reason", "token")], counts.refused as f64),
        ([("reason", "room")], counts.pressed as f64),
    ];
    page.family("ahoy_gateway_refused_total", Kind::Counter, "What the gateway turned away, by reason.", refused);
    let lost = [([("reason", "slow")], counts.log_lost as f64), ([("reason", "failed")], counts.log_failed as f64)];
    page.family("ahoy_call_log_lost_total", Kind::Counter, "Parts of call logs that could not be written.", lost);
}
