//! Law 8, listened to: between a stream's `start` and its first sound nothing asks a database, a disk, a carrier, an agent
//! or any other service. A whole run in this process, with its ledger, its call logs and its agent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ahoy::base::doors;
use ahoy::core::dial::desk::Stop;
use ahoy::core::dial::note::Nobody;
use ahoy::run::campaign::{RunOptions, run as run_campaign};
use ahoy::run::clock::MachineClock;
use ahoy::store::ledger::{CallFilter, Ledger};
use ahoy::store::workspace::Workspace;
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::{Event, Id, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::emulator::{Act, Provider, Vendor};
use crate::openai::OpenAi;
use crate::{CAMPAIGN, shop};

const WAY: &str = "first_audio";

/// What was heard of the doors.
#[derive(Default)]
struct Heard {
    /// Doors used on the way to a first sound.
    inside: Vec<String>,
    /// Doors used anywhere else.
    elsewhere: BTreeMap<String, u64>,
    /// Ways to a first sound that are over.
    ways: u64,
}

#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Heard>>);

impl Listener {
    fn with<T>(&self, look: impl FnOnce(&mut Heard) -> T) -> T {
        look(&mut self.0.lock().expect("no panic holds it"))
    }
}

#[derive(Default)]
struct Name(String);

impl Visit for Name {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "door" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != doors::TARGET {
            return;
        }
        let mut name = Name::default();
        event.record(&mut name);
        let inside = context.event_scope(event).is_some_and(|mut scope| scope.any(|span| span.name() == WAY));
        self.with(|heard| match inside {
            true => heard.inside.push(name.0),
            false => *heard.elsewhere.entry(name.0).or_default() += 1,
        });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if context.span(&id).is_some_and(|span| span.name() == WAY) {
            self.with(|heard| heard.ways += 1);
        }
    }
}

#[test]
fn nothing_between_answer_and_first_sound_asks_a_database_a_disk_or_a_service() {
    let provider = Provider::start(Vendor::OpenAi(OpenAi::new()), vec![Act::Well]);
    let shop = shop(&provider, "callee_converses = 1.0", CAMPAIGN, 16);
    let file = shop.path("ahoy.toml");
    let text = std::fs::read_to_string(&file).expect("there");
    // This process has no key in its environment.
    std::fs::write(&file, text.replace("{ env = \"AHOY_TEST_AGENT\" }", "{ file = \"key\" }")).expect("written");
    std::fs::write(shop.path("key"), "sk-test-of-agents\n").expect("written");
    let listener = Listener::default();
    tracing::subscriber::set_global_default(Registry::default().with(listener.clone())).expect("nobody listens yet");

    let ws = Workspace::open(shop.dir.path()).expect("a workspace");
    let campaign = ws.campaign(&"c".parse().expect("a slug")).expect("its campaign");
    let options = RunOptions {
        campaigns: vec![campaign],
        drain: true,
        seed: 7,
        watcher: Arc::new(Nobody),
        stop: watch::channel(Stop::No).1,
        max_runtime: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("starts");
    let report = runtime.block_on(run_campaign(&ws, Arc::new(MachineClock), options));
    report.expect("the run ends by itself");

    listener.with(|heard| {
        assert_eq!(heard.inside, Vec::<String>::new(), "doors on the way to the first sound");
        assert!(heard.ways >= 8, "{} streams began", heard.ways);
        for door in ["ledger", "database", "call log", "disk", "agent", "carrier"] {
            assert!(
                heard.elsewhere.get(door).is_some_and(|times| *times >= heard.ways),
                "{door}: {:?}",
                heard.elsewhere
            );
        }
    });
    // And it would hear one there.
    tracing::trace_span!(target: doors::TARGET, "first_audio").in_scope(|| {
        let ledger = Ledger::open_read_only(&shop.path("ahoy.db")).expect("readable");
        ledger.calls(&CallFilter::default()).expect("read");
    });
    listener.with(|heard| assert!(heard.inside.contains(&"database".to_owned()), "{:?}", heard.inside));
}
