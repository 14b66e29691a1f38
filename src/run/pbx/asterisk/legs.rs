//! Legs of an Asterisk's media, each a task from its connection to its end: AudioSockets that Asterisk connects, and WebSockets
//! that we open or answer. Until its call is answered and in the bridge a leg sends nothing.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use super::ahead::talk_ahead;
use super::{House, ToLeg};
use crate::base::{AttemptId, Failure, limits};
use crate::core::config::AsteriskConfig;
use crate::core::wire::audiosocket::{FRAME, Said};
use crate::core::wire::{ari, chan_websocket};
use crate::edge::carrier::Carrier;
use crate::edge::carrier::asterisk::audio::{Arrival, AudioDoor, AudioSocket};
use crate::edge::carrier::asterisk::websocket::{Came, ChanSocket};
use crate::edge::carrier::asterisk::{Legs, Opens, Wanted};
use crate::run::pbx::talk::{Heard, LegSocket, Who, talk};

/// Opens the port for AudioSockets. Errors: it is taken.
pub(super) async fn open_audio(
    house: &Arc<House>,
    config: &AsteriskConfig,
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let door = AudioDoor::open(config.media_listen).await?;
    let own = door.address().map_err(|error| Failure::bug(format!("no local address: {error}")))?;
    house.asterisk.set_legs(Legs::AudioSocket(config.media_address.clone().unwrap_or_else(|| own.to_string())));
    let house = Arc::clone(house);
    tasks.spawn(answer(door, Arc::clone(&house), move |arrival, place| audio_leg(Arc::clone(&house), arrival, place)));
    Ok(())
}

/// Makes ready for WebSockets, and opens the port for those that Asterisk opens. Errors: it is taken.
pub(super) async fn open_ahead(
    house: &Arc<House>,
    config: &AsteriskConfig,
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let (wanted, orders) = mpsc::channel(limits::LEG_STRANGERS);
    let expected = Arc::new(Expected::default());
    if config.media_connection.is_some() {
        let door = AudioDoor::open(config.media_listen).await?;
        let expected = Arc::clone(&expected);
        tasks.spawn(answer(door, Arc::clone(house), move |arrival, place| came(Arc::clone(&expected), arrival, place)));
    }
    house.asterisk.set_legs(Legs::WebSocket { connection: config.media_connection.clone(), wanted });
    tasks.spawn(open_wanted(Arc::clone(house), expected, orders));
    Ok(())
}

