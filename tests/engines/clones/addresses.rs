//! Samples behind addresses of the list: fetched once, without our key, from nowhere else, and checked like any file.

use ahoy::core::clone::CloneFault;

use super::{House, caller, end, fault, ready, voice};
use crate::emulator::{Act, Emulator, Reply, Seen, Vendor};

struct Files;

impl Vendor for Files {
    fn check(&self, seen: &Seen) -> Result<(), Reply> {
        assert!(!seen.headers.keys().any(|it| it.contains("key") || it == "authorization"), "our key went elsewhere");
        Ok(())
    }

    fn act(&self, seen: &Seen, act: Act) -> Act {
        match seen.path.as_str() {
            "/moved.wav" => Act::Redirect,
            "/page.wav" => Act::Html,
            "/half.wav" => Act::ShortBody,
            "/nothing.wav" => Act::Empty,
            "/away.wav" => Act::Error(503),
            _ => act,
        }
    }

    fn answer(&self, seen: &Seen, _: Act) -> Reply {
        match seen.path.as_str() {
            "/gone.wav" => Reply { http: 404, headers: Vec::new(), body: Vec::new() },
            _ => Reply { http: 200, headers: Vec::new(), body: voice(12, 8_000.0) },
        }
    }

    fn error(&self, http: u16, _: &Seen) -> Reply {
        Reply { http, headers: Vec::new(), body: Vec::new() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sample_behind_an_address_is_fetched_without_our_key_and_from_nowhere_else() {
    let house = House::open("").await;
    let files = Emulator::start(Files, Act::Well).await;
    let names = ["ok", "moved", "page", "half", "nothing", "away", "gone"];
    let row = |(n, name): (usize, &&str)| format!("+442079460{n:03},2024-11-01,yes,{}/{name}.wav\n", files.base_url);
    house.list(&names.iter().enumerate().map(row).collect::<String>());
    let cloner = house.cloner();
    assert!(ready(&end(cloner.want(&caller(0), None)).await).is_some());
    for (n, kind) in [
        (1, "unreadable"),
        (2, "bad_sample"),
        (3, "unreadable"),
        (4, "bad_sample"),
        (5, "unreadable"),
        (6, "no_sample"),
    ] {
        let why: CloneFault = fault(end(cloner.want(&caller(n), None)).await);
        assert_eq!(why.kind(), kind, "{}: {why}", names[n as usize]);
        assert!(!why.to_string().contains(".wav"), "an address may hold a number or a key: {why}");
    }
    assert_eq!((files.seen().len(), house.uploads()), (names.len(), 1), "each once, and nothing bad was uploaded");
}
