//! Who must never be called, from the command line: files, ranges, a lost key. The carrier's log is the judge.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{self, Shop, Wish, code, run};

fn shop(leads: usize) -> Shop {
    Shop::open(&Wish {
        carrier: "kind = \"sim\"\nspeedup = 100\ncalls_per_second = 100\nmax_live_calls = 20",
        campaign: "",
        leads,
    })
}

fn leads(shop: &Shop, arguments: &[&str]) -> (i32, Value, String) {
    let output = run(common::ahoy(shop.dir.path()).args(["leads"]).args(arguments).arg("--json"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().next().unwrap_or("null");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (code(&output), serde_json::from_str(first).expect("JSON"), words)
}

fn rung(shop: &Shop) -> Vec<String> {
    let ended = code(&run(shop.campaign(&["run", "c", "--yes", "--drain"]).arg("--json")));
    assert!([0, 3].contains(&ended), "{ended}");
    common::read_log(&shop.path("sim.jsonl")).calls_per_phone().into_keys().map(str::to_owned).collect()
}

fn write(shop: &Shop, name: &str, text: &str) -> String {
    fs::write(shop.path(name), text).expect("written");
    shop.path(name).to_str().expect("a path").to_owned()
}

#[test]
fn nobody_in_a_range_or_in_a_do_not_call_file_is_rung() {
    let shop = shop(6);
    // people() numbers the leads +442079460000 and on.
    let registry = write(&shop, "registry.csv", "020 7946 0002\n020 7946 0003\nnot a number\n");
    let dnc = |extra: &[&str]| {
        let order = ["dnc", "import", &registry, "--country", "GB", "--source", "tps", "--dated", "2026-11-01"];
        leads(&shop, &[&order[..], extra].concat())
    };
    let (ended, report, _) = dnc(&["--dry-run"]);
    assert_eq!((ended, report["numbers"].as_u64(), report["added"].as_u64()), (0, Some(2), Some(0)));
    let (ended, report, words) = dnc(&[]);
    assert_eq!(ended, 3, "one row of three cannot be read: {words}");
    assert_eq!(
        (report["added"].as_u64(), report["leads_blocked"].as_u64()),
        (Some(2), Some(2)),
        "they bind all the same"
    );
    let (_, range, _) = leads(&shop, &["suppress", "+44207946000*", "--reason", "a test range"]);
    assert!(range["leads_blocked"].as_u64() >= Some(1));
    write(&shop, "more.csv", "phone\n+442079460123\n");
    let file = shop.path("more.csv");
    assert_eq!(leads(&shop, &["import", file.to_str().expect("a path"), "--campaign", "c"]).0, 0);
    let rung = rung(&shop);
    assert!(rung.iter().all(|phone| phone == "+442079460123"), "{rung:?}");
}

#[test]
fn a_registry_file_read_whole_replaces_the_one_before_and_is_shown_with_its_age() {
    let shop = shop(3);
    let (one, two) =
        (write(&shop, "one.csv", "phone\n+442079460000\n+442079460001\n"), write(&shop, "two.csv", "+442079460001\n"));
    let read = |file: &str, day: &str| {
        let (ended, report, _) =
            leads(&shop, &["dnc", "import", file, "--country", "GB", "--source", "tps", "--dated", day]);
        assert_eq!(ended, 0);
        report
    };
    assert_eq!(read(&one, "2026-10-01")["leads_blocked"].as_u64(), Some(2));
    let newer = read(&two, "2026-11-01");
    assert_eq!((newer["replaced"].as_u64(), newer["leads_freed"].as_u64()), (Some(1), Some(1)));
    let output = run(common::ahoy(shop.dir.path()).args(["leads", "dnc", "list", "--json"]));
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(list.lines().count(), 1, "{list}");
    assert!(list.contains("2026-11-01") && list.contains("\"complete\":true"), "{list}");
    assert!(!list.contains("7946"), "never a number");
    assert_eq!(
        leads(&shop, &["dnc", "import", &two, "--country", "GB", "--source", "tps", "--dated", "2999-01-01"]).0,
        2
    );
}

fn key(workspace: &Path) -> std::path::PathBuf {
    workspace.join("ahoy.db.key")
}

#[test]
fn without_the_key_a_run_calls_nobody_and_says_what_to_do() {
    let shop = shop(3);
    fs::rename(key(shop.dir.path()), shop.path("elsewhere")).expect("moved");
    let output = run(&mut shop.campaign(&["run", "c", "--yes", "--drain"]));
    assert_eq!(code(&output), 15);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("ahoy.db.key") && words.contains("next:"), "{words}");
    assert!(!shop.path("sim.jsonl").exists() || common::read_log(&shop.path("sim.jsonl")).calls.is_empty());
    let (ended, _, _) = leads(&shop, &["suppress", "+442079460001", "--reason", "letter"]);
    assert_eq!(ended, 15, "what cannot be checked cannot be added either");
    fs::rename(shop.path("elsewhere"), key(shop.dir.path())).expect("moved");
    assert!(!rung(&shop).is_empty(), "put back, the run goes on");
}

#[test]
fn a_list_of_our_own_stays_until_a_number_is_taken_off_by_hand() {
    let shop = shop(3);
    let file = write(&shop, "left.csv", "name;Telefon\nx;+442079460001\ny;+442079460002\n");
    let (ended, report, _) = leads(&shop, &["suppress", "--file", &file, "--reason", "former customers"]);
    assert_eq!((ended, report["added"].as_u64(), report["leads_blocked"].as_u64()), (0, Some(2), Some(0)));
    let (_, again, _) = leads(&shop, &["suppress", "--file", &file, "--reason", "former customers"]);
    assert_eq!(again["added"].as_u64(), Some(0), "reading it again adds nothing");
    let (_, off, _) = leads(&shop, &["unsuppress", "+442079460001", "--reason", "typed by mistake"]);
    assert_eq!((off["removed"].as_bool(), off["leads_freed"].as_u64()), (Some(true), Some(1)));
    assert_eq!(leads(&shop, &["suppress", "+442079460001", "--reason", "  "]).0, 2, "a reason is kept as evidence");
    assert_eq!(leads(&shop, &["suppress", "+4*", "--reason", "x"]).0, 2);
    // The carrier may refuse a number by chance; it is never asked for the one that is on the list.
    let rung = rung(&shop);
    assert!(!rung.is_empty() && !rung.contains(&"+442079460002".to_owned()), "{rung:?}");
}
