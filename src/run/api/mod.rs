//! The HTTP API of `ahoy serve`: what a request means, and what it comes to.
//!
//! Its listener has a thread of its own (`edge/gateway/own`); what a request asks for is done on the engine's runtime, so
//! that it is done to its end though its connection breaks. Nothing here is on the way of a call's sound.

mod calls;
mod clones;
mod figures;
mod ready;
mod tickets;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::base::{Boot, Exit, Failure, limits};
use crate::core::api::bearer::TokenHash;
use crate::core::api::{Answer, Body, Route};
use crate::core::config::ApiConfig;
use crate::edge::api::{Access, Asked, Door, server};
use crate::edge::gateway::{Boxed, own};
use crate::run::campaign::Engine;
use crate::store::workspace::Workspace;

pub use clones::{CloneLook, CloneRoom};

/// The document that describes it.
pub const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// An open API. Dropping it closes its port.
pub struct Api {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<own::Running<()>>,
}

/// Counts of requests.
#[derive(Debug, Default)]
struct Counts {
    /// By route and status.
    answered: Mutex<BTreeMap<(Option<Route>, u16), u64>>,
    /// Connections for which there was no room.
    pressed: AtomicU64,
}

/// What requests share.
struct House {
    engine: Arc<Engine>,
    ws: Workspace,
    token: TokenHash,
    runtime: Handle,
    counts: Counts,
    ready: ready::Looks,
    /// The room of voice clones, where this process has one.
    clones: Option<Arc<dyn CloneRoom>>,
}

impl Api {
    /// Opens the API's port. `clones`: the room of voice clones, if this process has one.
    pub fn open(
        ws: &Workspace,
        config: &ApiConfig,
        engine: Arc<Engine>,
        clones: Option<Arc<dyn CloneRoom>>,
    ) -> Result<Api, Failure> {
        let secret = ws.secret(&config.token, "[api] token")?;
        let token = TokenHash::of(&secret)
            .map_err(|fault| Failure::usage(format!("[api] {fault}")).next("make one with `openssl rand -hex 32`"))?;
        let refused = |error: std::io::Error| {
            Failure::new(Exit::Usage, format!("[api] cannot listen on {}: {error}", config.listen))
                .next("choose a free address in ahoy.toml, such as listen = \"127.0.0.1:0\"")
        };
        let listener = std::net::TcpListener::bind(config.listen).map_err(refused)?;
        let addr = listener.local_addr().map_err(refused)?;
        let (counts, ready) = (Counts::default(), ready::Looks::default());
        let (tending, place) = (Arc::clone(&engine), ws.clone());
        tokio::spawn(async move { tending.tend_what_is_open(&place).await });
        let house = House { engine, ws: ws.clone(), token, runtime: Handle::current(), counts, ready, clones };
        let door: Arc<dyn Door> = Arc::new(house);
        let (stop, stopped) = oneshot::channel();
        let thread = own::start("api", move || async move {
            let stop = async move {
                // An error is the handle's drop: the same wish.
                let _stop_or_dropped = stopped.await;
            };
            if let Err(error) = server::serve(listener, door, server::bounds(), stop).await {
                tracing::error!(%error, "the API's port failed");
            }
        })?;
        Ok(Api { addr, stop: Some(stop), thread: Some(thread) })
    }

    /// Closes the port; requests that run are answered, within the time that a body has.
    pub async fn close(mut self) {
        if let Some(stop) = self.stop.take() {
            let _already_over = stop.send(());
        }
        let Some(thread) = self.thread.take() else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join().is_err());
        if joined.await.is_ok_and(|panicked| panicked) {
            tracing::error!("the API's thread panicked");
        }
    }
}

impl Door for House {
    fn admits(&self, authorization: Option<&str>) -> bool {
        self.token.fits(authorization)
    }

    fn answer(&self, asked: Asked) -> Boxed<'_, Answer> {
        Box::pin(async move {
            match asked.route {
                Route::Health => Answer::json(200, serde_json::json!({ "status": "ok" })),
                Route::Document => {
                    Answer { body: Body::Written(DOCUMENT), ..Answer::json(200, serde_json::Value::Null) }
                }
                Route::Ready => self.ready().await,
                Route::Metrics => self.figures().await,
                Route::Place => self.place(&asked).await,
                Route::Call => self.call(&asked.subject).await,
                Route::Ticket => self.ticket(&asked).await,
                Route::Clone => {
                    clones::state(self.clones.as_ref(), &**self.engine.clock(), &asked.subject, &asked.query).await
                }
                Route::Cloning => self.cloning(&asked.query).await,
            }
        })
    }

    fn now(&self) -> Boot {
        self.engine.clock().boot()
    }

    fn told(&self, access: Access) {
        let us = u64::try_from(self.now().since(access.began).as_micros()).unwrap_or(u64::MAX);
        let Access { method, path, route, status, .. } = access;
        tracing::info!(target: "ahoy::api", %method, %path, status, us, "answered");
        let mut answered = self.counts.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let first_wrong = status == 401 && !answered.keys().any(|(_, status)| *status == 401);
        *answered.entry((route, status)).or_default() += 1;
        drop(answered);
        if first_wrong {
            tracing::warn!("a request to the API without its token was refused (told once; /metrics counts them)");
        }
    }

    fn pressed(&self, what: &str, how: &str) {
        if self.counts.pressed.fetch_add(1, Ordering::Relaxed).is_multiple_of(1_000) {
            tracing::warn!(how, "the API has no room: {what} (told once in 1,000)");
        }
    }
}

impl House {
    /// Does something on the engine's runtime, to its end; what it gives, or `otherwise` if it takes longer than a look may.
    async fn look<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let clock = Arc::clone(self.engine.clock());
        let task = self.runtime.spawn(async move {
            tokio::select! {
                done = work => Some(done),
                () = clock.sleep(limits::API_LOOK) => None,
            }
        });
        // A panic there is told there.
        task.await.ok().flatten()
    }
}
