//! One media stream as the carrier runs it: our audio queued and played in order at 8 kHz, marks echoed when
//! playback reaches them, `clear`, the callee's sound, and the carrier's exact messages. The frame is the clock.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::callee::{Callee, FRAME, Heard, Script};
use super::line::What;
use super::tape::Tape;
use super::telnyx;
use crate::base::limits::SIM_QUEUE_SAMPLES;
use crate::core::wire::dialect::Dialect;

/// A µ-law sample louder than silence: above about −38 dBov.
const LOUD: u8 = 0x20;

/// Whose stream it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamIds {
    /// `AC…`
    pub account: String,
    /// `CA…`
    pub call: String,
    /// `MZ…`
    pub stream: String,
}

#[derive(Debug)]
enum Queued {
    Sound(Vec<u8>, usize),
    Mark(String),
}

/// What goes wrong with the callee's sound on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// Five frames of each fifty never come.
    pub gaps: bool,
    /// Each tenth frame comes again, behind the next one.
    pub repeats: bool,
    /// The sound of each twentieth frame is no base64.
    pub garbage: bool,
}

/// The stream's machine: `receive` what we send, `frame` every 20 ms, then drain `messages` and `notes`.
#[derive(Debug)]
pub struct StreamMachine {
    ids: StreamIds,
    callee: Callee,
    queue: VecDeque<Queued>,
    queued: usize,
    sequence: u64,
    chunk: u64,
    first_ms: u64,
    samples: u64,
    played: u64,
    started_us: u64,
    /// Samples of ours played, and the time in µs, at the callee's last onset.
    onset: Option<(u64, u64)>,
    got_media: bool,
    heard: bool,
    complaints: u32,
    messages: Vec<String>,
    notes: Vec<What>,
    hung_up: bool,
    tape: Option<Tape>,
    /// How its messages are spelled.
    dialect: Dialect,
    /// A frame that comes behind its successor: Telnyx promises no order.
    late: Option<Value>,
    weather: Weather,
    /// A frame that comes again.
    again: Option<Value>,
}

impl StreamMachine {
    /// The same as SignalWire is documented to tell it: the least that a message may have, and no parameters.
    pub fn lean(ids: StreamIds, script: Script, now_us: u64) -> StreamMachine {
        let mut machine = StreamMachine::new(ids, script, &[], now_us);
        machine.dialect = Dialect::SignalWire;
        let StreamIds { account, call, stream } = &machine.ids;
        machine.messages = vec![
            r#"{"event":"connected","protocol":"Call","version":"0.2.0"}"#.to_owned(),
            json!({
                "event": "start", "sequenceNumber": "1",
                "start": {
                    "accountSid": account, "streamSid": stream, "callSid": call, "tracks": ["inbound"],
                    "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
                },
            })
            .to_string(),
        ];
        machine
    }

    /// The same as Telnyx tells it: its own spelling, frames out of order.
    pub fn telnyx(ids: StreamIds, script: Script, parameters: &[(String, String)], now_us: u64) -> StreamMachine {
        let mut machine = StreamMachine::new(ids, script, &[], now_us);
        machine.dialect = Dialect::Telnyx;
        machine.messages = telnyx::opening(&machine.ids, parameters);
        machine
    }

    /// The same in bad weather.
    pub fn in_weather(mut self, weather: Weather) -> StreamMachine {
        self.weather = weather;
        self
    }

    /// The callee's frame, as the weather lets it through.
    fn say_frame(&mut self, mut media: Value) {
        let again = self.again.take();
        if self.weather.garbage && self.chunk.is_multiple_of(20) {
            media["media"]["payload"] = json!("*not base64*");
        }
        if self.weather.repeats && self.chunk.is_multiple_of(10) {
            self.again = Some(media.clone());
        }
        if !(self.weather.gaps && self.chunk % 50 >= 45) {
            if self.dialect == Dialect::Telnyx && self.chunk.is_multiple_of(25) {
                self.late = Some(media);
            } else {
                self.say(media);
                self.late.take().into_iter().for_each(|late| self.say(late));
            }
        }
        if let Some(again) = again {
            self.say(again);
        }
    }

