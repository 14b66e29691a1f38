//! Requests by axum: found, admitted, read, answered, told.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::rt::Timer;
use hyper_util::rt::TokioTimer;

use super::{Access, Asked, Door};
use crate::base::limits;
use crate::core::api::path::masked;
use crate::core::api::{Answer, Body, Miss, find};
use crate::edge::gateway::accept::{read_body, serve_router};
use crate::edge::gateway::guard::Bounds;

/// What every request gets.
#[derive(Clone)]
struct House {
    door: Arc<dyn Door>,
    bounds: Bounds,
    /// Answers to wrong tokens that wait.
    slowed: Arc<AtomicUsize>,
}

/// The bounds of the API's listener: nobody leaves the budget of strangers, so they bound all its connections.
pub fn bounds() -> Bounds {
    Bounds {
        strangers: limits::API_CONNECTIONS,
        strangers_per_address: limits::API_CONNECTIONS_PER_ADDRESS,
        ..Bounds::default()
    }
}

/// Serves until `stop` is ready. Must run inside a runtime.
pub async fn serve(
    listener: std::net::TcpListener,
    door: Arc<dyn Door>,
    bounds: Bounds,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let house = House { door: Arc::clone(&door), bounds, slowed: Arc::default() };
    // One table of routes (core/api) for the server, its document and the test that compares them.
    let router = Router::new().fallback(take).with_state(house);
    serve_router(listener, router, bounds, move |what, how| door.pressed(what, how), stop).await
}

async fn take(State(house): State<House>, request: Request) -> Response {
    let began = house.door.now();
    let method = request.method().as_str().to_owned();
    let path = request.uri().path().to_owned();
    let (route, answer) = answer(&house, &method, &path, request).await;
    let access = Access { method, path: masked(&path), route, status: answer.status, began };
    house.door.told(access);
    response(answer)
}

async fn answer(
    house: &House,
    method: &str,
    path: &str,
    request: Request,
) -> (Option<crate::core::api::Route>, Answer) {
    let found = find(method, path);
    let route = found.as_ref().ok().map(|(spot, _)| spot.route);
    let open = matches!(&found, Ok((spot, _)) if !spot.guarded);
    if !open && !house.door.admits(text(request.headers(), header::AUTHORIZATION.as_str())) {
        // Before anything else, so that who has no token does not even learn what is there.
        return (route, house.refuse().await);
    }
    let (spot, subject) = match found {
        Ok(found) => found,
        Err(Miss::Path) => return (None, Answer::refused(404, "no_such_path", "there is nothing at this path")),
        Err(Miss::Method(methods)) => {
            let message = format!("this path takes {}", methods.join(", "));
            return (None, Answer::refused(405, "no_such_method", &message));
        }
    };
    let (query, key) = (request.uri().query().unwrap_or_default().to_owned(), key(request.headers()));
    let body = match read_body(request.into_body(), house.bounds, limits::API_BODY_BYTES).await {
        Ok(body) => body.to_vec(),
        Err(408) => return (route, Answer::refused(408, "slow_body", "the body did not come in time")),
        Err(_) => return (route, Answer::refused(413, "large_body", "the body is too long")),
    };
    (route, house.door.answer(Asked { route: spot.route, subject, query, key, body }).await)
}

impl House {
    /// The answer to a wrong token, or none: the same words whatever was wrong, and not at once. Where too many wait, the
    /// rest are turned away; the right token is never among them.
    async fn refuse(&self) -> Answer {
        if self.slowed.fetch_add(1, Ordering::AcqRel) >= limits::API_SLOWED {
            self.slowed.fetch_sub(1, Ordering::AcqRel);
            return Answer::refused(429, "too_many", "too many requests without the token").after(1);
        }
        let _held = Held(&self.slowed);
        TokioTimer::new().sleep(limits::API_WRONG_TOKEN).await;
        Answer::refused(401, "unauthorized", "this needs the API's token: Authorization: Bearer …")
    }
}

/// One answer that waits, also if its connection is closed meanwhile.
struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn key(headers: &HeaderMap) -> Result<Option<String>, ()> {
    let mut all = headers.get_all("idempotency-key").iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => one.to_str().map(|text| Some(text.to_owned())).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

fn response(answer: Answer) -> Response {
    let code = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (kind, text) = match answer.body {
        Body::Json(value) => ("application/json", value.to_string()),
        Body::Written(text) => ("application/json", text.to_owned()),
        Body::Metrics(text) => ("text/plain; version=0.0.4; charset=utf-8", text),
    };
    let mut response = (code, text).into_response();
    let headers = response.headers_mut();
    let mut put = |name: header::HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, kind);
    put(header::CACHE_CONTROL, "no-store");
    if answer.status == 401 {
        put(header::WWW_AUTHENTICATE, "Bearer");
    }
    if let Some(seconds) = answer.retry_after_s {
        put(header::RETRY_AFTER, &seconds.to_string());
    }
    if let Some(place) = &answer.location {
        put(header::LOCATION, place);
    }
    if answer.repeated {
        put(header::HeaderName::from_static("idempotency-replayed"), "true");
    }
    if matches!(answer.status, 401 | 408 | 413 | 429) {
        put(header::CONNECTION, "close");
    }
    response
}
