//! Recordings: begun on a live call, told of when they are ready, served in whole or in part.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;

use super::api::{World, authorise, logged};
use super::book::Taped;
use super::form::refuse;
use crate::core::dial::CallStatus;
use crate::core::sim::line::What;
use crate::core::sim::rest::{ApiFault, Recorded, read_record};
use crate::core::sim::tape::Tape;
use crate::core::wire::form;
use crate::core::wire::recordings::{self as wire, RecordingPage, RecordingResource};
use crate::core::wire::twilio::{API_VERSION, date};

/// From the end of a call until its recording is ready, milliseconds of the carrier's own time.
const MADE_READY_MS: u64 = 1_500;
/// The same, where the fault `recording_late` strikes.
const LATE_MS: u64 = 30_000;

/// As the API answers it.
fn resource(world: &World, taped: &Taped) -> RecordingResource {
    let seconds = taped.tape.as_ref().map(Tape::seconds);
    RecordingResource {
        sid: Some(taped.sid.clone()),
        account_sid: Some(world.account.clone()),
        call_sid: Some(taped.call.clone()),
        api_version: Some(API_VERSION.to_owned()),
        date_created: Some(date(taped.begun)),
        date_updated: Some(date(taped.begun)),
        start_time: Some(date(taped.begun)),
        duration: seconds.filter(|_| taped.status == "completed").map(|seconds| seconds.to_string()),
        status: Some(taped.status.to_owned()),
        channels: Some(2),
        source: Some("StartCallRecordingAPI".to_owned()),
        error_code: taped.error,
        price: None,
        price_unit: Some("USD".to_owned()),
        uri: Some(world.dialect.path(&wire::path(&world.account, &taped.sid, "json")).into_owned()),
    }
}

pub(super) async fn begin(
    State(world): State<Arc<World>>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(fault) = authorise(&world, &account, &headers) {
        return logged(&world, &call, fault);
    }
    let asked = match read_record(&form::decode(&body)) {
        Ok(asked) => asked,
        Err(fault) => return logged(&world, &call, fault),
    };
    let Recorded { callback, ignored } = asked;
    let now = world.now();
    let mut book = world.book();
    let Some(entry) = book.get(&call) else {
        return refuse(&world, &ApiFault::new(404, 20_404, "The requested call was not found"));
    };
    if entry.status != CallStatus::InProgress {
        drop(book);
        let what = "The requested resource is not eligible for recording";
        return logged(&world, &call, ApiFault::new(400, 21_220, what));
    }
    entry.recorded.store(true, Ordering::Release);
    let sid = world.id("RE", now.boot.0 ^ world.seed, &["recording", &call]);
    let taped = Taped {
        sid: sid.clone(),
        call: call.clone(),
        begun: now.wall,
        status: "in-progress",
        error: None,
        callback,
        tape: None,
    };
    let answer = resource(&world, &taped);
    book.tape(taped);
    drop(book);
    world.note(&call, What::Recording { recording: sid, status: "in-progress".to_owned() });
    if !ignored.is_empty() {
        let what = format!("unknown names are ignored: {}", crate::base::text::printable(&ignored.join(", ")));
        world.note(&call, What::BadRequest { http: 201, code: None, what });
    }
    let whose = world.book().get(&call).map(|entry| entry.to.clone()).unwrap_or_default();
    if world.strikes("recording_unanswered", &whose, 0) {
        return refuse(
            &world,
            &ApiFault { http: 500, code: Some(20_500), message: "Internal Server Error".to_owned() },
        );
    }
    (world.created(), axum::Json(answer)).into_response()
}

pub(super) async fn list(
    State(world): State<Arc<World>>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(fault) = authorise(&world, &account, &headers) {
        return logged(&world, &call, fault);
    }
    let recordings: Vec<RecordingResource> =
        world.book().tapes_of(&call).iter().map(|taped| resource(&world, taped)).collect();
    let uri = Some(world.dialect.path(&wire::of_call_path(&world.account, &call)).into_owned());
    let page_size = recordings.len() as u64;
    axum::Json(RecordingPage { recordings, next_page_uri: None, page: 0, page_size, uri }).into_response()
}

