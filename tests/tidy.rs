//! House rules as a test: which way imports go, which room opens which third-party door, how long a file may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 600;

/// Every Rust file under `src/` with its path relative to it.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(&path).expect("sources are UTF-8");
                found.push((path.strip_prefix(&root).expect("under src").to_owned(), text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 40, "the walk found only {} files", found.len());
    found
}

fn floor(path: &Path) -> String {
    let first = path.components().next().expect("a relative path has a part");
    first.as_os_str().to_string_lossy().into_owned()
}

/// Files that hold tests only: their parents declare them under `#[cfg(test)]`.
fn is_test_file(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.components().any(|part| part.as_os_str() == "simulator");
    folder || name == "tests.rs" || name.ends_with("_tests.rs") || name == "suite.rs" || name == "testing.rs"
}

/// Production code: files that ship, and their lines without comments and without the unit tests at the foot.
fn shipped() -> Vec<(PathBuf, String)> {
    sources().into_iter().filter(|(path, _)| !is_test_file(path)).collect()
}

/// Code lines: without comments, and without the unit tests at the foot.
fn code(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text.lines();
    while let Some(line) = rest.next() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            match rest.next() {
                // Tests at the foot of the file.
                Some(next) if next.trim_end().ends_with('{') && next.contains("mod ") => break,
                // A test file's declaration, or one item: what follows ships.
                Some(_) | None => continue,
            }
        }
        if !line.trim_start().starts_with("//") {
            lines.push(line);
        }
    }
    lines
}

/// Whether `line` uses the crate `name` as a path (`name::`), not as part of another word.
fn names_crate(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|ch| !ch.is_alphanumeric() && ch != '_' && ch != ':')
    })
}

