//! Connections of a router: bounded in number and in patience (`guard`), served until a stop.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use axum::Router;
use futures_util::future::{Either, FutureExt, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::body::Incoming;
use hyper::rt::Timer;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tower::ServiceExt;

use super::guard::{Bounds, Guard, Stranger};
use crate::base::limits;

/// The stranger's place of a connection; empty once it has shown who it is. Every request finds it in its extensions.
#[derive(Clone)]
pub(in crate::edge) struct Place(Arc<Mutex<Option<Stranger>>>);

impl Place {
    /// It leaves the strangers' budget.
    pub fn is_known_now(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Serves a router until `stop` is ready. `pressed`: there was no room for a connection: what, and how it showed. Must run
/// inside a runtime; sockets that were upgraded end with it.
pub(in crate::edge) async fn serve_router(
    listener: std::net::TcpListener,
    router: Router,
    bounds: Bounds,
    pressed: impl Fn(&str, &str),
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let guard = Guard::new(bounds);
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
                pressed("the system gives no more connections", &error.to_string());
                let pause = TokioTimer::new().sleep(limits::ACCEPT_PAUSE);
                let _either = select(pin!(async { while connections.next().await.is_some() {} }), pause).await;
                continue;
            }
        };
        let Some(stranger) = guard.admit(peer.ip()) else {
            pressed("too many connections that have not shown who they are", "a new one was closed");
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
        // A bug behind one request ends one connection, not the server.
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

/// A body of at most `most` bytes, within its time; otherwise the HTTP status of the refusal.
pub(in crate::edge) async fn read_body(
    body: axum::body::Body,
    bounds: Bounds,
    most: usize,
) -> Result<axum::body::Bytes, u16> {
    use hyper::body::Body as _;
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > most {
        return Err(413);
    }
    let late = TokioTimer::new().sleep(bounds.body);
    match select(pin!(axum::body::to_bytes(body, most)), late).await {
        Either::Left((Ok(body), _)) => Ok(body),
        Either::Left((Err(_), _)) => Err(413),
        Either::Right(_) => Err(408),
    }
}
