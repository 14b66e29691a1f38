//! docs/openapi.json as a judge of answers. Its validators are made once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

pub static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

pub struct Contract {
    pub document: Value,
    /// By method, path and status; `None`: no JSON.
    answers: BTreeMap<(String, String, u16), Option<jsonschema::Validator>>,
    error: jsonschema::Validator,
}

impl Contract {
    fn read() -> Contract {
        let text = std::fs::read_to_string("docs/openapi.json").expect("the document");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let made = |schema: &Value| {
            let whole = json!({ "allOf": [schema], "components": document["components"] });
            jsonschema::validator_for(&whole).expect("a schema")
        };
        let mut answers = BTreeMap::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("methods") {
                for (status, answer) in operation["responses"].as_object().expect("responses") {
                    let schema = answer["content"].get("application/json").map(|content| made(&content["schema"]));
                    let status = status.parse().expect("a status");
                    answers.insert((method.to_uppercase(), path.clone(), status), schema);
                }
            }
        }
        let error = made(&json!({ "$ref": "#/components/schemas/Error" }));
        Contract { document, answers, error }
    }

    /// The path of the document that a request's path is one of.
    fn template(&self, path: &str) -> Option<String> {
        let parts: Vec<&str> = path.split('?').next().unwrap_or("").split('/').collect();
        let fits = |template: &&String| {
            let wanted: Vec<&str> = template.split('/').collect();
            let same = |(want, found): (&&str, &&str)| want.starts_with('{') || want == found;
            wanted.len() == parts.len() && wanted.iter().zip(&parts).all(same)
        };
        self.document["paths"].as_object().expect("paths").keys().find(fits).cloned()
    }

    /// Whether an answer is one that the document promises.
    pub fn check(&self, method: &str, path: &str, status: u16, kind: &str, text: &str) {
        let promised = self.template(path).map(|template| (method.to_owned(), template, status));
        let schema = match promised {
            None => {
                assert!([401, 404, 429].contains(&status), "{method} {path}: {status} for what is not there");
                Some(&self.error)
            }
            Some((_, _, 405)) => Some(&self.error),
            Some(promised) => {
                let Some(schema) = self.answers.get(&promised) else { panic!("{promised:?} is not in the document") };
                schema.as_ref()
            }
        };
        let Some(schema) = schema else {
            return assert!(kind.starts_with("text/plain; version=0.0.4"), "{method} {path}: {kind}");
        };
        assert_eq!(kind, "application/json", "{method} {path} {status}");
        let value: Value = serde_json::from_str(text).expect("JSON");
        let faults: Vec<String> =
            schema.iter_errors(&value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{method} {path} {status}: {value}\n{}", faults.join("\n"));
    }
}
