//! Asterisk's media over a WebSocket (`chan_websocket`): binary messages are bare sound, text messages are control, JSON here.
//! Pure.
//!
//! Asterisk owns the timing: it cuts what comes into frames, holds 1 000 of them (20 s), plays one each 20 ms, and says XOFF at
//! 900 and XON below 800. A mark comes back when what was sent before it has been played; what a flush takes away is reported
//! by nobody. Source: Asterisk's own behaviour, seen, and its documentation.

use serde::Deserialize;
use serde_json::json;

use crate::base::text::printable;

/// The subprotocol of the socket.
pub const PROTOCOL: &str = "media";
/// The format that a leg is asked for, by its name there.
pub const FORMAT: &str = "ulaw";
/// Bytes of a frame, 20 ms of µ-law.
pub const FRAME: usize = 160;
/// Longest message that Asterisk takes; it ends the call at a longer one.
pub const MOST: usize = 65_500;
/// Who may open the socket of a leg that has no connection of its own: whoever knows its name.
pub const INCOMING: &str = "INCOMING";
/// The channel variable that has this name.
pub const CONNECTION_VARIABLE: &str = "MEDIA_WEBSOCKET_CONNECTION_ID";
/// What a leg is asked for besides: control messages in JSON.
pub const OPTIONS: &str = "f(json)";

/// What Asterisk says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Whose socket it is, and what it carries: always first.
    Start(Start),
    /// What was sent before this mark has been played.
    Marked(u64),
    /// Its queue is nearly full: no more.
    Xoff,
    /// There is room again.
    Xon,
    /// Something that we sent was wrong, in its words.
    Error(String),
    /// A key, which the channel's own event tells too and which counts there; a status; news of later versions.
    Other,
}

/// The first message of a socket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Start {
    /// Id of the channel.
    #[serde(default)]
    pub channel_id: String,
    /// Name of the format.
    #[serde(default)]
    pub format: String,
    /// Bytes of a frame; 0: it would neither cut nor time what we send.
    #[serde(default)]
    pub optimal_frame_size: usize,
    /// Milliseconds of a frame.
    #[serde(default)]
    pub ptime: Option<u32>,
}

/// Why a socket is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is another channel's.
    #[error("it is the socket of another channel")]
    Channel,
    /// Another format than was asked for.
    #[error("its format is `{0}`, not ulaw")]
    Format(String),
    /// Frames of another size.
    #[error("its frames have {0} bytes, not 160")]
    FrameSize(usize),
    /// Frames of another length.
    #[error("its frames last {0} ms, not 20")]
    FrameTime(u32),
}

impl Start {
    /// Whether it is the leg that was asked for, on the channel of this id.
    pub fn check(&self, channel: &str) -> Result<(), Unfit> {
        if self.channel_id != channel {
            return Err(Unfit::Channel);
        }
        if self.format != FORMAT {
            return Err(Unfit::Format(printable(&self.format)));
        }
        if self.optimal_frame_size != FRAME {
            return Err(Unfit::FrameSize(self.optimal_frame_size));
        }
        match self.ptime {
            Some(20) | None => Ok(()),
            Some(other) => Err(Unfit::FrameTime(other)),
        }
    }
}

#[derive(Deserialize)]
struct Typed {
    event: String,
    correlation_id: Option<String>,
    error_text: Option<String>,
}

/// Reads a text message; `None`: it is no message of this protocol, or lacks what it must have.
pub fn read(text: &str) -> Option<Said> {
    let typed: Typed = serde_json::from_str(text).ok()?;
    Some(match typed.event.as_str() {
        "MEDIA_START" => Said::Start(serde_json::from_str(text).ok()?),
        "MEDIA_MARK_PROCESSED" => Said::Marked(typed.correlation_id?.parse().ok()?),
        "MEDIA_XOFF" => Said::Xoff,
        "MEDIA_XON" => Said::Xon,
        "ERROR" => Said::Error(printable(&typed.error_text.unwrap_or_default())),
        _ => Said::Other,
    })
}

/// What we ask of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// What follows is cut into frames over the borders of messages. A flush ends it.
    StartBuffering,
    /// Tell when what was sent before this is played.
    Mark(u64),
    /// Forget what is queued.
    Flush,
}

/// A command's message, shorter than the 128 bytes that Asterisk reads.
pub fn write(command: Command) -> String {
    match command {
        Command::StartBuffering => json!({ "command": "START_MEDIA_BUFFERING" }),
        Command::Mark(id) => json!({ "command": "MARK_MEDIA", "correlation_id": id.to_string() }),
        Command::Flush => json!({ "command": "FLUSH_MEDIA" }),
    }
    .to_string()
}

