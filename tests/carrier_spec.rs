//! Our requests and the embedded carrier's answers against the vendor's OpenAPI document.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahoy::base::Secret;
use ahoy::core::sim::rest::{CREATE_NAMES, RECORD_NAMES};
use ahoy::core::wire::dialect::Dialect;
use ahoy::core::wire::{form, recordings, twilio};
use ahoy::run::clock::MachineClock;
use ahoy::run::sim::{SimOptions, start};
use serde_json::{Map, Value, json};

const CALLS: &str = "/2010-04-01/Accounts/{AccountSid}/Calls.json";

fn document() -> Value {
    serde_json::from_str(include_str!("specs/twilio_api_v2010.calls.json")).expect("the document is JSON")
}

/// OpenAPI 3.0 to JSON Schema: `nullable` becomes a type, home-made formats go.
fn as_json_schema(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(as_json_schema).collect(),
        Value::Object(object) => {
            let mut out: Map<String, Value> = object
                .iter()
                .filter(|(key, _)| *key != "nullable")
                .map(|(k, v)| (k.clone(), as_json_schema(v)))
                .collect();
            if out.get("format").is_some_and(Value::is_string) {
                out.remove("format");
            }
            if object.get("nullable") == Some(&Value::Bool(true)) {
                return json!({ "anyOf": [out, { "type": "null" }] });
            }
            Value::Object(out)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn validator(pointer: &str) -> jsonschema::Validator {
    let document = as_json_schema(&document());
    let mut schema = document.pointer(pointer).expect("the document has it").clone();
    schema["components"] = document["components"].clone();
    jsonschema::validator_for(&schema).expect("a schema")
}

fn check(validator: &jsonschema::Validator, value: &Value) {
    let faults: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:?}");
}

fn properties() -> Map<String, Value> {
    let pointer = "/post/requestBody/content/application~1x-www-form-urlencoded/schema/properties";
    document()["paths"][CALLS].pointer(pointer).and_then(Value::as_object).expect("a form").clone()
}

fn our_form() -> Vec<(&'static str, String)> {
    twilio::create_form(&twilio::CreateCall {
        to: "+15005550001",
        from: "+15005550006",
        twiml: "<Response><Hangup/></Response>",
        status_url: "http://127.0.0.1:9/status",
        ring_s: 30,
        limit_s: 600,
        reason: Some("Your booking"),
        machines: true,
    })
}

#[test]
fn every_name_that_we_send_exists_and_the_carrier_knows_all_of_them() {
    let known = properties();
    for (name, _) in our_form() {
        assert!(known.contains_key(name), "{name} would be ignored without a word");
    }
    let mut ours: Vec<&str> = CREATE_NAMES.to_vec();
    let mut theirs: Vec<&str> = known.keys().map(String::as_str).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(ours, theirs);
}

#[test]
fn every_name_of_a_request_to_record_exists_and_the_carrier_knows_all_of_them() {
    const PATH: &str = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Recordings.json";
    let pointer = "/post/requestBody/content/application~1x-www-form-urlencoded/schema/properties";
    let document = document();
    let known = document["paths"][PATH].pointer(pointer).and_then(Value::as_object).expect("a form");
    for (name, _) in recordings::begin_form("http://127.0.0.1:9/status", Dialect::Twilio) {
        assert!(known.contains_key(name), "{name} would be ignored without a word");
    }
    let mut ours: Vec<&str> = RECORD_NAMES.to_vec();
    let mut theirs: Vec<&str> = known.keys().map(String::as_str).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(ours, theirs);
}

#[test]
fn the_create_request_validates() {
    let known = properties();
    let mut body = Map::new();
    for (name, value) in our_form() {
        match known[name]["type"].as_str() {
            Some("array") => match body.entry(name).or_insert_with(|| json!([])) {
                Value::Array(values) => values.push(Value::String(value)),
                other => panic!("{name} is {other}"),
            },
            Some("integer") => {
                body.insert(name.to_owned(), json!(value.parse::<u64>().expect("a number")));
            }
            _ => {
                body.insert(name.to_owned(), Value::String(value));
            }
        }
    }
    let pointer = format!(
        "/paths/{}/post/requestBody/content/application~1x-www-form-urlencoded/schema",
        CALLS.replace('/', "~1")
    );
    check(&validator(&pointer), &Value::Object(body));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_carriers_answers_validate() {
    let folder = tempfile::tempdir().expect("a folder");
    let account = "AC00000000000000000000000000000000";
    let options = SimOptions {
        listen: "127.0.0.1:0".parse().expect("an address"),
        account_sid: account.to_owned(),
        auth_token: Secret::new("t".to_owned()),
        seed: 1,
        speedup: 50.0,
        calls_per_second: 100.0,
        log: folder.path().join("sim.jsonl"),
        faults: BTreeMap::new(),
        faults_for: None,
        dialect: ahoy::core::wire::dialect::Dialect::Twilio,
    };
    let sim = start(options, Arc::new(MachineClock)).await.expect("starts");
    ahoy::edge::install_tls();
    let client = reqwest::Client::new();
    let url = format!("{}{}", sim.base_url, twilio::calls_path(account));
    let call = validator("/components/schemas/api.v2010.account.call");
    let mut made = 0;
    for n in 0..40 {
        let order: Vec<(&str, String)> = our_form()
            .into_iter()
            .map(|(name, value)| if name == "To" { (name, format!("+150055510{n:02}")) } else { (name, value) })
            .collect();
        let request = client.post(&url).basic_auth(account, Some("t"));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form::encode(&order));
        let answer = request.send().await.expect("answered");
        if answer.status() == 201 {
            check(&call, &answer.json().await.expect("JSON"));
            made += 1;
        }
    }
    let pointer = format!("/paths/{}/get/responses/200/content/application~1json/schema", CALLS.replace('/', "~1"));
    let page = validator(&pointer);
    let mut next = Some(format!("{}?PageSize=7", twilio::calls_path(account)));
    let mut seen = std::collections::BTreeSet::new();
    while let Some(path) = next {
        let request = client.get(format!("{}{path}", sim.base_url)).basic_auth(account, Some("t"));
        let answer: Value = request.send().await.expect("answered").json().await.expect("JSON");
        check(&page, &answer);
        for call in answer["calls"].as_array().expect("a list") {
            assert!(seen.insert(call["sid"].as_str().expect("a sid").to_owned()), "no call twice");
        }
        next = answer["next_page_uri"].as_str().map(str::to_owned);
    }
    assert_eq!(seen.len(), made);
}
