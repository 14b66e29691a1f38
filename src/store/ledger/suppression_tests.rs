//! The promises of the suppression list.

use std::path::{Path, PathBuf};

use super::keyfile::{self, KeyFault};
use super::*;
use crate::base::{Country, LeadId, Phone, Prefix, Slug};
use crate::core::lead::Lead;

const NOW: Wall = Wall(1_800_000_000_000);

fn open(path: &Path, seed: u8) -> Ledger {
    Ledger::open(path, &OpenOptions { fresh_key: [seed; 32], now: NOW }).expect("a ledger")
}

fn fresh() -> (tempfile::TempDir, PathBuf, Ledger) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("ahoy.db");
    let ledger = open(&path, 7);
    (dir, path, ledger)
}

fn phone(text: &str) -> Phone {
    Phone::parse(text, None).expect("a number")
}

fn bg() -> Country {
    "BG".parse().expect("a country")
}

fn import(ledger: &mut Ledger, numbers: &[&str]) {
    let campaign: Slug = "spring".parse().expect("a slug");
    let import = ledger.begin_import(&campaign, "people.csv", NOW).expect("begun");
    let lead = |(at, number): (usize, &&str)| Lead {
        line: at as u64 + 2,
        phone: phone(number),
        name: None,
        language: None,
        country: None,
        timezone: None,
        consent: None,
        variables: Default::default(),
        tags: Vec::new(),
        more_phones: Vec::new(),
    };
    let leads: Vec<Lead> = numbers.iter().enumerate().map(lead).collect();
    ledger.import_chunk(&campaign, import, &leads, NOW).expect("imported");
}

fn states(ledger: &Ledger) -> Vec<String> {
    let leads = ledger.leads(&LeadFilter { campaign: None, state: None, after: None, limit: 100 }).expect("leads");
    leads.iter().map(|lead| format!("{:?}", lead.state).split('(').next().unwrap_or("").to_lowercase()).collect()
}

#[test]
fn the_key_lies_beside_the_ledger_for_its_owner_alone_and_not_in_it() {
    let (_dir, path, mut ledger) = fresh();
    ledger.suppress(&phone("+359888123456"), "letter", "cli", NOW).expect("kept");
    let key_path = keyfile::path_of(&path);
    let text = std::fs::read_to_string(&key_path).expect("a key file");
    let hex = text.lines().nth(1).expect("the key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&key_path).expect("there").permissions().mode() & 0o777, 0o600);
    }
    drop(ledger);
    let mut inside = std::fs::read(&path).expect("the ledger");
    inside.extend(std::fs::read(path.with_extension("db-wal")).unwrap_or_default());
    let key: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex")).collect();
    assert!(!inside.windows(32).any(|it| it == key), "whoever has the ledger alone must not find the key in it");
    assert!(!inside.windows(12).any(|it| it == b"359888123456"));
    let again = open(&path, 9);
    assert_eq!(again.is_suppressed(&phone("+359888123456")), Ok(true), "the key is made once");
}

#[test]
fn without_its_key_the_list_says_nothing_and_nobody_may_be_called() {
    let (_dir, path, mut ledger) = fresh();
    let opted_out = phone("+359888123456");
    ledger.suppress(&opted_out, "letter", "cli", NOW).expect("kept");
    drop(ledger);
    let key_path = keyfile::path_of(&path);
    let right = std::fs::read(&key_path).expect("a key");
    let is_refused = |want: fn(&LedgerFault) -> bool| {
        for ledger in [open(&path, 7), Ledger::open_read_only(&path).expect("readable")] {
            let fault = ledger.check_suppression_key().expect_err("refused");
            assert!(want(&fault), "{fault}");
            assert_eq!(ledger.is_suppressed(&opted_out), Err(fault.clone()), "unknown never means no entry");
            assert_eq!(crate::base::Failure::from(fault).exit, crate::base::Exit::Refused);
        }
    };
    std::fs::remove_file(&key_path).expect("removed");
    is_refused(|fault| matches!(fault, LedgerFault::SuppressionKey(KeyFault::Missing(_))));
    assert!(!key_path.exists(), "a lost key is not made anew in silence: the old hashes would match nobody");

    let other = tempfile::tempdir().expect("a folder");
    drop(open(&other.path().join("ahoy.db"), 3));
    std::fs::copy(keyfile::path_of(&other.path().join("ahoy.db")), &key_path).expect("copied");
    is_refused(|fault| matches!(fault, LedgerFault::SuppressionKey(KeyFault::Different(_))));

    std::fs::write(&key_path, "no key").expect("written");
    is_refused(|fault| matches!(fault, LedgerFault::SuppressionKey(KeyFault::Unreadable(_))));

    std::fs::write(&key_path, right).expect("written");
    assert_eq!(open(&path, 7).is_suppressed(&opted_out), Ok(true), "put back, it works again");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&key_path, std::fs::Permissions::from_mode(0o644)).expect("set");
        is_refused(|fault| matches!(fault, LedgerFault::SuppressionKey(KeyFault::Open(_))));
    }
}

