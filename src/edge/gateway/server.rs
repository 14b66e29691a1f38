//! The routes, by axum.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;

use super::{Handler, MediaSocket, Seal};
use crate::base::limits;
use crate::core::wire::signature;

type Door = Arc<dyn Handler>;

/// Serves until `stop` is ready. Must run inside a runtime; media sockets end with it.
pub async fn serve(
    listener: std::net::TcpListener,
    handler: Door,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
        // Without it a mark waits for the acknowledgement of the sound before it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
    });
    let router = Router::new()
        .route("/v1/status/{token}", post(status))
        .route("/v1/media", get(media))
        .route("/healthz", get(health))
        .layer(DefaultBodyLimit::max(limits::WEBHOOK_BYTES))
        .with_state(handler);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

fn seal(uri: &Uri, headers: &HeaderMap) -> Seal {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Seal {
        target: uri.path_and_query().map_or_else(String::new, |it| it.as_str().to_owned()),
        signature: text(signature::HEADER),
        settings: text(signature::SETTINGS_HEADER),
    }
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn status(
    State(handler): State<Door>,
    Path(token): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    code(handler.status(&token, seal(&uri, &headers), &body).await)
}

async fn media(
    State(handler): State<Door>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    if let Err(status) = handler.admit(&seal(&uri, &headers)) {
        return code(status).into_response();
    }
    match upgrade {
        // tungstenite reserves 128 KiB a connection unless it is told the size of a frame here.
        Ok(upgrade) => upgrade
            .read_buffer_size(4_096)
            .write_buffer_size(0)
            .max_message_size(limits::MEDIA_MESSAGE_BYTES)
            .max_frame_size(limits::MEDIA_MESSAGE_BYTES)
            .on_upgrade(move |socket| handler.media(Box::new(MediaSocket::new(socket)))),
        Err(rejection) => rejection.into_response(),
    }
}

async fn health(State(handler): State<Door>) -> String {
    handler.health()
}
