//! What an add-on of a telephone system posts about a call, in fields that the configuration names. Pure.

use serde_json::Value;

use crate::core::wire::form;

/// Which fields hold what, and which words mean what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// The field of the event.
    pub event: String,
    /// The field of the other end's number.
    pub number: String,
    /// The field of the call's id.
    pub call: String,
    /// Words that mean ringing, answered and ended.
    pub words: [Vec<String>; 3],
}

/// What happened, by an add-on's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It rings.
    Ringing,
    /// It was answered.
    Answered,
    /// It is over.
    Ended,
    /// A word that the configuration does not name.
    Other,
}

impl Heard {
    /// For the call's log.
    pub fn as_str(self) -> &'static str {
        match self {
            Heard::Ringing => "ringing",
            Heard::Answered => "answered",
            Heard::Ended => "ended",
            Heard::Other => "other",
        }
    }
}

/// A post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// What happened.
    pub heard: Heard,
    /// The other end's number, as it was written; may be empty.
    pub number: String,
    /// The call's id, where it is a number.
    pub call: Option<u64>,
}

/// Reads a body: JSON (one object) or a form. `None`: it is neither, or has no event.
pub fn read(fields: &Fields, body: &[u8]) -> Option<Post> {
    let looks_like_json = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let (mut object, mut pairs) = (Value::Null, Vec::new());
    if looks_like_json {
        object = serde_json::from_slice(body).ok()?;
    } else {
        std::str::from_utf8(body).ok()?;
        pairs = form::decode(body);
    }
    let field = |name: &str| match object.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) => None,
        None => form::first(&pairs, name).map(str::to_owned),
    };
    let word = field(&fields.event).filter(|word| !word.is_empty())?;
    let means = |at: usize| fields.words[at].iter().any(|known| known.eq_ignore_ascii_case(word.trim()));
    let heard = match (means(0), means(1), means(2)) {
        (true, _, _) => Heard::Ringing,
        (_, true, _) => Heard::Answered,
        (_, _, true) => Heard::Ended,
        (_, _, _) => Heard::Other,
    };
    let number = field(&fields.number).unwrap_or_default().chars().take(64).collect();
    Some(Post { heard, number, call: field(&fields.call).and_then(|id| id.trim().parse().ok()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        let words = [words("ringing outgoing"), words("answered"), words("ended hangup")];
        Fields { event: "event".into(), number: "number".into(), call: "callid".into(), words }
    }

    #[test]
    fn form_and_json_are_read_by_the_names_of_the_configuration() {
        let want = Post { heard: Heard::Ringing, number: "+15005550001".into(), call: Some(7) };
        assert_eq!(read(&fields(), b"event=Outgoing&number=%2B15005550001&callid=7&x=1"), Some(want.clone()));
        let json = br#" {"event":"ringing","number":"+15005550001","callid":7,"more":{"a":[1]}}"#;
        assert_eq!(read(&fields(), json), Some(want));
        let other = Fields { event: "state".into(), ..fields() };
        let post = read(&other, b"state=HANGUP").expect("read");
        assert_eq!(post, Post { heard: Heard::Ended, number: String::new(), call: None });
        assert_eq!(read(&fields(), b"event=parked").map(|post| post.heard), Some(Heard::Other));
        for none in [&b""[..], b"number=1", b"{", b"{}", b"[1]", b"event=", b"\xff\xfe", br#"{"event":{}}"#] {
            assert_eq!(read(&fields(), none), None, "{none:?}");
        }
    }
}
