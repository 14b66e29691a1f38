use std::path::Path;

use super::import::{ImportOrder, check, import, preview, run};
use super::read_ledger;
use crate::base::{Failure, LeadId, Wall, limits};
use crate::core::lead::filter::Filter;
use crate::store::leadfile::{LeadFormat, ReadOptions};
use crate::store::ledger::{ImportId, LeadOrder, Ledger, OnDuplicate, OpenOptions, Person};

const NOW: Wall = Wall(1_795_000_000_000);

fn order(dir: &Path, file: &str, how: OnDuplicate) -> ImportOrder {
    ImportOrder {
        ledger: dir.join("ahoy.db"),
        file: dir.join(file),
        campaign: "spring".parse().expect("a slug"),
        reading: ReadOptions { country: "BG".parse().ok(), ..ReadOptions::default() },
        rejects: dir.join("rejected.csv"),
        tags: Vec::new(),
        own_numbers: Vec::new(),
        countries: Vec::new(),
        on_duplicate: how,
        now: NOW,
    }
}

fn people(dir: &Path) -> Vec<Person> {
    let ledger = read_ledger(&dir.join("ahoy.db")).expect("readable").expect("there");
    let mut all = Vec::new();
    let each = |person: Person| {
        all.push(person);
        Ok::<(), Failure>(())
    };
    ledger.visit_people(None, None, LeadOrder::Id, 1_000_000, each).expect("read");
    all
}

/// What a person would notice of two ledgers: not when, and not the numbers of rows and imports.
fn told(dir: &Path) -> Vec<String> {
    let mut all: Vec<String> = people(dir)
        .iter()
        .map(|it| {
            let more: Vec<&str> = it.more_phones.iter().map(|(phone, _)| phone.expose()).collect();
            format!(
                "{} {:?} {:?} {:?} {:?} {:?} {more:?}",
                it.phone.expose(),
                it.name,
                it.language,
                it.consent,
                it.variables,
                it.tags
            )
        })
        .collect();
    all.sort();
    all
}

fn many(rows: usize) -> String {
    let mut text = String::from("phone,name,plan,tags,mobile\n");
    for row in 0..rows {
        match row % 7 {
            3 => text.push_str(&format!("nobody,bad {row},,,\n")),
            5 => text.push_str(&format!("0888{:06},again,,,\n", row - 1)),
            _ => text.push_str(&format!("0888{row:06},\"N, {row}\",gold,\"vip;x{}\",0887{row:06}\n", row % 3)),
        }
    }
    text
}

#[test]
fn an_import_that_is_killed_at_any_chunk_boundary_is_finished_by_the_next_one() {
    let text = many(18_000);
    let whole = tempfile::tempdir().expect("a folder");
    std::fs::write(whole.path().join("l.csv"), &text).expect("written");
    let report = run(&order(whole.path(), "l.csv", OnDuplicate::Skip), &|_| ()).expect("imported");
    assert_eq!(report.rows, 18_000);
    assert_eq!(report.added + report.duplicates + report.rejected, 18_000);
    let rejects = std::fs::read_to_string(whole.path().join("rejected.csv")).expect("there");
    // Beside a dialing process each chunk is committed; alone, a part of them may be lost, and is read again.
    for (kill, dialing) in (1..=5).flat_map(|kill| [(kill, true), (kill, false)]) {
        let dir = tempfile::tempdir().expect("a folder");
        if dialing {
            let mut ledger =
                Ledger::open(&dir.path().join("ahoy.db"), &OpenOptions::with_fresh_key(NOW)).expect("made");
            ledger.begin_dialing(1, NOW).expect("begun");
        }
        std::fs::write(dir.path().join("l.csv"), &text).expect("written");
        let order = order(dir.path(), "l.csv", OnDuplicate::Skip);
        let checked = check(&order).expect("readable");
        // The process dies between two chunks: what was committed stays, nothing else happens.
        let chunks = std::cell::Cell::new(0);
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            import(&order, &checked, &|progress| {
                if let super::import::Progress::Done(_) = progress {
                    chunks.set(chunks.get() + 1);
                    assert!(chunks.get() < kill, "killed");
                }
            })
        }));
        assert!(died.is_err(), "{kill}");
        let again = run(&order, &|_| ()).expect("goes on");
        let most = (kill as u64 * limits::IMPORT_CHUNK as u64).min(18_000);
        if dialing {
            assert_eq!(again.resumed_at, Some(most), "{kill}");
        } else {
            assert!(again.resumed_at.unwrap_or(0) <= most, "{kill}");
        }
        assert_eq!((again.added, again.duplicates, again.rejected), (report.added, report.duplicates, report.rejected));
        assert_eq!(told(dir.path()), told(whole.path()), "{kill}");
        assert_eq!(std::fs::read_to_string(dir.path().join("rejected.csv")).expect("there"), rejects, "{kill}");
        let third = run(&order, &|_| ()).expect("again");
        assert_eq!((third.added, third.resumed_at), (0, None), "a finished import is not gone on with");
    }
}