pub(super) async fn fetch(
    State(world): State<Arc<World>>,
    Path((account, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(fault) = authorise(&world, &account, &headers) {
        return logged(&world, "", fault);
    }
    let gone = || refuse(&world, &ApiFault::new(404, 20_404, "The requested recording was not found"));
    let (sid, form) = name.rsplit_once('.').unwrap_or((&name, "json"));
    let Some(taped) = world.book().taped(sid).cloned() else { return gone() };
    match (form, taped.status, &taped.tape) {
        ("json", _, _) => axum::Json(resource(&world, &taped)).into_response(),
        ("wav", "completed", Some(tape)) => sound(&world, &taped.call, tape.wav(), &headers),
        // Not ready, or never.
        (_, _, _) => gone(),
    }
}

fn sound(world: &World, call: &str, wav: Vec<u8>, headers: &HeaderMap) -> Response {
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let from = range.and_then(|text| text.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let length = wav.len();
    let nth = world.count.fetch_add(1, Ordering::Relaxed);
    let cut = world.strikes("recording_cut", call, nth);
    let (status, rest, told) = match from {
        Some(from) if from >= length => {
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, format!("bytes */{length}"))])
                .into_response();
        }
        Some(from) => (StatusCode::PARTIAL_CONTENT, wav[from..].to_vec(), Some((from, length))),
        None => (StatusCode::OK, wav, None),
    };
    let whole = rest.len();
    let body = if cut {
        let half = Bytes::from(rest[..whole / 2].to_vec());
        // The half is on its way before the connection breaks.
        let pause = (world.doors.sleep)(Duration::from_millis(50));
        let broken = async move {
            pause.await;
            Err(std::io::Error::other("fault recording_cut"))
        };
        let first = futures_util::stream::once(std::future::ready(Ok(half)));
        Body::from_stream(first.chain(futures_util::stream::once(broken)))
    } else {
        Body::from(rest)
    };
    let mut answer = (status, [(header::CONTENT_TYPE, "audio/x-wav")], body).into_response();
    let place = told.map(|(from, length)| format!("bytes {from}-{}/{length}", length - 1));
    for (name, text) in [(header::CONTENT_RANGE, place), (header::CONTENT_LENGTH, Some(whole.to_string()))] {
        if let Some(value) = text.and_then(|text| text.parse().ok()) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// The call is over: its recordings are made ready, and told of.
pub async fn finish(world: Arc<World>, call: String) {
    let begun: Vec<Taped> = world.book().tapes_of(&call);
    if begun.is_empty() {
        return;
    }
    world.book().become_of(&call, "processing", None);
    // By the callee, so that the same seed strikes the same people.
    let whose = world.book().get(&call).map(|entry| entry.to.clone()).unwrap_or_default();
    let strikes = |name| world.strikes(name, &whose, 0);
    let late = if strikes("recording_late") { LATE_MS } else { 0 };
    (world.doors.sleep)(Duration::from_secs_f64((MADE_READY_MS + late) as f64 / 1_000.0 / world.speedup)).await;
    for taped in begun {
        let tape = world.book().taped(&taped.sid).and_then(|taped| taped.tape.clone()).unwrap_or_default();
        let (status, error) = match tape.seconds() {
            _ if strikes("recording_absent") => ("absent", Some(16_102)),
            0 => ("absent", Some(16_101)),
            _ => ("completed", None),
        };
        world.book().become_of(&call, status, error);
        world.note(&call, What::Recording { recording: taped.sid.clone(), status: status.to_owned() });
        let Some(url) = taped.callback.filter(|_| !strikes("recording_untold")) else { continue };
        let mut params = vec![
            ("AccountSid", world.account.clone()),
            ("CallSid", call.clone()),
            ("RecordingSid", taped.sid.clone()),
            ("RecordingUrl", format!("http://127.0.0.1/{}", wire::path(&world.account, &taped.sid, ""))),
            ("RecordingStatus", status.to_owned()),
            ("RecordingDuration", tape.seconds().to_string()),
            ("RecordingChannels", "2".to_owned()),
            ("RecordingStartTime", date(taped.begun)),
            ("RecordingSource", "StartCallRecordingAPI".to_owned()),
            ("RecordingTrack", "both".to_owned()),
        ];
        params.extend(error.map(|code| ("ErrorCode", code.to_string())));
        let params: Vec<_> = params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let result = match world.post(&url, &params).await {
            Ok((http, _)) => http.to_string(),
            Err(error) => error,
        };
        let (kind, status) = ("recording".to_owned(), CallStatus::Completed);
        world.note(&call, What::Callback { kind, status, sequence: 0, result });
    }
}
