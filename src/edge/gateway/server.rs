//! The routes, by axum, on connections that are bounded in number and in patience (`guard`).

use std::future::Future;
use std::sync::Arc;

use axum::extract::{Path, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};

use super::accept::{Place, read_body, serve_router};
use super::guard::Bounds;
use super::{Handler, MediaSocket, Seal};
use crate::base::limits;
use crate::core::wire::{ed25519, signature};

/// What every request gets.
#[derive(Clone)]
struct House {
    handler: Arc<dyn Handler>,
    bounds: Bounds,
}

/// Serves until `stop` is ready. Must run inside a runtime; media sockets end with it.
pub async fn serve(
    listener: std::net::TcpListener,
    handler: Arc<dyn Handler>,
    bounds: Bounds,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/v1/status/{token}", post(status))
        .route("/v1/answer", post(answer_call))
        .route("/v1/pbx/{carrier}/{token}", post(post_of_an_addon))
        .route("/v1/media", get(media))
        .route("/v1/media/{token}", get(media_by_token))
        .route("/healthz", get(health))
        .with_state(House { handler: Arc::clone(&handler), bounds });
    let pressed = move |what: &str, how: &str| handler.pressed(what, how);
    serve_router(listener, router, bounds, pressed, stop).await
}

fn seal(uri: &Uri, headers: &HeaderMap) -> Seal {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Seal {
        target: uri.path_and_query().map_or_else(String::new, |it| it.as_str().to_owned()),
        // One of the two: which key made it decides.
        signature: text(signature::HEADER).or_else(|| text(signature::SIGNALWIRE_HEADER)),
        settings: text(signature::SETTINGS_HEADER),
        stamped: text(ed25519::HEADER).zip(text(ed25519::TIME_HEADER)),
    }
}

/// An answer without a body. Whoever showed no right signature is not talked with any longer.
fn answer(status: u16) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = code.into_response();
    if matches!(status, 403 | 408 | 413) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn status(
    State(house): State<House>,
    Extension(place): Extension<Place>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let seal = seal(request.uri(), request.headers());
    let body = match read_body(request.into_body(), house.bounds, limits::WEBHOOK_BYTES).await {
        Ok(body) => body,
        Err(status) => return answer(status),
    };
    let status = house.handler.status(&token, seal, &body).await;
    if status != 403 {
        place.is_known_now();
    }
    answer(status)
}

/// The token is looked at before the body is read.
async fn post_of_an_addon(
    State(house): State<House>,
    Extension(place): Extension<Place>,
    Path((carrier, token)): Path<(String, String)>,
    request: Request,
) -> Response {
    if !house.handler.posts(&carrier, &token) {
        return answer(403);
    }
    place.is_known_now();
    match read_body(request.into_body(), house.bounds, limits::HOOK_BYTES).await {
        Ok(body) => answer(house.handler.post(&carrier, &body)),
        Err(status) => answer(status),
    }
}

async fn answer_call(State(house): State<House>, Extension(place): Extension<Place>, request: Request) -> Response {
    let seal = seal(request.uri(), request.headers());
    let body = match read_body(request.into_body(), house.bounds, limits::WEBHOOK_BYTES).await {
        Ok(body) => body,
        Err(status) => return answer(status),
    };
    let (status, document) = house.handler.answer(&seal, &body);
    if status != 403 {
        place.is_known_now();
    }
    if status != 200 {
        return answer(status);
    }
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], document).into_response()
}

type Upgrade = Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>;

async fn media(
    State(house): State<House>,
    Extension(place): Extension<Place>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    open(house, &place, &seal(&uri, &headers), None, upgrade)
}

async fn media_by_token(
    State(house): State<House>,
    Extension(place): Extension<Place>,
    Path(token): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    open(house, &place, &seal(&uri, &headers), Some(token), upgrade)
}

fn open(house: House, place: &Place, seal: &Seal, token: Option<String>, upgrade: Upgrade) -> Response {
    if let Err(status) = house.handler.admit(seal, token.as_deref()) {
        return answer(status);
    }
    match upgrade {
        // tungstenite reserves 128 KiB a connection unless it is told the size of a frame here.
        Ok(upgrade) => {
            place.is_known_now();
            upgrade
                .read_buffer_size(4_096)
                .write_buffer_size(0)
                .max_message_size(limits::MEDIA_MESSAGE_BYTES)
                .max_frame_size(limits::MEDIA_MESSAGE_BYTES)
                .on_upgrade(move |socket| house.handler.media(Box::new(MediaSocket::new(socket)), token))
        }
        Err(rejection) => rejection.into_response(),
    }
}

async fn health(State(house): State<House>) -> Response {
    let mut response = house.handler.health().into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