#[test]
fn a_preview_counts_what_the_import_then_does() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("l.csv"), many(300)).expect("written");
    std::fs::write(dir.path().join("first.csv"), "phone\n0888000000\n0888000001\n").expect("written");
    run(&order(dir.path(), "first.csv", OnDuplicate::Skip), &|_| ()).expect("imported");
    let order = order(dir.path(), "l.csv", OnDuplicate::Skip);
    let checked = check(&order).expect("readable");
    let plan = preview(&order, &checked, &|_| ()).expect("looked");
    assert_eq!(plan.already_examples.len(), 2);
    assert!(plan.already_examples[0].what.contains("first.csv"), "who had it first is told");
    let done = import(&order, &checked, &|_| ()).expect("imported");
    assert_eq!(
        (plan.added, plan.already, plan.duplicates, plan.rejected, &plan.reasons),
        (done.added, done.already, done.duplicates, done.rejected, &done.reasons)
    );
}

#[test]
fn an_update_writes_what_the_file_says_and_undo_puts_it_back() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("a.csv"), "phone,name,plan,tags\n0888000001,Ana,gold,vip\n0888000002,Bo,,\n")
        .expect("written");
    std::fs::write(
        dir.path().join("b.csv"),
        "phone,name,plan,tags\n0888000001,Anna,,new\n0888000002,Bo,,\n0888000003,Vo,,\n",
    )
    .expect("written");
    let first = run(&order(dir.path(), "a.csv", OnDuplicate::Skip), &|_| ()).expect("imported");
    let before = told(dir.path());
    let fault = run(&order(dir.path(), "b.csv", OnDuplicate::Error), &|_| ()).expect_err("refused");
    assert!(fault.to_string().contains("2 numbers are there already"), "{fault}");
    assert_eq!(told(dir.path()), before, "a refused file writes nothing");
    let second = run(&order(dir.path(), "b.csv", OnDuplicate::Update), &|_| ()).expect("imported");
    assert_eq!((second.added, second.updated, second.already), (1, 1, 1));
    let ana = people(dir.path()).remove(0);
    assert_eq!((ana.name.as_deref(), ana.tags.join(" ").as_str()), (Some("Anna"), "new vip"));
    assert_eq!(ana.variables["plan"], "gold", "an empty cell takes nothing away");
    let mut ledger = Ledger::open(&dir.path().join("ahoy.db"), &OpenOptions::with_fresh_key(NOW)).expect("open");
    let import = ImportId(second.import.expect("a number"));
    let plan = ledger.undo_plan(import).expect("planned");
    let clock = || crate::base::Boot(0);
    assert_eq!(ledger.undo_import(import, NOW, &clock).expect("undone"), plan);
    assert_eq!((plan.removed, plan.restored), (1, 1));
    drop(ledger);
    assert_eq!(told(dir.path()), before);
    let again =
        run(&order(dir.path(), "b.csv", OnDuplicate::Update), &|_| ()).expect("an undone import may come again");
    assert_eq!((again.added, again.updated), (1, 1));
    assert!(first.import < again.import);
}