#[test]
fn a_start_cut_short_between_key_file_and_ledger_is_finished_by_the_next() {
    let (_dir, path, ledger) = fresh();
    ledger.conn.execute("DELETE FROM suppression_key", []).expect("as if the commit never came");
    drop(ledger);
    let before = std::fs::read(keyfile::path_of(&path)).expect("a key");
    assert_eq!(open(&path, 9).check_suppression_key(), Ok(()));
    assert_eq!(std::fs::read(keyfile::path_of(&path)).expect("a key"), before, "the file that lies there is used");
}

#[test]
fn the_list_of_an_old_ledger_moves_its_key_out_and_still_names_the_same_people() {
    use hmac::{Hmac, KeyInit, Mac};
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("ahoy.db");
    let (old_key, opted_out) = ([5_u8; 32], phone("+359888123456"));
    let mut conn = Connection::open(&path).expect("a file");
    schema::migrate(&mut conn, &schema::STEPS[..1], None).expect("schema 1");
    conn.execute("INSERT INTO meta VALUES (1, ?1, 0)", [old_key.as_slice()]).expect("its key");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&old_key).expect("a key");
    mac.update(b"ahoy suppression 1 +359888123456");
    let name: [u8; 32] = mac.finalize().into_bytes().into();
    conn.execute("INSERT INTO suppression VALUES (?1, 'letter', 'cli', 0)", [name.as_slice()]).expect("an entry");
    drop(conn);
    let ledger = open(&path, 9);
    assert_eq!(ledger.is_suppressed(&opted_out), Ok(true));
    assert_ne!(ledger.token_key(), &old_key, "the old key does not stay in the ledger");
    drop(ledger);
    std::fs::remove_file(keyfile::path_of(&path)).expect("removed");
    assert!(open(&path, 9).check_suppression_key().is_err());
}

#[test]
fn a_range_binds_every_number_that_begins_with_it_and_no_other() {
    let (_dir, _path, mut ledger) = fresh();
    import(&mut ledger, &["+359888123456", "+359878123456", "+33612345678"]);
    let range: Prefix = "+35988*".parse().expect("a range");
    assert_eq!(ledger.suppress_prefix(&range, "a carrier's own", "cli", NOW), Ok(true));
    assert_eq!(ledger.suppress_prefix(&range, "again", "cli", NOW), Ok(false));
    assert_eq!(ledger.look_through_leads(LeadId(0), 2, NOW), Ok((Some(LeadId(2)), 1, 0)));
    assert_eq!(ledger.look_through_leads(LeadId(2), 2, NOW), Ok((Some(LeadId(3)), 0, 0)));
    assert_eq!(ledger.look_through_leads(LeadId(3), 2, NOW), Ok((None, 0, 0)));
    assert_eq!(states(&ledger), ["blocked", "ready", "ready"]);
    assert_eq!(ledger.is_suppressed(&phone("+359888999999")), Ok(true));
    assert_eq!(ledger.is_suppressed(&phone("+359878123456")), Ok(false));
    let whole: Prefix = "+33612345678".parse().expect("a whole number is a range of one");
    ledger.suppress_prefix(&whole, "x", "cli", NOW).expect("kept");
    assert_eq!(ledger.is_suppressed(&phone("+33612345678")), Ok(true));
    assert!(ledger.unsuppress_prefix(&range, "a mistake", NOW).expect("gone"));
    assert_eq!(ledger.look_through_leads(LeadId(0), 10, NOW), Ok((Some(LeadId(3)), 1, 1)));
    assert_eq!(states(&ledger), ["ready", "ready", "blocked"]);
    for bad in ["*", "+*", "+3*", "359*", "+35x*", "+123456789012345*"] {
        assert!(bad.parse::<Prefix>().is_err(), "{bad}");
    }
}

