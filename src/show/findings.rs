//! Findings of the ear in the forms that people and machines read: table, JSON lines, JUnit, GitHub annotations, SARIF.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::table::table;
use crate::core::ear::{Code, Finding, PhraseId, Severity};

/// One line of JSON about a finding of a campaign's phrase.
pub fn phrase_json(finding: &Finding) -> Value {
    let mut row = file_json(finding);
    row["line"] = json!(finding.place.line);
    row["unit"] = json!(finding.code().unit());
    if let Some(phrase) = &finding.phrase {
        row["campaign"] = json!(phrase.campaign);
        row["key"] = json!(phrase.key);
        row["language"] = json!(phrase.language);
    }
    row
}

/// One line of JSON about a finding of a file: `{file, code, severity, message, measured, limit}`.
pub fn file_json(finding: &Finding) -> Value {
    json!({
        "file": finding.place.file,
        "code": finding.code(),
        "severity": finding.severity(),
        "message": finding.flaw.message,
        "measured": finding.flaw.measured,
        "limit": finding.flaw.limit,
    })
}

/// A table for people.
pub fn findings_table(findings: &[Finding]) -> String {
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|it| {
            let place = match (it.place.line, &it.phrase) {
                (Some(line), _) => format!("{}:{line}", it.place.file),
                (None, Some(_)) => it.place.file.clone(),
                (None, None) => String::new(),
            };
            vec![it.severity().to_string(), it.code().to_string(), it.subject(), it.flaw.message.clone(), place]
        })
        .collect();
    table(&["severity", "code", "what", "message", "place"], &rows, &[])
}

/// One line for people, for findings that are told as they come.
pub fn file_line(finding: &Finding) -> String {
    format!("{}: {}: {}: {}", finding.place.file, finding.severity(), finding.code(), finding.flaw.message)
}

/// A workflow command of GitHub Actions, which becomes an annotation at its file and line.
pub fn github(finding: &Finding) -> String {
    let level = match finding.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let line = finding.place.line.map_or(String::new(), |line| format!(",line={line}"));
    let subject = match &finding.phrase {
        Some(_) => format!("{}: ", finding.subject()),
        None => String::new(),
    };
    format!(
        "::{level} file={}{line},title={}::{}",
        property(&finding.place.file),
        property(&format!("ahoy {}", finding.code())),
        escaped(&format!("{subject}{}", finding.flaw.message))
    )
}

/// Text of a workflow command: these three would end it, or begin another.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command: colon and comma part properties.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

/// What was checked, for a report that names the sound ones too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The campaign, or `files`.
    pub suite: String,
    /// The phrase and its language, or the file.
    pub case: String,
}

impl Checked {
    /// A phrase of a campaign.
    pub fn phrase(phrase: &PhraseId) -> Checked {
        Checked { suite: phrase.campaign.to_string(), case: format!("{}.{}", phrase.key, phrase.language) }
    }

    /// A file.
    pub fn file(name: &str) -> Checked {
        Checked { suite: "files".to_owned(), case: name.to_owned() }
    }

    fn of(finding: &Finding) -> Checked {
        finding.phrase.as_ref().map_or_else(|| Checked::file(&finding.place.file), Checked::phrase)
    }
}

/// A JUnit report: one suite a campaign, one case a phrase, failed if a finding of at least `least` is about it.
///
/// Findings below `least` stand in the case's standard output. `None` = nothing fails.
pub fn junit(checked: &[Checked], findings: &[Finding], least: Option<Severity>) -> Result<String, String> {
    let mut suites: BTreeMap<&str, BTreeMap<String, Vec<&Finding>>> = BTreeMap::new();
    for it in checked {
        suites.entry(&it.suite).or_default().entry(it.case.clone()).or_default();
    }
    let about: Vec<(Checked, &Finding)> = findings.iter().map(|it| (Checked::of(it), it)).collect();
    for (it, finding) in &about {
        suites.entry(&it.suite).or_default().entry(it.case.clone()).or_default().push(finding);
    }
    let mut report = Report::new("ahoy cache verify");
    for (name, cases) in suites {
        let mut suite = TestSuite::new(name);
        for (case, findings) in cases {
            suite.add_test_case(test_case(name, &case, &findings, least));
        }
        report.add_test_suite(suite);
    }
    report.to_string().map_err(|error| error.to_string())
}