#[test]
fn a_segment_in_sql_is_the_segment_in_words() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut random = fastrand::Rng::with_seed(3);
    let mut text = String::from("phone,name,timezone,age,tags,Ticket No\n");
    let pick = |random: &mut fastrand::Rng, from: &[&str]| from[random.usize(..from.len())].to_owned();
    for row in 0..120 {
        let name = pick(&mut random, &["Ana", "ana", "Bo", "", "Ж%", "O'Neil"]);
        let zone = pick(&mut random, &["Europe/Sofia", "Europe/Paris", ""]);
        let age = pick(&mut random, &["41", "7", "n/a", "", "-3", "41.5", "1.2.3"]);
        let tags = pick(&mut random, &["vip", "vip;new", "", "new"]);
        let ticket = pick(&mut random, &["T-1", "", "t-1", "T_1"]);
        text.push_str(&format!("0888{row:06},{name},{zone},{age},{tags},{ticket}\n"));
    }
    std::fs::write(dir.path().join("l.csv"), text).expect("written");
    run(&order(dir.path(), "l.csv", OnDuplicate::Skip), &|_| ()).expect("imported");
    let all = people(dir.path());
    let ledger = read_ledger(&dir.path().join("ahoy.db")).expect("readable").expect("there");
    let leaves = [
        "name = 'Ana'",
        "name != 'Ana'",
        "name like 'a%'",
        "name < 'B'",
        "name is null",
        "name in ('Bo', 'Ж%')",
        "timezone = 'Europe/Sofia'",
        "timezone != 'Europe/Paris'",
        "timezone is not null",
        "\"age\" > 10",
        "\"age\" != 41",
        "\"age\" = '41'",
        "\"age\" <= 41.5",
        "\"age\" is null",
        "tag = 'vip'",
        "tag != 'vip'",
        "tag in ('new', 'x')",
        "tag is null",
        "tag like 'v%'",
        "\"Ticket No\" like 'T-%'",
        "\"Ticket No\" = 'T_1'",
        "country = 'bg'",
        "language != 'fr'",
        "state = 'ready'",
        "reason is null",
        "tries = 0",
        "id > 40",
        "import in (1, 2)",
        "due <= '2030-01-01'",
        "created > '2020-01-01T00:00:00Z'",
        "campaign = 'spring'",
        "phone like '+359888%'",
        "name = 'O''Neil'",
    ];
    for round in 0..600 {
        let mut said = leaves[random.usize(..leaves.len())].to_owned();
        for _ in 0..random.usize(..4) {
            let other = leaves[random.usize(..leaves.len())];
            said = match random.usize(..4) {
                0 => format!("({said}) and {other}"),
                1 => format!("{other} or {said}"),
                2 => format!("not ({said})"),
                _ => format!("not {other} and ({said})"),
            };
        }
        let filter = Filter::read(&said).unwrap_or_else(|fault| panic!("{said}: {fault}"));
        let in_words: Vec<LeadId> = all.iter().filter(|it| filter.matches(&it.subject())).map(|it| it.id).collect();
        assert_eq!(ledger.ids_of(Some(&filter)).expect("read"), in_words, "{round}: {said}");
        assert_eq!(ledger.count_people(Some(&filter)).expect("read"), in_words.len() as u64);
    }
}

#[test]
fn what_is_exported_imports_as_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = "phone,name,language,timezone,consent,tags,mobile,Ticket No,note\n\
        +359888123456,Ана,bg,Europe/Sofia,\"2026-01-02, web\",vip;x,+359888999888,T-1,=cmd()\n\
        +33612345678,'=Zoé,fr,,,,,,\"two\nlines, \"\"said\"\"\"\n\
        +442079460018,,,,,,,'quoted,+1\n";
    std::fs::write(dir.path().join("l.csv"), text).expect("written");
    run(&order(dir.path(), "l.csv", OnDuplicate::Skip), &|_| ()).expect("imported");
    let before = told(dir.path());
    for (format, name) in [(LeadFormat::Csv, "out.csv"), (LeadFormat::Workbook, "out.xlsx")] {
        let out = dir.path().join(name);
        let rows =
            super::export::export(&dir.path().join("ahoy.db"), None, "", format, Some(&out), NOW).expect("exported");
        assert_eq!(rows, 3);
        let other = tempfile::tempdir().expect("a folder");
        let mut order = order(other.path(), name, OnDuplicate::Skip);
        order.file = out;
        let report = run(&order, &|_| ()).expect("imported");
        assert_eq!((report.added, report.rejected), (3, 0), "{name}: {:?}", report.first_rejects);
        assert_eq!(told(other.path()), before, "{name}");
    }
}
