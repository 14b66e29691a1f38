//! Recordings at Twilio: begun on a live call, asked about, fetched.

use reqwest::header;

use super::{Twilio, ask, cause};
use crate::base::Sid;
use crate::base::limits::RECORDING_FETCH;
use crate::core::wire::form;
use crate::core::wire::recordings::{self as wire, RecordingResource, RecordingState};
use crate::edge::carrier::{AskFault, SoundFile};

fn failed(cause: impl Into<String>) -> AskFault {
    AskFault::Failed { cause: cause.into() }
}

fn read(body: &[u8]) -> Result<RecordingResource, AskFault> {
    serde_json::from_slice(body).map_err(|error| failed(format!("unreadable recording: {error}")))
}

impl Twilio {
    pub(super) async fn record_once(&self, call: &Sid, told: &str) -> Result<Sid, AskFault> {
        let path = wire::of_call_path(&self.options.account_sid, call.as_str());
        let answer = self.post(&path, form::encode(&wire::begin_form(told, self.options.dialect))).await;
        let answer = answer.map_err(|error| failed(cause(&error)))?;
        if answer.status().as_u16() == 400 {
            // "Not eligible for recording": the call is over.
            return Err(AskFault::Gone);
        }
        let begun = read(&ask(answer).await?)?;
        begun.sid.as_deref().and_then(|sid| sid.parse().ok()).ok_or_else(|| failed("a recording without a sid"))
    }

    /// The first page is all: a call has one recording of ours.
    pub(super) async fn recordings_of_once(&self, call: &Sid) -> Result<Vec<(Sid, RecordingState)>, AskFault> {
        let path = wire::of_call_path(&self.options.account_sid, call.as_str());
        let body = self.get(self.url(&path)).await?;
        let page: wire::RecordingPage =
            serde_json::from_slice(&body).map_err(|error| failed(format!("unreadable list: {error}")))?;
        let known = |found: RecordingResource| {
            let state = RecordingState::of(found.status.as_deref().unwrap_or_default(), found.error_code);
            Some((found.sid?.parse().ok()?, state))
        };
        Ok(page.recordings.into_iter().filter_map(known).collect())
    }

    pub(super) async fn recording_once(&self, recording: &Sid) -> Result<RecordingState, AskFault> {
        let path = wire::path(&self.options.account_sid, recording.as_str(), "json");
        let found = read(&self.get(self.url(&path)).await?)?;
        Ok(RecordingState::of(found.status.as_deref().unwrap_or_default(), found.error_code))
    }

    /// Goes on where the file ends; a carrier that sends all of it again is believed.
    pub(super) async fn fetch_sound_once(&self, recording: &Sid, sound: &mut dyn SoundFile) -> Result<(), AskFault> {
        let path = wire::path(&self.options.account_sid, recording.as_str(), "wav?RequestedChannels=2");
        let held = sound.held();
        let mut request = self.known(self.house.client.get(self.url(&path))).timeout(RECORDING_FETCH);
        if held > 0 {
            request = request.header(header::RANGE, format!("bytes={held}-"));
        }
        let mut answer = request.send().await.map_err(|error| failed(cause(&error)))?;
        let written = |error: std::io::Error| failed(format!("the file: {error}"));
        let range = answer.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
        match answer.status().as_u16() {
            206 if range.is_some_and(|range| range.starts_with(&format!("bytes {held}-"))) => {}
            // All of it is here.
            416 if range == Some(&format!("bytes */{held}")) => return Ok(()),
            200 => sound.restart().map_err(written)?,
            206 | 416 => {
                sound.restart().map_err(written)?;
                return Err(failed("it went on at another place than was asked for"));
            }
            _ => return ask(answer).await.map(|_| ()),
        }
        while let Some(chunk) = answer.chunk().await.map_err(|error| failed(cause(&error)))? {
            sound.append(&chunk).map_err(written)?;
        }
        Ok(())
    }
}