    /// A message as this carrier writes it.
    fn say(&mut self, mut message: Value) {
        if self.dialect == Dialect::Telnyx {
            self.messages.push(telnyx::spelled(message).to_string());
            return;
        }
        if let (Dialect::SignalWire, Some(fields)) = (self.dialect, message.as_object_mut()) {
            fields.remove("streamSid");
            fields.remove("stop");
            if message["event"] == "mark" {
                message.as_object_mut().and_then(|fields| fields.remove("sequenceNumber"));
            }
            if message["event"] == "dtmf" {
                message["dtmf"]["duration"] = json!(160);
            }
        }
        self.messages.push(message.to_string());
    }

    /// A stream that opens now. Its first messages (`connected`, `start`) are ready to be drained.
    pub fn new(ids: StreamIds, script: Script, parameters: &[(String, String)], now_us: u64) -> StreamMachine {
        // The first timestamp of a real stream is never 0: 102 to 171 ms were seen.
        let first_ms = 90 + script.noise % 90;
        let mut machine = StreamMachine {
            ids,
            callee: Callee::new(script),
            queue: VecDeque::new(),
            queued: 0,
            sequence: 0,
            chunk: 0,
            first_ms,
            samples: 0,
            played: 0,
            started_us: now_us,
            onset: None,
            got_media: false,
            heard: false,
            complaints: 0,
            messages: Vec::new(),
            notes: Vec::new(),
            hung_up: false,
            tape: None,
            dialect: Dialect::Twilio,
            late: None,
            weather: Weather::default(),
            again: None,
        };
        machine.messages.push(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#.to_owned());
        let custom: serde_json::Map<String, Value> =
            parameters.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        let sequence = machine.next_sequence();
        let start = json!({
            "event": "start", "sequenceNumber": sequence,
            "start": {
                "accountSid": machine.ids.account, "streamSid": machine.ids.stream, "callSid": machine.ids.call,
                "tracks": ["inbound"],
                "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
                "customParameters": custom,
            },
            "streamSid": machine.ids.stream,
        });
        machine.messages.push(start.to_string());
        machine.notes.push(What::StreamStarted { stream_sid: machine.ids.stream.clone() });
        machine
    }

    /// Messages to write to the socket, in order.
    pub fn messages(&mut self) -> Vec<String> {
        std::mem::take(&mut self.messages)
    }

    /// Lines for the log, in order.
    pub fn notes(&mut self) -> Vec<What> {
        std::mem::take(&mut self.notes)
    }

    /// Records from here on.
    pub fn record(&mut self) {
        self.tape.get_or_insert_default();
    }

    /// What was recorded, if anything was.
    pub fn tape(&mut self) -> Option<Tape> {
        self.tape.take()
    }

    /// Whether the callee has hung up.
    pub fn hung_up(&self) -> bool {
        self.hung_up
    }

    /// Takes one text message of ours. `now_us`: the clock of `new`.
    pub fn receive(&mut self, text: &str, now_us: u64) {
        if let Err(what) = self.take(text, now_us) {
            self.complain(what);
        }
    }

    /// Takes one binary message: always wrong.
    pub fn receive_binary(&mut self) {
        self.complain("a binary message".to_owned());
    }

    fn complain(&mut self, what: String) {
        // The real carrier warns once a stream; the log keeps the first hundred, enough to find the bug.
        self.complaints += 1;
        if self.complaints <= 100 {
            self.notes.push(What::BadMessage { what });
        }
    }

    fn take(&mut self, text: &str, now_us: u64) -> Result<(), String> {
        let message: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
        let object = message.as_object().ok_or("no JSON object")?;
        let event = object.get("event").and_then(Value::as_str).ok_or("no event")?;
        let inner: &[&str] = match event {
            "media" => &["payload"],
            "mark" => &["name"],
            "clear" => &[],
            other => return Err(format!("unknown event `{}`", crate::base::text::printable(other))),
        };
        let names_stream = self.dialect != Dialect::Telnyx;
        if names_stream && object.get("streamSid").and_then(Value::as_str) != Some(self.ids.stream.as_str()) {
            return Err(format!("{event} with a wrong streamSid"));
        }
        let known =
            |key: &str| key == "event" || (names_stream && key == "streamSid") || (key == event && !inner.is_empty());
        if let Some(surplus) = object.keys().find(|key| !known(key)) {
            return Err(format!("{event} with a surplus field `{}`", crate::base::text::printable(surplus)));
        }
        let text = match inner.first() {
            None => None,
            Some(field) => {
                let part = object.get(event).and_then(Value::as_object).ok_or(format!("{event} without its object"))?;
                if let Some(surplus) = part.keys().find(|key| key != field) {
                    return Err(format!("{event} with a surplus field `{}`", crate::base::text::printable(surplus)));
                }
                Some(part.get(*field).and_then(Value::as_str).ok_or(format!("{event} without {field}"))?)
            }
        };
        match (event, text) {
            ("media", Some(payload)) => self.media(payload, now_us),
            ("mark", Some(name)) => {
                self.mark(name.to_owned());
                Ok(())
            }
            (_, _) => {
                self.clear(now_us);
                Ok(())
            }
        }
    }

    fn media(&mut self, payload: &str, now_us: u64) -> Result<(), String> {
        let sound = STANDARD.decode(payload).map_err(|error| format!("media payload: {error}"))?;
        if self.dialect == Dialect::Telnyx && !telnyx::SOUND.contains(&sound.len()) {
            return Err(format!("{} samples of sound in one message", sound.len()));
        }
        if !self.got_media {
            self.got_media = true;
            let since_start_us = now_us.saturating_sub(self.started_us);
            self.notes.push(What::FirstMediaIn { since_start_us, samples: self.samples });
        }
        if self.queued + sound.len() > SIM_QUEUE_SAMPLES {
            return Err("more than ten minutes of sound queued; dropped".to_owned());
        }
        if sound.starts_with(b"RIFF") {
            self.complain("media payload has a WAV header: the callee hears noise".to_owned());
        }
        if !sound.is_empty() {
            self.queued += sound.len();
            self.queue.push_back(Queued::Sound(sound, 0));
        }
        Ok(())
    }

    fn mark(&mut self, name: String) {
        if self.queue.is_empty() {
            self.echo(name, false);
        } else {
            self.queue.push_back(Queued::Mark(name));
        }
    }

    fn clear(&mut self, now_us: u64) {
        let discarded = self.queued as u64;
        self.queued = 0;
        self.notes.push(What::ClearReceived {
            samples: self.samples,
            played_since_onset: self.onset.map(|(played, _)| self.played - played),
            since_onset_us: self.onset.map(|(_, us)| now_us.saturating_sub(us)),
            discarded,
        });
        for queued in std::mem::take(&mut self.queue) {
            if let Queued::Mark(name) = queued {
                self.echo(name, true);
            }
        }
    }

    fn echo(&mut self, name: String, cleared: bool) {
        let sequence = self.next_sequence();
        let stream = &self.ids.stream;
        let echo =
            json!({ "event": "mark", "sequenceNumber": sequence, "streamSid": stream, "mark": { "name": name } });
        self.say(echo);
        self.notes.push(What::Mark { name, samples: self.samples, cleared });
    }

    /// Plays and speaks 20 ms.
    pub fn frame(&mut self, now_us: u64) {
        let mut ours = [0xff; FRAME];
        let (heard, marks) = self.play(&mut ours);
        if heard.loud && !self.heard && self.callee.is_there() {
            self.heard = true;
            self.notes.push(What::FirstHeard { samples: self.samples });
        }
        let said = self.callee.step(heard);
        if said.onset {
            // What plays in the onset's own frame already counts as tail.
            self.onset = Some((self.played - u64::from(heard.samples), now_us));
            self.notes.push(What::SpeechOnset { samples: self.samples });
        }
        if let Some(tape) = &mut self.tape {
            tape.add(&said.audio, &ours);
        }
        self.chunk += 1;
        let timestamp = self.first_ms + (self.chunk - 1) * 20;
        let sequence = self.next_sequence();
        let media = json!({
            "event": "media", "sequenceNumber": sequence,
            "media": {
                "track": "inbound", "chunk": self.chunk.to_string(), "timestamp": timestamp.to_string(),
                "payload": STANDARD.encode(said.audio),
            },
            "streamSid": self.ids.stream,
        });
        self.say_frame(media);
        self.samples += FRAME as u64;
        for name in marks {
            self.echo(name, false);
        }
        if let Some(digit) = said.key {
            let sequence = self.next_sequence();
            let dtmf = json!({
                "event": "dtmf", "streamSid": self.ids.stream, "sequenceNumber": sequence,
                "dtmf": { "track": "inbound_track", "digit": digit.to_string() },
            });
            self.say(dtmf);
            self.notes.push(What::Dtmf { digit, samples: self.samples });
        }
        self.hung_up |= said.hangs_up;
    }

    fn play(&mut self, ours: &mut [u8; FRAME]) -> (Heard, Vec<String>) {
        let mut left = FRAME;
        let mut loud = 0;
        let mut marks = Vec::new();
        while let Some(first) = self.queue.front_mut() {
            match first {
                Queued::Mark(name) => marks.push(std::mem::take(name)),
                Queued::Sound(_, _) if left == 0 => break,
                Queued::Sound(sound, at) => {
                    let take = left.min(sound.len() - *at);
                    let place = FRAME - left;
                    ours[place..place + take].copy_from_slice(&sound[*at..*at + take]);
                    loud += sound[*at..*at + take].iter().filter(|code| (!**code & 0x7f) >= LOUD).count();
                    *at += take;
                    left -= take;
                    self.queued -= take;
                    self.played += take as u64;
                    if *at < sound.len() {
                        break;
                    }
                }
            }
            self.queue.pop_front();
        }
        let samples = u32::try_from(FRAME - left).expect("a frame is short");
        (Heard { samples, loud: loud >= 4 }, marks)
    }

    /// The stream ends: the `stop` message becomes ready.
    pub fn stop(&mut self, by: &str) {
        let sequence = self.next_sequence();
        let stop = json!({
            "event": "stop", "sequenceNumber": sequence, "streamSid": self.ids.stream,
            "stop": { "accountSid": self.ids.account, "callSid": self.ids.call },
        });
        self.say(stop);
        self.stopped(by);
    }

    /// The stream ended without a `stop`.
    pub fn stopped(&mut self, by: &str) {
        self.notes.push(What::StreamStopped { by: by.to_owned(), samples: self.samples, played: self.played });
    }

    fn next_sequence(&mut self) -> String {
        self.sequence += 1;
        self.sequence.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sim::callee::{Behaviour, script};

    fn machine(behaviour: Behaviour) -> StreamMachine {
        let script = (0..10_000)
            .map(|n| script(1, &format!("+1500555{n:04}")))
            .find(|script| script.behaviour == behaviour)
            .expect("every behaviour has a weight");
        let ids = StreamIds { account: "AC1".into(), call: "CA1".into(), stream: "MZ1".into() };
        StreamMachine::new(ids, script, &[("token".into(), "t\"1".into())], 1_000)
    }

    fn sound(samples: usize) -> String {
        let payload = STANDARD.encode(vec![0x10u8; samples]);
        json!({ "event": "media", "streamSid": "MZ1", "media": { "payload": payload } }).to_string()
    }

    fn mark(name: &str) -> String {
        json!({ "event": "mark", "streamSid": "MZ1", "mark": { "name": name } }).to_string()
    }

    fn echoes(machine: &mut StreamMachine) -> Vec<String> {
        let texts = machine.messages();
        let values = texts.iter().map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
        values
            .filter(|value| value["event"] == "mark")
            .map(|value| value["mark"]["name"].as_str().expect("text").to_owned())
            .collect()
    }

    #[test]
    fn the_first_messages_are_the_carriers_and_counters_are_text() {
        let mut machine = machine(Behaviour::Listens);
        machine.frame(0);
        machine.frame(0);
        let texts = machine.messages();
        assert_eq!(texts[0], r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#);
        let values: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
        assert_eq!(values[1]["start"]["customParameters"]["token"], "t\"1");
        assert_eq!(values[1]["start"]["mediaFormat"]["sampleRate"], 8000);
        assert_eq!(values[1]["sequenceNumber"], "1");
        assert_eq!((&values[2]["sequenceNumber"], &values[2]["media"]["chunk"]), (&json!("2"), &json!("1")));
        let stamp =
            |at: usize| values[at]["media"]["timestamp"].as_str().expect("text").parse::<u64>().expect("number");
        assert!(stamp(2) > 0);
        assert_eq!(stamp(3) - stamp(2), 20);
    }

    #[test]
    fn a_mark_comes_back_when_playback_reaches_it_and_at_once_on_an_empty_queue() {
        let mut machine = machine(Behaviour::Listens);
        machine.receive(&mark("now"), 0);
        assert_eq!(echoes(&mut machine), ["now"]);
        machine.receive(&sound(320), 0);
        machine.receive(&mark("two frames"), 0);
        machine.receive(&sound(10), 0);
        machine.receive(&mark("end"), 0);
        machine.frame(0);
        assert_eq!(echoes(&mut machine), Vec::<String>::new());
        machine.frame(0);
        assert_eq!(echoes(&mut machine), ["two frames"]);
        machine.frame(0);
        assert_eq!(echoes(&mut machine), ["end"]);
    }

    #[test]
    fn clear_empties_the_queue_echoes_every_mark_and_tells_the_tail() {
        let mut machine = machine(Behaviour::TalksOver);
        for name in 0..20 {
            machine.receive(&sound(4_000), 0);
            machine.receive(&mark(&name.to_string()), 0);
        }
        let mut frames = 0;
        while !machine.notes().iter().any(|note| matches!(note, What::SpeechOnset { .. })) {
            machine.frame(5_000);
            frames += 1;
            assert!(frames < 500, "talks over us");
        }
        let played_marks = echoes(&mut machine).len();
        (0..6).for_each(|_| machine.frame(5_000));
        let played_marks = played_marks + echoes(&mut machine).len();
        machine.receive(r#"{"event":"clear","streamSid":"MZ1"}"#, 9_000);
        assert_eq!(echoes(&mut machine).len() + played_marks, 20);
        let cleared = machine.notes().into_iter().find_map(|note| match note {
            What::ClearReceived { played_since_onset, since_onset_us, discarded, .. } => {
                Some((played_since_onset, since_onset_us, discarded))
            }
            _ => None,
        });
        assert_eq!(cleared, Some((Some(7 * 160), Some(4_000), 80_000 - (frames + 6) * 160)));
        machine.frame(0);
        assert!(echoes(&mut machine).is_empty());
    }

    #[test]
    fn messages_that_break_the_protocol_are_logged_and_ignored() {
        let mut machine = machine(Behaviour::Listens);
        machine.notes();
        for bad in [
            "hello",
            "[]",
            "{}",
            r#"{"event":"dance","streamSid":"MZ1"}"#,
            r#"{"event":"clear","streamSid":"MZ2"}"#,
            r#"{"event":"clear","streamSid":"MZ1","extra":1}"#,
            r#"{"event":"mark","streamSid":"MZ1"}"#,
            r#"{"event":"media","streamSid":"MZ1","media":{"payload":"%%"}}"#,
            r#"{"event":"media","streamSid":"MZ1","media":{"payload":"AAAA","track":"inbound"}}"#,
        ] {
            machine.receive(bad, 0);
            let notes = machine.notes();
            assert!(matches!(notes.as_slice(), [What::BadMessage { .. }]), "{bad}: {notes:?}");
        }
        machine.receive(
            &json!({ "event": "media", "streamSid": "MZ1", "media": { "payload": STANDARD.encode("RIFF1234") } })
                .to_string(),
            3_000,
        );
        let notes = machine.notes();
        assert!(matches!(
            notes.as_slice(),
            [What::FirstMediaIn { since_start_us: 2_000, .. }, What::BadMessage { .. }]
        ));
    }

    #[test]
    fn a_pressed_key_arrives_as_dtmf_and_a_finished_listener_hangs_up() {
        let mut machine = machine(Behaviour::PressesNine);
        machine.receive(&sound(8_000 * 6), 0);
        (0..1_000).for_each(|_| machine.frame(0));
        assert!(machine.hung_up());
        let texts = machine.messages();
        let keys: Vec<&String> = texts.iter().filter(|text| text.contains(r#""event":"dtmf""#)).collect();
        assert_eq!(keys.len(), 1);
        let key: Value = serde_json::from_str(keys[0]).expect("JSON");
        assert_eq!(key["dtmf"], json!({ "track": "inbound_track", "digit": "9" }));
    }
}
