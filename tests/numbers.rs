//! Numbers as Google's libphonenumber reads them: a sample that its Python port made (`tools/phonenumbers-check.py`, which
//! also compares 200,000 spellings).

use ahoy::base::{Country, Phone};

const SAMPLE: &str = include_str!("data/numbers.tsv");

#[test]
fn every_spelling_of_the_sample_is_the_number_that_libphonenumber_reads() {
    let mut numbers = 0;
    let mut wrong = Vec::new();
    for line in SAMPLE.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [region, spelling, e164, country, kind] = cells.as_slice() else { panic!("five cells: {line:?}") };
        let told = match Phone::parse(spelling, Some(region.parse::<Country>().expect("a country"))) {
            Ok(phone) => {
                let kind = serde_json::to_value(phone.line_kind()).expect("a word");
                let country = phone.country().map_or("-".to_owned(), |country| country.to_string());
                (phone.expose().to_owned(), country, kind.as_str().expect("a word").to_owned())
            }
            Err(_) => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
        };
        numbers += 1;
        if told != ((*e164).to_owned(), (*country).to_owned(), (*kind).to_owned()) {
            wrong.push(format!("{line:?}: {told:?}"));
        }
    }
    assert!(numbers > 2_000, "{numbers}");
    assert!(wrong.is_empty(), "{} of {numbers}:\n{}", wrong.len(), wrong.join("\n"));
}