/// Whether an Asterisk of this version has what we need of it: marks and control in JSON came after the channel itself
/// (20.16, 21.11, 22.6, 23.0). `None`: the version does not tell, a build from sources.
pub fn is_in(version: &str) -> Option<bool> {
    let bare = version.strip_prefix("certified").map_or(version, |rest| rest.trim_start_matches(['/', '-']));
    let mut parts = bare.split(['.', '-']);
    let major: u32 = parts.next()?.parse().ok()?;
    let minor: u32 = parts.next()?.parse().ok()?;
    Some(match major {
        20 => minor >= 18,
        22 => minor >= 8,
        23 => minor >= 2,
        _ => major >= 24,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"{"event":"MEDIA_START","connection_id":"32966726-4388-456b-a333-fdf5dbecc60d",
        "channel":"WebSocket/INCOMING/0x5140001a0040","channel_id":"ahoy-x-media","format":"ulaw",
        "optimal_frame_size":160,"ptime":20,"channel_variables":{"MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE":"160"}}"#;

    #[test]
    fn events_are_read_as_asterisk_writes_them_and_garbage_is_nothing() {
        let Some(Said::Start(start)) = read(START) else { panic!("the first message") };
        assert_eq!(start.check("ahoy-x-media"), Ok(()));
        let event = |kind: &str, more: &str| read(&format!(r#"{{"event":"{kind}","channel_id":"c"{more}}}"#));
        assert_eq!(event("MEDIA_MARK_PROCESSED", r#","correlation_id":"7""#), Some(Said::Marked(7)));
        assert_eq!(event("MEDIA_XOFF", ""), Some(Said::Xoff));
        assert_eq!(event("MEDIA_XON", ""), Some(Said::Xon));
        assert_eq!(event("DTMF_END", r#","digit":"5""#), Some(Said::Other));
        let words = r#","error_text":"Unable to parse\u001b[2J""#;
        assert!(matches!(event("ERROR", words), Some(Said::Error(text)) if !text.contains('\u{1b}')));
        for nothing in ["", "[]", "{}", "null", "MEDIA_XOFF", r#"{"event":7}"#, r#"{"event":"MEDIA_MARK_PROCESSED"}"#] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
        for id in ["", "seven", "-1", "18446744073709551616"] {
            assert_eq!(event("MEDIA_MARK_PROCESSED", &format!(r#","correlation_id":"{id}""#)), None, "{id}");
        }
    }

    #[test]
    fn a_leg_that_is_not_the_one_that_was_asked_for_is_refused_with_its_reason() {
        let unfit = |from: &str, to: &str| match read(&START.replace(from, to)) {
            Some(Said::Start(start)) => start.check("ahoy-x-media").expect_err("another leg"),
            other => panic!("{other:?}"),
        };
        assert_eq!(unfit("ahoy-x-media", "ahoy-y-media"), Unfit::Channel);
        assert_eq!(unfit("\"ulaw\"", "\"slin\""), Unfit::Format("slin".to_owned()));
        assert_eq!(unfit(":160,", ":320,"), Unfit::FrameSize(320));
        // Passthrough: Asterisk would neither cut nor time what we send.
        assert_eq!(unfit(":160,", ":0,"), Unfit::FrameSize(0));
        assert_eq!(unfit("\"ptime\":20", "\"ptime\":10"), Unfit::FrameTime(10));
    }

    #[test]
    fn commands_are_short_enough_to_be_read() {
        assert_eq!(write(Command::Mark(7)), r#"{"command":"MARK_MEDIA","correlation_id":"7"}"#);
        assert_eq!(write(Command::Flush), r#"{"command":"FLUSH_MEDIA"}"#);
        for command in [Command::StartBuffering, Command::Mark(u64::MAX), Command::Flush] {
            assert!(write(command).len() <= 128);
        }
    }

    #[test]
    fn versions_with_marks_are_known_and_builds_from_sources_say_nothing() {
        for (version, has) in [
            ("18.26.4", Some(false)),
            ("20.17.0", Some(false)),
            ("20.18.0", Some(true)),
            ("21.12.2", Some(false)),
            ("22.6.0", Some(false)),
            ("22.8.0-rc1", Some(true)),
            ("22.10.1", Some(true)),
            ("23.1.0", Some(false)),
            ("23.2.1", Some(true)),
            ("24.0.0", Some(true)),
            ("certified-20.7-cert8", Some(false)),
            ("certified/22.8-cert1", Some(true)),
            ("GIT-master-0607f2cb79", None),
            ("", None),
            ("22", None),
        ] {
            assert_eq!(is_in(version), has, "{version}");
        }
    }
}
