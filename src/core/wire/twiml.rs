//! TwiML: the document that says what happens on a call. Written for the carrier, read by the embedded one.

use std::fmt::Write as _;

use roxmltree::{Document, Node};

use crate::base::{Phone, limits};

/// Longest inline document that a carrier takes, in characters.
pub const INLINE_CHARS: usize = 4_000;
/// Verbs read from one document; more is refused, so that nothing loops through a book.
pub const VERBS: usize = 100;

/// One thing to do on the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Connect a two-way media stream; later verbs run when our side closes it or it never opens.
    Connect(Stream),
    /// Read a text aloud with the carrier's own voice.
    Say {
        /// What is read.
        text: String,
        /// BCP 47 tag.
        language: Option<String>,
    },
    /// Play DTMF digits (`w` = half a second).
    Digits(String),
    /// Play a sound file by URL.
    Play(String),
    /// Wait, in seconds.
    Pause(u32),
    /// Collect keys while the children play.
    Gather(Gather),
    /// Connect the callee with another number; later verbs run when that is over.
    Dial {
        /// Who is called, E.164.
        to: String,
        /// The number shown, E.164.
        caller: Option<String>,
        /// Seconds of ringing.
        ring_s: u32,
    },
    /// Go on with another document.
    Redirect(String),
    /// End the call.
    Hangup,
    /// Refuse the call.
    Reject(RejectReason),
}

/// How a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// The default.
    Rejected,
    /// With a busy tone.
    Busy,
}

/// What a document says about the sound that we send on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamForm {
    /// Nothing: the carrier plays it as it plays its own.
    #[default]
    Plain,
    /// That it is bare µ-law in both directions. Without these words Telnyx takes it for MP3 files.
    Rtp,
}

/// `<Stream>` inside `<Connect>`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stream {
    /// `wss://…` (`ws://` on loopback only). A query string would be dropped by the carrier: use `parameters`.
    pub url: String,
    /// Unique per call.
    pub name: Option<String>,
    /// Names and values that come back in the stream's `start`, under 500 characters each.
    pub parameters: Vec<(String, String)>,
    /// What our sound is.
    pub form: StreamForm,
}

/// `<Gather>`, as far as the embedded carrier needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    /// Where the keys are posted.
    pub action: Option<String>,
    /// Seconds of silence that end it. Default 5.
    pub timeout_s: u32,
    /// Number of keys that end it.
    pub num_digits: Option<u32>,
    /// Say, Play and Pause.
    pub children: Vec<Verb>,
}

/// Why a document is refused. The numbers are the carrier's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwimlFault {
    /// 12100: not well-formed, or the root is no `<Response>`.
    #[error("12100 document parse failure: {0}")]
    BadXml(String),
    /// 12200: well-formed, but not what the verbs allow.
    #[error("12200 schema validation: {0}")]
    Schema(String),
    /// Longer than an inline document may be.
    #[error("the document has {0} characters, {INLINE_CHARS} at most fit into the request")]
    TooLong(usize),
}

/// The document of an outbound call: the stream, then what is said and done if the stream is over or never opened.
///
/// Errors: `TooLong` past [`INLINE_CHARS`], `Schema` for a stream parameter of 500 characters or more.
pub fn connect_stream(stream: &Stream, fallback: &[Verb]) -> Result<String, TwimlFault> {
    let mut verbs = vec![Verb::Connect(stream.clone())];
    verbs.extend_from_slice(fallback);
    let text = write(&verbs)?;
    let chars = text.chars().count();
    if chars > INLINE_CHARS { Err(TwimlFault::TooLong(chars)) } else { Ok(text) }
}

/// The document that connects a callee with another number, and hangs up when that is over.
pub fn transfer(to: &Phone, caller: Option<&Phone>) -> String {
    let ring_s = u32::try_from(limits::TRANSFER_RING.as_secs()).unwrap_or(u32::MAX);
    let caller = caller.map(|caller| caller.expose().to_owned());
    let dial = Verb::Dial { to: to.expose().to_owned(), caller, ring_s };
    write(&[dial, Verb::Hangup]).expect("only a stream's parameters can be too long")
}

/// Writes a document; every text and attribute is escaped, characters that XML forbids are dropped.
pub fn write(verbs: &[Verb]) -> Result<String, TwimlFault> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>");
    for verb in verbs {
        write_verb(verb, &mut out)?;
    }
    out.push_str("</Response>");
    Ok(out)
}