#[test]
fn a_newer_registry_file_takes_the_place_of_the_older_but_never_frees_an_opt_out() {
    let (_dir, _path, mut ledger) = fresh();
    import(&mut ledger, &["+359888123456", "+359878123456", "+359898123456"]);
    let (left, stays, opted_out) = (phone("+359888123456"), phone("+359878123456"), phone("+359898123456"));
    let old = ledger.begin_dnc(bg(), "registry", NOW, NOW).expect("begun");
    assert_eq!(ledger.dnc_chunk(old, &[left.clone(), stays.clone(), opted_out.clone(), left.clone()]), Ok(3));
    assert!(ledger.is_suppressed(&left).expect("read"), "a file binds while it is being read");
    assert_eq!(ledger.finish_dnc(old, NOW), Ok(vec![]));
    ledger.suppress(&opted_out, "opt-out key", "call", NOW).expect("kept");
    ledger.look_through_leads(LeadId(0), 10, NOW).expect("looked");
    assert_eq!(states(&ledger), ["blocked", "blocked", "blocked"]);

    let other = ledger.begin_dnc(bg(), "a client", NOW, NOW).expect("begun");
    ledger.finish_dnc(other, NOW).expect("read");
    let new = ledger.begin_dnc(bg(), "registry", NOW + std::time::Duration::from_secs(86_400), NOW).expect("begun");
    ledger.dnc_chunk(new, &[stays]).expect("kept");
    assert!(ledger.is_suppressed(&left).expect("read"), "the old file binds until the new one is read whole");
    assert_eq!(ledger.finish_dnc(new, NOW), Ok(vec![old]), "only its own older file");
    while ledger.drop_dnc(old, 1, NOW).expect("dropped") {}
    ledger.look_through_leads(LeadId(0), 10, NOW).expect("looked");
    assert_eq!(states(&ledger), ["ready", "blocked", "blocked"]);
    assert_eq!(ledger.dnc_files().expect("files").iter().map(|file| file.id).collect::<Vec<_>>(), [new, other]);
}

#[test]
fn an_older_file_read_later_replaces_nothing() {
    let (_dir, _path, mut ledger) = fresh();
    let day = std::time::Duration::from_secs(86_400);
    let new = ledger.begin_dnc(bg(), "registry", NOW, NOW).expect("begun");
    ledger.finish_dnc(new, NOW).expect("read");
    let old = ledger.begin_dnc(bg(), "registry", NOW - day, NOW).expect("begun");
    assert_eq!(ledger.finish_dnc(old, NOW), Ok(vec![]));
}

#[test]
fn a_lost_key_is_given_up_only_by_hand_and_known_people_stay_blocked() {
    let (_dir, path, mut ledger) = fresh();
    import(&mut ledger, &["+359888123456", "+359878123456"]);
    let (lead, stranger) = (phone("+359888123456"), phone("+359898123456"));
    ledger.suppress(&lead, "letter", "cli", NOW).expect("kept");
    ledger.suppress(&stranger, "letter", "cli", NOW).expect("kept");
    drop(ledger);
    std::fs::remove_file(keyfile::path_of(&path)).expect("lost");
    let mut ledger = open(&path, 8);
    assert_eq!(ledger.renew_suppression_key(&path, &[8; 32], "the backup was burnt", NOW), Ok((2, 1)));
    assert_eq!(ledger.is_suppressed(&lead), Ok(true), "a lead of this ledger is named again");
    assert_eq!(ledger.is_suppressed(&stranger), Ok(false), "of others nothing is known: the operator was told");
    drop(ledger);
    assert_eq!(open(&path, 8).check_suppression_key(), Ok(()));
}
