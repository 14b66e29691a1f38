//! Names that are ours at a telephone system of one's own: a call is named by its attempt, so that whatever is told of the
//! name tells whose it is, also after a restart. Pure.

use uuid::Uuid;

use crate::base::AttemptId;

/// What all our names begin with.
const OURS: &str = "ahoy-";

/// The name of an attempt's call.
pub fn call_of(attempt: AttemptId) -> String {
    format!("{OURS}{attempt}")
}

/// Whose call this name is; `None`: another system's, or something else of ours.
pub fn attempt_of(name: &str) -> Option<AttemptId> {
    let name = name.strip_prefix(OURS)?;
    // Only the spelling that we write: other spellings of a UUID are not our names.
    let id = Uuid::parse_str(name).ok().filter(|id| id.as_hyphenated().to_string() == name)?;
    Some(AttemptId(id))
}

/// What is dialed for a number: in a template `{number}` becomes the number with its plus, `{digits}` the digits alone.
pub fn dialed(template: &str, number: &str) -> String {
    template.replace("{number}", number).replace("{digits}", number.trim_start_matches('+'))
}
