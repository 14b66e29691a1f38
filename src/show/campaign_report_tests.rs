use super::*;
use crate::core::report::{AlarmLine, FaultLine};
use crate::show::html::{escape, report_page};

const EVIL: &str = "=\"><script>alert(1)</script>\u{1b}[2J\u{202e}'`&";

fn hostile() -> Report {
    Report {
        campaigns: vec![EVIL.to_owned()],
        since: Some(EVIL.to_owned()),
        until: EVIL.to_owned(),
        outcomes: BTreeMap::from([(EVIL.to_owned(), 3)]),
        by_caller: BTreeMap::from([(EVIL.to_owned(), Group { attempts: 3, calls: 2, answered: 1 })]),
        by_language: BTreeMap::from([(EVIL.to_owned(), Group::default())]),
        alarms: vec![AlarmLine { kind: EVIL.to_owned(), attempt: EVIL.to_owned(), at: EVIL.to_owned() }],
        fault_count: 1,
        faults: vec![FaultLine { attempt: EVIL.to_owned(), lead: 1, outcome: EVIL.to_owned(), at: EVIL.to_owned() }],
        ..Report::default()
    }
}

#[test]
fn nothing_from_outside_runs_on_the_page() {
    let page = report_page(&hostile());
    assert!(!page.contains("<script") && !page.contains("alert(1)</"), "{page}");
    assert!(!page.chars().any(|ch| ch == '\u{1b}' || ch == '\u{202e}'));
    assert!(page.contains(&escape(EVIL)), "it is shown, as text");
    for scheme in ["http:", "https:", "src=", "url(", "@import", "href="] {
        assert!(!page.contains(scheme), "the page asks for nothing from outside: {scheme}");
    }
}

#[test]
fn the_page_is_well_formed_and_every_plot_says_what_it_shows() {
    let page = report_page(&hostile());
    for svg in page.split("<svg").skip(1) {
        let svg = format!("<svg{}", &svg[..svg.find("</svg>").expect("closed") + 6]);
        let parsed = roxmltree::Document::parse(&svg).expect("well-formed SVG");
        let root = parsed.root_element();
        let ids: Vec<&str> = root.attribute("aria-labelledby").expect("labelled").split(' ').collect();
        for id in ids {
            let node = parsed.descendants().find(|node| node.attribute("id") == Some(id)).expect("the label is there");
            assert!(!node.text().unwrap_or_default().is_empty(), "{id}");
        }
    }
    assert_eq!(page.matches("<svg").count(), 6);
    assert_eq!(page.matches("<details>").count(), 6, "each plot has its table");
}

#[test]
fn no_cell_of_the_export_runs_in_a_spreadsheet_and_no_text_paints_the_terminal() {
    for row in csv_rows(&hostile()) {
        for cell in row {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
        }
    }
    let text = text(&hostile());
    assert!(!text.chars().any(|ch| (ch.is_control() && ch != '\n') || ch == '\u{202e}'), "{text:?}");
}

#[test]
fn an_empty_report_is_a_report() {
    let text = text(&Report::default());
    assert!(text.contains("connect rate –") && !text.contains("NaN"), "{text}");
    assert!(!report_page(&Report::default()).contains("NaN"));
}

#[test]
fn the_page_writes_times_as_people_do_and_prints_in_light_colours() {
    let page = report_page(&Report { until: "2026-11-27T00:22:47.383Z".to_owned(), ..Report::default() });
    assert!(page.contains("as of 2026-11-27 00:22 UTC"), "{page}");
    let print = page.split("@media print{").nth(1).expect("it prints");
    assert!(
        print.starts_with(":root{color-scheme:light;--bg:#fff") && print.contains("print-color-adjust:exact"),
        "{print}"
    );
}