fn test_case(suite: &str, name: &str, findings: &[&Finding], least: Option<Severity>) -> TestCase {
    let counts = |it: &&&Finding| least.is_some_and(|least| it.severity() >= least);
    let lines = |findings: Vec<&&Finding>| {
        let all: Vec<String> = findings.iter().map(|it| format!("{}: {}", it.code(), it.flaw.message)).collect();
        all.join("\n")
    };
    let bad: Vec<&&Finding> = findings.iter().filter(counts).collect();
    let status = match bad.first() {
        None => TestCaseStatus::success(),
        Some(first) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(first.code().word()).set_message(first.flaw.message.clone());
            status.set_description(lines(bad.clone()));
            status
        }
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("ahoy.{suite}"));
    let others: Vec<&&Finding> = findings.iter().filter(|it| !counts(it)).collect();
    if !others.is_empty() {
        case.set_system_out(lines(others));
    }
    case
}

/// A SARIF 2.1.0 log, for code scanning.
pub fn sarif(findings: &[Finding], version: &str) -> Value {
    let rules: Vec<Value> = Code::ALL
        .iter()
        .map(|code| {
            json!({ "id": code.word(), "shortDescription": { "text": code.meaning() },
                "defaultConfiguration": { "level": level(code.severity()) } })
        })
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|it| {
            let mut place = json!({ "artifactLocation": { "uri": uri(&it.place.file) } });
            if let Some(line) = it.place.line {
                place["region"] = json!({ "startLine": line });
            }
            let index = Code::ALL.iter().position(|code| *code == it.code());
            json!({ "ruleId": it.code().word(), "ruleIndex": index, "level": level(it.severity()),
                "message": { "text": format!("{}: {}", it.subject(), it.flaw.message) },
                "locations": [{ "physicalLocation": place }],
                "partialFingerprints": { "ahoy/v1": format!("{}/{}", it.subject(), it.code()) } })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": { "name": "ahoy", "version": version, "rules": rules } }, "results": results }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A path as a relative URI: what has a meaning in URIs is written in percent.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ear::{Flaw, Place};

    fn finding(code: Code, message: &str) -> Finding {
        let slug = |text: &str| text.parse().expect("slug");
        let phrase =
            PhraseId { campaign: slug("welcome"), key: slug("greeting"), language: "en".parse().expect("tag") };
        let place = Place { file: "campaigns/a b,c/campaign.toml".to_owned(), line: Some(7) };
        Finding { place, phrase: Some(phrase), flaw: Flaw::new(code, message) }
    }

    #[test]
    fn annotations_stay_one_line_whatever_is_in_them() {
        let line = github(&finding(Code::Stale, "a\nb % c\r::error::x"));
        let wanted = "::error file=campaigns/a b%2Cc/campaign.toml,line=7,title=ahoy stale::welcome greeting en: a%0Ab %25 c%0D::error::x";
        assert_eq!(line, wanted);
        assert!(github(&finding(Code::Hum, "h")).starts_with("::warning "));
    }

    #[test]
    fn junit_names_the_sound_phrases_too_and_fails_by_severity() {
        let checked =
            ["greeting.en", "goodbye.en"].map(|case| Checked { suite: "welcome".to_owned(), case: case.to_owned() });
        let findings = [finding(Code::Hum, "hum <&\"> here"), finding(Code::Stale, "text changed")];
        let read = |least| {
            let xml = junit(&checked, &findings, least).expect("written");
            let document = roxmltree::Document::parse(&xml).expect("well-formed");
            let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).expect("a suite");
            let number = |name: &str| suite.attribute(name).map(|text| text.parse::<u32>().expect("a number"));
            let failure = document.descendants().find(|node| node.has_tag_name("failure"));
            let told = failure.map(|it| (it.attribute("type").map(str::to_owned), it.text().map(str::to_owned)));
            (number("tests"), number("failures"), told)
        };
        let (tests, failures, told) = read(Some(Severity::Warning));
        assert_eq!((tests, failures), (Some(2), Some(1)));
        let (kind, text) = told.expect("a failure");
        assert_eq!(kind.as_deref(), Some("hum"));
        assert_eq!(text.as_deref(), Some("hum: hum <&\"> here\nstale: text changed"));
        assert_eq!(read(Some(Severity::Error)).2.expect("a failure").0.as_deref(), Some("stale"));
        assert_eq!(read(None).1, Some(0));
    }

    #[test]
    fn sarif_has_a_rule_for_every_result() {
        let log = sarif(&[finding(Code::Click, "c")], "1.2.3");
        let run = &log["runs"][0];
        let result = &run["results"][0];
        let index = result["ruleIndex"].as_u64().expect("an index") as usize;
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "campaigns/a%20b%2Cc/campaign.toml");
        assert_eq!((place["region"]["startLine"].as_u64(), result["level"].as_str()), (Some(7), Some("warning")));
    }
}