#[test]
fn imports_go_down() {
    let may_use: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("base", &["base"][..]),
        ("core", &["core", "base"]),
        ("store", &["store", "core", "base"]),
        ("edge", &["edge", "core", "base"]),
        ("show", &["show", "core", "base"]),
        ("run", &["run", "store", "edge", "show", "core", "base"]),
        ("cli", &["cli", "run", "store", "edge", "show", "core", "base"]),
    ]);
    let mut wrong = Vec::new();
    for (path, text) in shipped() {
        let Some(allowed) = may_use.get(floor(&path).as_str()) else { continue };
        for line in code(&text) {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let target: String = rest.chars().take_while(|ch| ch.is_alphanumeric() || *ch == '_').collect();
                if may_use.contains_key(target.as_str()) && !allowed.contains(&target.as_str()) {
                    wrong.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that climb:\n{}", wrong.join("\n"));
}

#[test]
fn third_party_doors_are_where_the_plan_has_them() {
    // crate -> path prefixes under src/ that may name it
    let doors: &[(&str, &[&str])] = &[
        ("clap", &["cli"]),
        ("clap_complete", &["cli"]),
        ("clap_mangen", &["cli"]),
        ("dialoguer", &["cli"]),
        ("rusqlite", &["store"]),
        ("csv", &["store"]),
        ("glob", &["store"]),
        ("calamine", &["store/leadfile"]),
        ("zip", &["store/leadfile"]),
        ("encoding_rs", &["store/leadfile"]),
        ("chardetng", &["store/leadfile"]),
        ("rust_xlsxwriter", &["store/leadfile"]),
        ("reqwest", &["edge"]),
        ("axum", &["edge"]),
        ("hyper", &["edge"]),
        ("hyper_util", &["edge"]),
        ("tower", &["edge"]),
        ("tokio_tungstenite", &["edge"]),
        // Keys are read where a person types them.
        ("console", &["show", "cli/replay/label.rs"]),
        ("indicatif", &["show"]),
        ("tabled", &["show"]),
        ("quick_junit", &["show"]),
        ("hound", &["core/sound"]),
        ("rlibphonenumber", &["base"]),
        ("ttspico_sys", &["edge/engine/pico"]),
        ("ring", &["core/wire"]),
        ("roxmltree", &["core/wire"]),
        ("rustix", &["run/clock.rs", "store", "edge/engine/child.rs", "edge/gateway/own.rs", "edge/control.rs"]),
        ("tempfile", &["store", "edge/engine/pico"]),
        ("toml_edit", &["core/config"]),
        ("toml", &["core/config", "core/asset", "core/cost", "core/rules"]),
        ("tracing_subscriber", &["run/logging.rs"]),
    ];
    let mut wrong = Vec::new();
    for (path, text) in shipped() {
        let shown = path.to_string_lossy().replace('\\', "/");
        for line in code(&text) {
            for (name, rooms) in doors.iter().copied() {
                if names_crate(line, name) && !rooms.iter().any(|room| shown.starts_with(room)) {
                    wrong.push(format!("{shown}: {name}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "doors opened elsewhere:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_runner_waits_and_spawns_and_only_the_clock_says_now() {
    let mut wrong = Vec::new();
    for (path, text) in shipped() {
        let shown = path.to_string_lossy().replace('\\', "/");
        let floor = floor(&path);
        for line in code(&text) {
            let waits = ["tokio::spawn", "tokio::select", "tokio::time", "select!", "JoinSet"];
            if floor != "run" && waits.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{shown}: {}", line.trim()));
            }
            let now = ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now", "clock_gettime"];
            if shown != "run/clock.rs" && now.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{shown}: {}", line.trim()));
            }
            if floor == "run" && (line.contains("std::thread") || line.contains("thread::spawn")) {
                wrong.push(format!("{shown}: {}", line.trim()));
            }
            let acts = [
                "std::fs",
                "TcpStream",
                "TcpListener",
                "UdpSocket",
                "std::process",
                "std::thread",
                "std::env",
                "tokio::",
            ];
            if matches!(floor.as_str(), "core" | "base") && acts.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{shown}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "time or threads outside their room:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_outgrows_its_reader() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}

#[test]
fn unsafe_code_has_one_named_place() {
    for (path, text) in shipped() {
        let shown = path.to_string_lossy().replace('\\', "/");
        let allows = text.contains("allow(unsafe_code)");
        assert!(!allows || shown == "edge/engine/pico/door.rs", "{shown} allows unsafe code");
        for line in code(&text) {
            assert!(!line.contains(".unwrap()"), "{shown}: a bare unwrap: {}", line.trim());
        }
    }
}

/// Where a number or a secret leaves its wrapper. A new place is a decision: raise the count in the commit that says why.
#[test]
fn numbers_and_secrets_leave_only_where_they_are_counted() {
    let count = |word: &str| -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for (path, text) in shipped() {
            let uses: usize = code(&text).iter().map(|line| line.matches(word).count()).sum();
            if uses > 0 {
                found.insert(path.to_string_lossy().replace('\\', "/"), uses);
            }
        }
        found
    };
    let exposed = count(".expose()");
    let revealed = count(".reveal()");
    let told = |found: &BTreeMap<String, usize>| -> Vec<(String, usize)> {
        found.iter().map(|(path, uses)| (path.clone(), *uses)).collect()
    };
    let wanted = |list: &[(&str, usize)]| -> Vec<(String, usize)> {
        list.iter().map(|(path, uses)| ((*path).to_owned(), *uses)).collect()
    };
    assert_eq!(
        told(&exposed),
        wanted(&[
            ("cli/leads/person.rs", 2),
            ("core/dial/zones.rs", 1),
            ("core/wire/twiml.rs", 2),
            ("edge/carrier/asterisk/mod.rs", 2),
            ("edge/carrier/threecx/mod.rs", 3),
            ("edge/carrier/twilio.rs", 6),
            ("run/leads/export.rs", 2),
            ("run/pbx/threecx.rs", 1),
            ("store/ledger/accounts.rs", 3),
            ("store/ledger/api.rs", 1),
            ("store/ledger/attempts.rs", 4),
            ("store/ledger/callers.rs", 2),
            ("store/ledger/clones.rs", 3),
            ("store/ledger/erase.rs", 1),
            ("store/ledger/foreign.rs", 7),
            ("store/ledger/imports.rs", 1),
            ("store/ledger/inbound.rs", 1),
            ("store/ledger/incoming.rs", 4),
            ("store/ledger/leads.rs", 4),
            ("store/ledger/people.rs", 2),
            ("store/ledger/rules.rs", 1),
            ("store/ledger/suppression.rs", 3),
            ("store/ledger/tickets.rs", 1),
        ]),
        "a phone number leaves its wrapper in another place"
    );
    assert_eq!(
        told(&revealed),
        wanted(&[
            ("core/api/bearer.rs", 1),
            ("core/wire/ed25519.rs", 1),
            ("core/wire/signature.rs", 2),
            ("edge/carrier/asterisk/mod.rs", 2),
            ("edge/carrier/sim/api.rs", 2),
            ("edge/carrier/threecx/mod.rs", 1),
            ("edge/carrier/threecx/token.rs", 2),
            ("edge/carrier/twilio.rs", 1),
            ("edge/engine/http.rs", 2),
        ]),
        "a secret leaves its wrapper in another place"
    );
}

/// A fault without a test is listed as such; a test that is named exists.
#[test]
fn every_test_named_in_the_reliability_table_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("docs/RELIABILITY.md")).expect("the table");
    let mut rows = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #")) {
        rows += 1;
        let tests = row.rsplit(" | ").next().unwrap_or("");
        let named: Vec<&str> = tests.split('`').skip(1).collect();
        assert!(row.contains("**no test**") != (named.len() >= 2), "a test or the words that there is none: {row}");
        for pair in named.chunks(2) {
            let [file, rest] = pair else { panic!("a file without a test: {row}") };
            let name = rest.trim().trim_end_matches(['|', ',', ' ']).trim_end_matches(',');
            let text = fs::read_to_string(root.join(file)).unwrap_or_default();
            assert!(text.contains(&format!("fn {name}(")), "{file} has no test {name}");
        }
    }
    assert_eq!(
        rows, 117,
        "the faults of the catalogue, of cloned voices, of the API, of conversations, of the desk, of a 3CX, and later ones"
    );
}

/// Cargo does not look for tests by itself here: a file that nobody names would never run.
#[test]
fn every_file_of_tests_belongs_to_a_program_that_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = ["Cargo.toml", "tests/together.rs"].map(|file| fs::read_to_string(root.join(file)).expect("there"));
    let mut files = 0;
    for entry in fs::read_dir(root.join("tests")).expect("readable") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_str().expect("UTF-8").to_owned();
        let own = format!("[[test]]\nname = \"{name}\"\n");
        let runs = match (path.join("main.rs").exists(), path.extension().is_some_and(|it| it == "rs")) {
            (true, _) => named[0].contains(&own),
            (false, true) => named[0].contains(&own) || named[1].contains(&format!("#[path = \"{name}.rs\"]")),
            (false, false) => continue,
        };
        assert!(runs, "tests/{name} is in no program");
        files += 1;
    }
    assert!(files > 30, "{files}");
}