fn write_verb(verb: &Verb, out: &mut String) -> Result<(), TwimlFault> {
    match verb {
        Verb::Connect(stream) => write_stream(stream, out)?,
        Verb::Say { text, language } => {
            out.push_str("<Say");
            attribute("language", language.as_deref(), out);
            let _ = write!(out, ">{}</Say>", escaped(text));
        }
        Verb::Digits(digits) => {
            out.push_str("<Play");
            attribute("digits", Some(digits), out);
            out.push_str("/>");
        }
        Verb::Play(url) => {
            let _ = write!(out, "<Play>{}</Play>", escaped(url));
        }
        Verb::Pause(seconds) => {
            let _ = write!(out, "<Pause length=\"{seconds}\"/>");
        }
        Verb::Gather(gather) => {
            out.push_str("<Gather");
            attribute("action", gather.action.as_deref(), out);
            let _ = write!(out, " timeout=\"{}\"", gather.timeout_s);
            attribute("numDigits", gather.num_digits.map(|n| n.to_string()).as_deref(), out);
            out.push('>');
            for child in &gather.children {
                write_verb(child, out)?;
            }
            out.push_str("</Gather>");
        }
        Verb::Dial { to, caller, ring_s } => {
            let _ = write!(out, "<Dial timeout=\"{ring_s}\"");
            attribute("callerId", caller.as_deref(), out);
            let _ = write!(out, ">{}</Dial>", escaped(to));
        }
        Verb::Redirect(url) => {
            let _ = write!(out, "<Redirect>{}</Redirect>", escaped(url));
        }
        Verb::Hangup => out.push_str("<Hangup/>"),
        Verb::Reject(RejectReason::Rejected) => out.push_str("<Reject/>"),
        Verb::Reject(RejectReason::Busy) => out.push_str("<Reject reason=\"busy\"/>"),
    }
    Ok(())
}

fn write_stream(stream: &Stream, out: &mut String) -> Result<(), TwimlFault> {
    out.push_str("<Connect><Stream");
    attribute("url", Some(&stream.url), out);
    attribute("name", stream.name.as_deref(), out);
    if stream.form == StreamForm::Rtp {
        let words = [
            ("track", "inbound_track"),
            ("codec", "PCMU"),
            ("bidirectionalMode", "rtp"),
            ("bidirectionalCodec", "PCMU"),
        ];
        words.into_iter().for_each(|(name, value)| attribute(name, Some(value), out));
    }
    out.push('>');
    for (name, value) in &stream.parameters {
        if name.chars().count() + value.chars().count() >= 500 {
            return Err(TwimlFault::Schema(format!("parameter `{name}` is too long")));
        }
        out.push_str("<Parameter");
        attribute("name", Some(name), out);
        attribute("value", Some(value), out);
        out.push_str("/>");
    }
    out.push_str("</Stream></Connect>");
    Ok(())
}