/// Takes what Asterisk connects; `leg` gives back its place once it knows whose it is.
async fn answer<F: Future<Output = ()> + Send + 'static>(
    door: AudioDoor,
    house: Arc<House>,
    leg: impl Fn(Arrival, OwnedSemaphorePermit) -> F,
) {
    let mut legs = JoinSet::new();
    let strangers = Arc::new(Semaphore::new(limits::LEG_STRANGERS));
    loop {
        tokio::select! {
            came = door.accept() => match came {
                Ok(arrival) => {
                    // Too many that have not said who they are: this one is closed.
                    if let Ok(place) = Arc::clone(&strangers).try_acquire_owned() {
                        legs.spawn(leg(arrival, place));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the system gives no more connections to media legs");
                    house.board.clock.sleep(limits::ACCEPT_PAUSE).await;
                }
            },
            Some(done) = legs.join_next() => if let Err(error) = done {
                tracing::error!(%error, "a media leg ended in a bug");
            },
        }
    }
}

async fn audio_leg(house: Arc<House>, arrival: Arrival, place: OwnedSemaphorePermit) {
    let named = timeout(limits::LEG_NAME, named(&house, arrival.audio())).await.ok().flatten();
    drop(place);
    if let Some((attempt, token, socket)) = named {
        live(house, attempt, token, socket).await;
    }
}

async fn named(house: &House, mut socket: AudioSocket) -> Option<(AttemptId, String, AudioSocket)> {
    match socket.next().await? {
        Said::Name(name) => {
            let (attempt, token) = house.asterisk.leg(name)?;
            Some((attempt, token, socket))
        }
        Said::Sound(_) | Said::Key(_) | Said::HungUp | Said::Error(_) | Said::Other(_) => None,
    }
}

/// An AudioSocket from its connection to its end.
async fn live(house: Arc<House>, attempt: AttemptId, token: String, mut socket: AudioSocket) {
    let (to, mut told) = mpsc::channel(limits::LEG_MESSAGES);
    house.board.lines().entry(attempt).or_default().leg = Some(to);
    let end = async {
        // The line before the answer: nobody of ours listens.
        while !matches!(socket.next().await, Some(Said::HungUp) | None) {}
        "it was closed".to_owned()
    };
    match ringing(&house, attempt, &mut told, end).await {
        Rang::Answered => {}
        Rang::Over => return socket.close().await,
        Rang::Gone => return,
    }
    let Some(sid) = house.asterisk.own_sid(attempt) else { return };
    let stream = ari::media_of(attempt);
    let session = talk(&house.board, Who { attempt, sid: &sid, stream: &stream, token }, &mut socket, &mut told).await;
    socket.close().await;
    // Its log and its summary: the session ends by itself now that its socket is closed.
    if let Err(error) = session.await {
        tracing::error!(%attempt, %error, "a session ended in a bug");
    }
}

/// How a leg's telephone has rung.
enum Rang {
    /// Somebody answered.
    Answered,
    /// The call ended before.
    Over,
    /// There is no leg any more.
    Gone,
}

/// Waits for the answer. `end`: the end of the leg's socket, and why.
async fn ringing(
    house: &House,
    attempt: AttemptId,
    told: &mut mpsc::Receiver<ToLeg>,
    end: impl Future<Output = String>,
) -> Rang {
    let (mut rings, mut end) = (pin!(house.board.clock.sleep(limits::LEG_RINGS)), pin!(end));
    loop {
        tokio::select! {
            () = &mut rings => {
                // Of an order that was lost, or of a call whose end nobody told.
                house.board.lines().remove(&attempt);
                house.asterisk.clear_away(attempt).await;
                return Rang::Gone;
            }
            why = &mut end => {
                tracing::warn!(%attempt, why, "a media socket ended before the answer");
                // Whoever answered would hear nothing.
                house.board.lines().remove(&attempt);
                house.end(attempt).await;
                return Rang::Gone;
            }
            what = told.recv() => match what {
                Some(ToLeg::Answered) => return Rang::Answered,
                Some(ToLeg::Key(_)) => {}
                Some(ToLeg::Over) | None => return Rang::Over,
            },
        }
    }
}

impl LegSocket for AudioSocket {
    fn send(&mut self, frame: &[i16; FRAME]) -> bool {
        AudioSocket::send(self, frame)
    }

    /// Nothing is held there.
    fn cut(&mut self) {}

    async fn next(&mut self) -> Heard {
        match AudioSocket::next(self).await {
            Some(Said::Sound(samples)) => Heard::Sound(samples),
            // Keys come by the channel's events, once.
            Some(Said::Key(_) | Said::Name(_) | Said::Other(_) | Said::Error(_)) => Heard::Nothing,
            Some(Said::HungUp) | None => Heard::Over,
        }
    }
}

/// Sockets that Asterisk is to open, by the name that each will say.
#[derive(Default)]
struct Expected(Mutex<HashMap<Uuid, oneshot::Sender<ChanSocket>>>);

impl Expected {
    fn add(&self, name: Uuid) -> oneshot::Receiver<ChanSocket> {
        let (to, comes) = oneshot::channel();
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody waits for any more.
        names.retain(|_, to| !to.is_closed());
        names.insert(name, to);
        comes
    }

    fn take(&self, name: Uuid) -> Option<oneshot::Sender<ChanSocket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&name)
    }
}

