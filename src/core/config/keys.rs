//! `[keys]`: what a callee may press.

use serde::Deserialize;

/// Keys on the callee's phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keys {
    /// "Never call me again". Default 9; none = no key (refused for marketing).
    pub opt_out: Option<char>,
    /// The greeting once more.
    pub repeat: Option<char>,
    /// To a person: `[transfer] to`.
    pub transfer: Option<char>,
    /// "Call me another time": `[retries] callback` later.
    pub callback: Option<char>,
    /// To leave a message.
    pub message: Option<char>,
}

impl Keys {
    /// Those that mean something.
    pub fn all(&self) -> impl Iterator<Item = char> + use<> {
        [self.opt_out, self.repeat, self.transfer, self.callback, self.message].into_iter().flatten()
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedKeys {
    opt_out: Option<String>,
    repeat: Option<String>,
    transfer: Option<String>,
    callback: Option<String>,
    message: Option<String>,
}

impl TypedKeys {
    pub(super) fn check(&self, marketing: bool) -> Result<Keys, (&'static str, String)> {
        let key = |name: &'static str, typed: &Option<String>, usual: Option<char>| match typed.as_deref() {
            None => Ok(usual),
            Some("none") => Ok(None),
            Some(key) => match key.chars().collect::<Vec<_>>().as_slice() {
                [one] if "0123456789*#".contains(*one) => Ok(Some(*one)),
                _ => Err((name, format!("{name} is one of 0-9 * #, or \"none\", not `{key}`"))),
            },
        };
        let keys = Keys {
            opt_out: key("opt_out", &self.opt_out, Some('9'))?,
            repeat: key("repeat", &self.repeat, None)?,
            transfer: key("transfer", &self.transfer, None)?,
            callback: key("callback", &self.callback, None)?,
            message: key("message", &self.message, None)?,
        };
        if marketing && keys.opt_out.is_none() {
            return Err(("opt_out", "a marketing campaign must have an opt-out key".to_owned()));
        }
        let mut pressed: Vec<char> = keys.all().collect();
        pressed.sort_unstable();
        match pressed.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(("opt_out", format!("[keys] uses `{}` for two things", pair[0]))),
            None => Ok(keys),
        }
    }
}