fn attribute(name: &str, value: Option<&str>, out: &mut String) {
    if let Some(value) = value {
        let _ = write!(out, " {name}=\"{}\"", escaped(value));
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for ch in text.chars() {
        match ch {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            // XML 1.0 has no way to write these, not even escaped.
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => out.push(other),
        }
    }
    out
}

/// Reads a document as the carrier would. Unknown attributes are ignored, unknown verbs are a schema fault.
pub fn parse(text: &str) -> Result<Vec<Verb>, TwimlFault> {
    // Documents may not define entities: roxmltree refuses a DTD unless told otherwise.
    let document = Document::parse(text.trim_start()).map_err(|error| TwimlFault::BadXml(error.to_string()))?;
    let root = document.root_element();
    if root.tag_name().name() != "Response" {
        return Err(TwimlFault::BadXml("the root element is not <Response>".to_owned()));
    }
    read_verbs(root, Level::Top)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Gather,
}

fn read_verbs(parent: Node, level: Level) -> Result<Vec<Verb>, TwimlFault> {
    let nodes: Vec<Node> = parent.children().filter(Node::is_element).collect();
    if nodes.len() > VERBS {
        return Err(TwimlFault::Schema(format!("more than {VERBS} verbs")));
    }
    nodes.into_iter().map(|node| read_verb(node, level)).collect()
}

fn read_verb(node: Node, level: Level) -> Result<Verb, TwimlFault> {
    let own = |name: &str| node.attribute(name).map(str::to_owned);
    let number = |name: &str| match node.attribute(name) {
        None => Ok(None),
        Some(text) => {
            text.trim().parse::<u32>().map(Some).map_err(|_| TwimlFault::Schema(format!("{name}=\"{text}\"")))
        }
    };
    let verb = match (node.tag_name().name(), level) {
        ("Say", _) => Verb::Say { text: inner(node), language: own("language") },
        ("Play", _) => match own("digits") {
            Some(digits) => Verb::Digits(digits),
            None => Verb::Play(inner(node)),
        },
        ("Pause", _) => Verb::Pause(number("length")?.unwrap_or(1)),
        (name, Level::Gather) => return Err(TwimlFault::Schema(format!("<{name}> inside <Gather>"))),
        ("Connect", Level::Top) => Verb::Connect(read_stream(node)?),
        ("Gather", Level::Top) => Verb::Gather(Gather {
            action: own("action"),
            timeout_s: number("timeout")?.unwrap_or(5),
            num_digits: number("numDigits")?,
            children: read_verbs(node, Level::Gather)?,
        }),
        ("Dial", Level::Top) => {
            Verb::Dial { to: inner(node), caller: own("callerId"), ring_s: number("timeout")?.unwrap_or(30) }
        }
        ("Redirect", Level::Top) => Verb::Redirect(inner(node)),
        ("Hangup", Level::Top) => Verb::Hangup,
        ("Reject", Level::Top) if node.attribute("reason") == Some("busy") => Verb::Reject(RejectReason::Busy),
        ("Reject", Level::Top) => Verb::Reject(RejectReason::Rejected),
        (name, Level::Top) => return Err(TwimlFault::Schema(format!("unknown verb <{name}>"))),
    };
    Ok(verb)
}

fn read_stream(connect: Node) -> Result<Stream, TwimlFault> {
    let mut nouns = connect.children().filter(Node::is_element);
    let stream = nouns
        .next()
        .filter(|node| node.tag_name().name() == "Stream")
        .ok_or_else(|| TwimlFault::Schema("<Connect> without <Stream>".to_owned()))?;
    let url = stream.attribute("url").ok_or_else(|| TwimlFault::Schema("<Stream> without url".to_owned()))?;
    let parameters = stream
        .children()
        .filter(Node::is_element)
        .map(|node| match (node.tag_name().name(), node.attribute("name"), node.attribute("value")) {
            ("Parameter", Some(name), value) => Ok((name.to_owned(), value.unwrap_or_default().to_owned())),
            (name, _, _) => Err(TwimlFault::Schema(format!("<{name}> inside <Stream>"))),
        })
        .collect::<Result<_, _>>()?;
    let rtp = stream.attribute("bidirectionalMode") == Some("rtp");
    let form = if rtp { StreamForm::Rtp } else { StreamForm::Plain };
    Ok(Stream { url: url.to_owned(), name: stream.attribute("name").map(str::to_owned), parameters, form })
}

fn inner(node: Node) -> String {
    let text: String = node.descendants().filter(Node::is_text).filter_map(|part| part.text()).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream {
            url: "wss://host.example/media".to_owned(),
            name: Some("s<1>".to_owned()),
            parameters: vec![("token".to_owned(), "ab&\"'<>\n\tя".to_owned())],
            form: StreamForm::Plain,
        }
    }

    #[test]
    fn what_is_written_is_read_again_whatever_the_text() {
        let verbs = vec![
            Verb::Connect(stream()),
            Verb::Connect(Stream { form: StreamForm::Rtp, ..stream() }),
            Verb::Say { text: "Sorry & goodbye <b>".to_owned(), language: Some("en-GB".to_owned()) },
            Verb::Digits("1w2".to_owned()),
            Verb::Play("https://h.example/a?b=1&c=2".to_owned()),
            Verb::Pause(3),
            Verb::Gather(Gather { action: None, timeout_s: 5, num_digits: Some(1), children: vec![Verb::Pause(1)] }),
            Verb::Dial { to: "+442079460001".to_owned(), caller: Some("+15005550006".to_owned()), ring_s: 25 },
            Verb::Redirect("https://h.example/next".to_owned()),
            Verb::Reject(RejectReason::Busy),
            Verb::Hangup,
        ];
        let text = write(&verbs).expect("fits");
        assert_eq!(parse(&text), Ok(verbs));
    }

    #[test]
    fn a_hostile_name_cannot_add_a_verb() {
        let mut stream = stream();
        stream.parameters[0].1 = "\"/></Stream></Connect><Dial>+1900</Dial>\u{0}\u{1b}".to_owned();
        let text = connect_stream(&stream, &[Verb::Hangup]).expect("fits");
        let back = parse(&text).expect("well-formed");
        assert_eq!(back.len(), 2);
        assert!(!text.contains("<Dial>"));
    }

    #[test]
    fn a_document_too_long_for_the_request_is_refused_here() {
        let long = Verb::Say { text: "я".repeat(INLINE_CHARS), language: None };
        assert!(matches!(connect_stream(&stream(), &[long]), Err(TwimlFault::TooLong(n)) if n > INLINE_CHARS));
        let mut wide = stream();
        wide.parameters[0].1 = "x".repeat(500);
        assert!(matches!(connect_stream(&wide, &[]), Err(TwimlFault::Schema(_))));
    }

    #[test]
    fn broken_documents_get_the_carriers_fault() {
        for bad in ["", "hello", "<Response>", "<Answer/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><Response/>"] {
            assert!(matches!(parse(bad), Err(TwimlFault::BadXml(_))), "{bad}");
        }
        for bad in [
            "<Response><Dance/></Response>",
            "<Response><say>x</say></Response>",
            "<Response><Connect/></Response>",
            "<Response><Connect><Stream/></Connect></Response>",
            "<Response><Pause length=\"long\"/></Response>",
            "<Response><Gather><Hangup/></Gather></Response>",
        ] {
            assert!(matches!(parse(bad), Err(TwimlFault::Schema(_))), "{bad}");
        }
        assert_eq!(parse("<Response/>"), Ok(vec![]));
    }
}
