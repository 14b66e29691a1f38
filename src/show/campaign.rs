//! A run on the screen: a frame that moves on a terminal, plain lines in a pipe, nothing when quiet.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use console::{Style, Term, measure_text_width};

use super::frame::{Size, Tone, frame};
use super::screen::Screen;
use super::words::{say, stand, stand_down};
use crate::base::Boot;
use crate::core::dial::note::{Note, Watcher};

/// Between two frames: ages count seconds, and the eye sees no more.
const REDRAW: Duration = Duration::from_millis(200);

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A frame that moves.
    Bars,
    /// A line for what matters and one for every tenth of the leads.
    Lines,
    /// Nothing.
    Silent,
}

/// Says what time it is on the boot clock.
pub type Now = Arc<dyn Fn() -> Boot + Send + Sync>;

/// Shows a run as it goes, on stderr. Nothing is drawn on the watched run's time: a thread of its own draws.
pub struct RunView {
    look: Look,
    now: Now,
    state: Arc<Mutex<State>>,
    drawer: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

#[derive(Default)]
struct State {
    screen: Screen,
    tenths: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RunView {
    /// A view with this look; `now` tells the time.
    pub fn new(look: Look, now: Now) -> RunView {
        let state = Arc::new(Mutex::new(State::default()));
        let drawer = (look == Look::Bars).then(|| {
            let (done, wait) = channel();
            let (state, now) = (Arc::clone(&state), Arc::clone(&now));
            (done, std::thread::spawn(move || draw(&wait, &state, &now)))
        });
        RunView { look, now, state, drawer: Mutex::new(drawer) }
    }

    /// Clears the frame and leaves the screen to the report. Also done when the view is dropped, in a panic too.
    pub fn finish(&self) {
        if let Some((done, thread)) = lock(&self.drawer).take() {
            drop(done);
            // A drawer that panicked has nothing more to say.
            let _drawn = thread.join();
        }
    }
}

impl Drop for RunView {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Watcher for RunView {
    fn note(&self, note: &Note) {
        if self.look == Look::Silent {
            return;
        }
        let now = (self.now)();
        let mut state = lock(&self.state);
        let mut lines: Vec<String> = state.screen.take(now, note).into_iter().collect();
        if self.look == Look::Lines
            && let Some((tenths, line)) = state.screen.milestone(state.tenths)
        {
            state.tenths = tenths;
            lines.push(line);
        }
        drop(state);
        for line in lines {
            say(&format!("  {line}"));
        }
    }
}

/// Draws until told to stop, then clears what it drew.
fn draw(wait: &Receiver<()>, state: &Mutex<State>, now: &Now) {
    let term = Term::stderr();
    while let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(REDRAW) {
        let (rows, columns) = term.size_checked().unwrap_or((24, 80));
        let (rows, columns) = (usize::from(rows), usize::from(columns));
        // The last column stays free: some terminals wrap there.
        let frame = frame(&lock(state).screen, now(), Size { columns: columns.saturating_sub(1), rows });
        let painted =
            frame.iter().map(|row| (style(row.tone).apply_to(&row.text).to_string(), measure_text_width(&row.text)));
        stand(painted.collect(), (columns, rows));
    }
    stand_down();
}

fn style(tone: Tone) -> Style {
    let style = Style::new().for_stderr();
    match tone {
        Tone::Plain => style,
        Tone::Dim => style.dim(),
        Tone::Good => style.green(),
        Tone::Warn => style.yellow(),
        Tone::Alarm => style.red().bold(),
    }
}
