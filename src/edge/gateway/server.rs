//! The routes, by axum, on connections that are bounded in number and in patience (`guard`).

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::future::{Either, FutureExt, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::body::{Body as _, Incoming};
use hyper::rt::Timer;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tower::ServiceExt;

use super::guard::{Bounds, Guard, Stranger};
use super::{Handler, MediaSocket, Seal};
use crate::base::limits;
use crate::core::wire::signature;

/// What every request gets.
#[derive(Clone)]
struct House {
    handler: Arc<dyn Handler>,
    bounds: Bounds,
}

/// The stranger's place of a connection; empty once it has shown a signature.
#[derive(Clone)]
struct Place(Arc<Mutex<Option<Stranger>>>);

impl Place {
    fn is_known_now(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Serves until `stop` is ready. Must run inside a runtime; media sockets end with it.
pub async fn serve(
    listener: std::net::TcpListener,
    handler: Arc<dyn Handler>,
    bounds: Bounds,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let guard = Guard::new(bounds);
    let router = Router::new()
        .route("/v1/status/{token}", post(status))
        .route("/v1/answer", post(answer_call))
        .route("/v1/media", get(media))
        .route("/v1/media/{token}", get(media_by_token))
        .route("/healthz", get(health))
        .with_state(House { handler: Arc::clone(&handler), bounds });
    let mut connections = FuturesUnordered::new();
    let mut stop = stop.shared();
    loop {
        let next = std::future::poll_fn(|cx| {
            if stop.poll_unpin(cx).is_ready() {
                return Poll::Ready(None);
            }
            while let Poll::Ready(Some(())) = connections.poll_next_unpin(cx) {}
            listener.poll_accept(cx).map(Some)
        });
        let (stream, peer) = match next.await {
            None => break,
            Some(Ok(come)) => come,
            Some(Err(error)) => {
                // No more open files, most likely: whoever is connected goes on, and the next place is waited for.
                handler.pressed("the system gives no more connections", &error.to_string());
                let pause = TokioTimer::new().sleep(limits::ACCEPT_PAUSE);
                let _either = select(pin!(async { while connections.next().await.is_some() {} }), pause).await;
                continue;
            }
        };
        let Some(stranger) = guard.admit(peer.ip()) else {
            handler.pressed("too many connections that have shown no signature", "a new one was closed");
            continue;
        };
        // Without it a mark waits for the acknowledgement of the sound before it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let place = Place(Arc::new(Mutex::new(Some(stranger))));
        let router = router.clone();
        let service = tower::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(place.clone());
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.head)
            .max_headers(limits::HTTP_HEADERS)
            .max_buf_size(limits::HTTP_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .with_upgrades();
        let stopping = stop.clone();
        let served = async move {
            let mut connection = pin!(connection);
            match select(connection.as_mut(), stopping).await {
                Either::Left((ended, _)) => ended,
                Either::Right(_) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        // A bug behind one request ends one connection, not the gateway.
        connections.push(AssertUnwindSafe(served).catch_unwind().map(|ended| match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a connection ended"),
            Err(_) => tracing::error!("a connection ended by a bug"),
        }));
    }
    drop(listener);
    // Requests that run now are answered; one that takes longer than a body may is cut off.
    let rest = async { while connections.next().await.is_some() {} };
    let _done_or_cut_off = select(pin!(rest), TokioTimer::new().sleep(bounds.body)).await;
    Ok(())
}

fn seal(uri: &Uri, headers: &HeaderMap) -> Seal {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Seal {
        target: uri.path_and_query().map_or_else(String::new, |it| it.as_str().to_owned()),
        // One of the two: which key made it decides.
        signature: text(signature::HEADER).or_else(|| text(signature::SIGNALWIRE_HEADER)),
        settings: text(signature::SETTINGS_HEADER),
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
    let body = match read(request.into_body(), house.bounds).await {
        Ok(body) => body,
        Err(status) => return answer(status),
    };
    let status = house.handler.status(&token, seal, &body).await;
    if status != 403 {
        place.is_known_now();
    }
    answer(status)
}

async fn answer_call(State(house): State<House>, Extension(place): Extension<Place>, request: Request) -> Response {
    let seal = seal(request.uri(), request.headers());
    let body = match read(request.into_body(), house.bounds).await {
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

/// A body of at most [`limits::WEBHOOK_BYTES`], within its time; otherwise the HTTP status of the refusal.
async fn read(body: Body, bounds: Bounds) -> Result<axum::body::Bytes, u16> {
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > limits::WEBHOOK_BYTES {
        return Err(413);
    }
    let late = TokioTimer::new().sleep(bounds.body);
    match select(pin!(to_bytes(body, limits::WEBHOOK_BYTES)), late).await {
        Either::Left((Ok(body), _)) => Ok(body),
        Either::Left((Err(_), _)) => Err(413),
        Either::Right(_) => Err(408),
    }
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