/// A WebSocket that came to our port.
async fn came(expected: Arc<Expected>, arrival: Arrival, _place: OwnedSemaphorePermit) {
    match timeout(limits::LEG_NAME, arrival.websocket()).await {
        Ok(Ok((socket, query))) => {
            let name = query.split('&').find_map(|pair| pair.strip_prefix("leg=")).and_then(|it| it.parse().ok());
            if let Some(to) = name.and_then(|name| expected.take(name)) {
                let _gave_up = to.send(socket);
            }
        }
        Ok(Err(words)) => tracing::debug!(words, "no media socket of an Asterisk"),
        Err(_) => {}
    }
}

/// Opens what is asked for, each in a task of its own.
async fn open_wanted(house: Arc<House>, expected: Arc<Expected>, mut orders: mpsc::Receiver<Wanted>) {
    let mut legs = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => {
                    let arrives = match &order.how {
                        // Before Asterisk is asked for it: it may come at once.
                        Opens::Asterisk(name) => Some(expected.add(*name)),
                        Opens::We(_) => None,
                    };
                    legs.spawn(live_ahead(Arc::clone(&house), order, arrives));
                }
                None => return,
            },
            Some(done) = legs.join_next() => if let Err(error) = done {
                tracing::error!(%error, "a media leg ended in a bug");
            },
        }
    }
}

/// The socket of a leg, with its first message checked. Errors: in words.
async fn open(
    house: &House,
    attempt: AttemptId,
    how: &Opens,
    arrives: Option<oneshot::Receiver<ChanSocket>>,
) -> Result<ChanSocket, String> {
    let mut socket = match (how, arrives) {
        (Opens::We(connection), _) => house.asterisk.open_leg(connection).await?,
        (Opens::Asterisk(_), Some(arrives)) => arrives.await.map_err(|_| "it did not come".to_owned())?,
        (Opens::Asterisk(_), None) => return Err("nobody waits for it".to_owned()),
    };
    loop {
        match socket.next().await {
            Came::Text(text) => match chan_websocket::read(&text) {
                Some(chan_websocket::Said::Start(start)) => {
                    start.check(&ari::media_of(attempt)).map_err(|unfit| unfit.to_string())?;
                    return Ok(socket);
                }
                _ => return Err("its first message is not MEDIA_START in JSON".to_owned()),
            },
            Came::Sound(_) => return Err("it begins with sound".to_owned()),
            Came::Alive => {}
            Came::Over(why) => return Err(why),
        }
    }
}

/// A WebSocket from the wish for it to its end.
async fn live_ahead(house: Arc<House>, order: Wanted, arrives: Option<oneshot::Receiver<ChanSocket>>) {
    let Wanted { attempt, token, how, opened } = order;
    let open = timeout(limits::LEG_OPEN, open(&house, attempt, &how, arrives)).await;
    let mut socket = match open.unwrap_or_else(|_| Err("it was not open in time".to_owned())) {
        Ok(socket) => socket,
        Err(words) => {
            let _nobody_waits = opened.send(Err(words));
            return;
        }
    };
    let (to, mut told) = mpsc::channel(limits::LEG_MESSAGES);
    house.board.lines().entry(attempt).or_default().leg = Some(to);
    if opened.send(Ok(())).is_err() {
        // Whoever wanted it has given up: nobody is rung.
        house.board.lines().remove(&attempt);
        return;
    }
    let end = async {
        loop {
            // The line before the answer: nobody of ours listens.
            if let Came::Over(why) = socket.next().await {
                return why;
            }
        }
    };
    match ringing(&house, attempt, &mut told, end).await {
        Rang::Answered => {}
        Rang::Over => return close(socket).await,
        Rang::Gone => return,
    }
    let Some(sid) = house.asterisk.own_sid(attempt) else { return };
    let stream = ari::media_of(attempt);
    let who = Who { attempt, sid: &sid, stream: &stream, token };
    let session = talk_ahead(&house.board, who, &mut socket, &mut told).await;
    close(socket).await;
    if let Err(error) = session.await {
        tracing::error!(%attempt, %error, "a session ended in a bug");
    }
}

/// Closes it politely if it still reads.
async fn close(mut socket: ChanSocket) {
    let _one_that_does_not_is_dropped = timeout(limits::LEG_NAME, socket.close()).await;
}
