use super::*;

fn read(text: &str) -> Filter {
    Filter::read(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn ana() -> Subject {
    Subject {
        id: 7,
        import: 2,
        texts: BTreeMap::from([
            ("campaign", "spring".to_owned()),
            ("country", "FR".to_owned()),
            ("name", "Ana".to_owned()),
            ("state", "ready".to_owned()),
        ]),
        tries: 1,
        due: Some(Wall(1_795_000_000_000)),
        created: Wall(1_790_000_000_000),
        changed: Wall(1_790_000_000_000),
        tags: vec!["vip".to_owned(), "paris".to_owned()],
        variables: BTreeMap::from([
            ("ticket no".to_owned(), "T-9".to_owned()),
            ("age".to_owned(), "41".to_owned()),
            ("score".to_owned(), "n/a".to_owned()),
        ]),
    }
}

#[test]
fn a_segment_means_what_it_says() {
    for yes in [
        "country = 'FR' and tag = 'vip'",
        "country = 'fr'",
        "tag = 'VIP' and tag = 'paris'",
        "tag != 'new'",
        "not tag in ('new', 'old')",
        "country in ('BE', 'FR')",
        "name like 'an%' or name like 'B%'",
        "timezone is null and name is not null",
        "\"ticket no\" = 'T-9'",
        "\"age\" >= 18 and \"age\" < 41.5",
        "tries < 3 and due > '2026-11-01'",
        "state = 'ready' AND (country = 'BG' OR country = 'FR')",
        "name <> 'Ana' or id == 7",
        "created <= '2026-12-01T00:00:00Z'",
    ] {
        assert!(read(yes).matches(&ana()), "{yes}");
        assert!(!read(&format!("not ({yes})")).matches(&ana()), "not ({yes})");
    }
    for no in
        ["country = 'BG'", "tag in ('new')", "\"score\" > 0", "\"score\" <= 0", "due < '2026-01-01'", "name like 'n%'"]
    {
        assert!(!read(no).matches(&ana()), "{no}");
    }
}

#[test]
fn what_a_lead_lacks_is_unequal_to_everything_and_nothing_else() {
    assert!(read("language != 'fr'").matches(&ana()));
    assert!(!read("language = 'fr'").matches(&ana()));
    assert!(!read("language < 'zz'").matches(&ana()) && !read("language > ''").matches(&ana()));
    assert!(read("not language < 'zz'").matches(&ana()));
    assert!(!read("language like '%'").matches(&ana()));
    assert!(read("tag is not null").matches(&ana()) && !read("tag is null").matches(&ana()));
}

#[test]
fn and_binds_closer_than_or() {
    assert!(read("country = 'FR' or country = 'BG' and tag = 'none'").matches(&ana()));
    assert!(!read("(country = 'FR' or country = 'BG') and tag = 'none'").matches(&ana()));
}

#[test]
fn faults_point_to_the_place_and_say_what_to_write() {
    for (text, at, what) in [
        ("", 1, "the end where a field"),
        ("contry = 'FR'", 1, "no field `contry`"),
        ("country = FR", 11, "no quotes"),
        ("country = 'FR", 11, "never closed"),
        ("country 'FR'", 9, "after `country`"),
        ("country = 'FR' tag = 'vip'", 16, "one too many"),
        ("country = 5", 11, "a text is expected"),
        ("tries = '5'", 9, "a number is expected"),
        ("due > 'soon'", 7, "is no day"),
        ("(tries > 1", 11, "`)` is missing"),
        ("tries in 5", 10, "after `in`"),
        ("name = null", 8, "compared with `is`"),
        ("tries like '1%'", 12, "is no text"),
        ("name ; drop", 6, "means nothing"),
        ("tries > 1x", 9, "is no number"),
        ("tag < 'a'", 10, "there or not"),
    ] {
        let fault = Filter::read(text).expect_err(text);
        assert_eq!(fault.at, at, "{text}: {fault}");
        assert!(fault.what.contains(what), "{text}: {fault}");
    }
    assert_eq!(
        Filter::read("contry = 1").expect_err("typo").hint.as_deref().map(|hint| &hint[..21]),
        Some("did you mean country?")
    );
}

#[test]
fn no_filter_is_deep_or_long_enough_to_hurt() {
    let deep = format!("{}tries > 1{}", "(".repeat(2_000), ")".repeat(2_000));
    assert!(Filter::read(&deep).expect_err("deep").what.contains("brackets"));
    let nots = format!("{}tries > 1", "not ".repeat(900));
    assert!(Filter::read(&nots).expect_err("deep").what.contains("brackets"));
    let long = vec!["tries > 1"; 200].join(" or ");
    assert!(Filter::read(&long).expect_err("long").what.contains("questions"));
    assert!(Filter::read(&"x".repeat(5_000)).expect_err("long").what.contains("bytes"));
}

#[test]
fn patterns_are_those_of_sqlite() {
    for (pattern, text, fits) in [
        ("%", "", true),
        ("a%c", "abbbc", true),
        ("a%c", "abbcd", false),
        ("%b%b%", "abab", true),
        ("_", "é", true),
        ("É", "é", false),
        ("AB_", "abc", true),
        ("%%", "x", true),
        ("", "x", false),
    ] {
        assert_eq!(like(pattern, text), fits, "{pattern} {text}");
    }
}
