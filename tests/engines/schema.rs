//! Requests against the providers' machine-readable documents, unknown fields included.

use serde_json::{Value, json};

/// A schema that stands inside a larger document, with what it refers to.
pub fn of_openapi(document: &Value, name: &str) -> jsonschema::Validator {
    let mut schema = document["components"]["schemas"][name].clone();
    assert!(schema.is_object(), "the document has {name}");
    // The provider's validator forbids nothing that it does not know; we do: a name with a typo has no effect there.
    schema["additionalProperties"] = json!(false);
    schema["components"] = document["components"].clone();
    jsonschema::validator_for(&schema).expect("a schema")
}

/// A schema of a file that holds several.
pub fn of_file(document: &Value, name: &str) -> jsonschema::Validator {
    let mut schema = document["schemas"][name].clone();
    assert!(schema.is_object(), "the file has {name}");
    schema["additionalProperties"] = json!(false);
    jsonschema::validator_for(&schema).expect("a schema")
}

/// All that is wrong with a value, in words.
pub fn faults(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// A schema of a file whose parts stand in `$defs`, with every unknown field forbidden, wherever it stands.
pub fn strict_def(document: &Value, name: &str) -> jsonschema::Validator {
    let mut schema = document["$defs"][name].clone();
    assert!(schema.is_object(), "the file has {name}");
    schema["$defs"] = document["$defs"].clone();
    forbid_unknown(&mut schema);
    jsonschema::validator_for(&schema).expect("a schema")
}

/// The same, as the file has it.
pub fn def(document: &Value, name: &str) -> jsonschema::Validator {
    let mut schema = document["$defs"][name].clone();
    assert!(schema.is_object(), "the file has {name}");
    schema["$defs"] = document["$defs"].clone();
    jsonschema::validator_for(&schema).expect("a schema")
}

fn forbid_unknown(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("properties").is_some() {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields.values_mut().for_each(forbid_unknown);
        }
        Value::Array(items) => items.iter_mut().for_each(forbid_unknown),
        _ => {}
    }
}
