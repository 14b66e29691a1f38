//! One thread that writes all call logs.
//!
//! It looks into its queue fifty times a second instead of being woken, so that the media path pays one short lock per
//! job and no system call; what it finds it writes and hands to the operating system at once, so a killed process
//! loses a fiftieth of a second of events and up to one second of sound. `fsync` is done at the end of a call.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{AUDIO, EVENTS, transcript, wav_header};
use crate::base::{CallId, Failure, limits};
use crate::core::call::{Line, What};
use crate::core::sound::g711;

/// How often the thread looks into its queue.
const ROUND: Duration = Duration::from_millis(20);
/// Work after which the thread pauses, in units of one event: a part of a recording counts four. On a core that it shares
/// with the media path the scheduler would let it run for three milliseconds before a waiting stream gets its turn
/// (measured: p99 of first audio 3.0 ms without the pause).
const PORTION: u32 = 4;
/// The pause.
const PAUSE: Duration = Duration::from_micros(150);
/// With more jobs than this in a round there is no pause: losing recordings is worse than being late.
const HURRY: usize = 2_048;

pub(super) enum Job {
    Open(CallId, PathBuf),
    Event(CallId, Line),
    Sound(CallId, Vec<u8>, Vec<u8>),
    Close(CallId, Box<dyn FnOnce() + Send>),
}

struct Shared {
    queue: Mutex<Vec<Job>>,
    stop: AtomicBool,
    lost: AtomicU64,
    failed: AtomicU64,
}

/// Hands jobs to the recorder thread; never blocks on a disk. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

/// Joins the thread: dropping it writes what is left in the queue.
pub struct RecorderThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts the thread.
    pub fn start() -> Result<(Recorder, RecorderThread), Failure> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Vec::new()),
            stop: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || run(&theirs))
            .map_err(|error| Failure::bug(format!("no recorder thread: {error}")))?;
        Ok((Recorder { shared: shared.clone() }, RecorderThread { shared, thread: Some(thread) }))
    }

    /// Opens a call's folder.
    pub fn open(&self, call: CallId, folder: PathBuf) -> bool {
        self.push(Job::Open(call, folder))
    }

    /// Appends a line. False if the queue is full: the line is lost and counted.
    pub fn event(&self, call: CallId, line: Line) -> bool {
        self.push(Job::Event(call, line))
    }

    /// Appends sound, µ-law, them and us equally long. False if the queue is full.
    pub fn sound(&self, call: CallId, them: Vec<u8>, us: Vec<u8>) -> bool {
        self.push(Job::Sound(call, them, us))
    }

    /// Ends a call's log; `then` is called on the recorder's thread when all is on the disk.
    ///
    /// Never refused: a full queue would leave the files open for ever, and a call has only one end.
    pub fn close(&self, call: CallId, then: Box<dyn FnOnce() + Send>) {
        lock(&self.shared.queue).push(Job::Close(call, then));
    }

    /// Jobs lost because the queue was full.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Writes that failed.
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    fn push(&self, job: Job) -> bool {
        crate::door!("call log");
        let mut queue = lock(&self.shared.queue);
        let room = queue.len() < limits::RECORDER_QUEUE;
        if room {
            queue.push(job);
        } else {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
        room
    }
}

impl Drop for RecorderThread {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the recorder thread panicked");
            }
        }
    }
}

fn lock(queue: &Mutex<Vec<Job>>) -> std::sync::MutexGuard<'_, Vec<Job>> {
    // A panic elsewhere leaves the queue whole: a job is pushed in one step.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The files of one call.
pub(super) struct Files {
    folder: PathBuf,
    /// `None` after a fault: they are opened again for the next job.
    open: Option<(File, File)>,
    /// Sound so far, also what could not be written: the recording keeps its clock, and a hole in it is silent.
    bytes: u64,
    /// Parts that could not be written since the log last said so.
    lost: u64,
    /// An agent had the line: there is a transcript.
    talked: bool,
}

/// The files of every running call.
pub(super) type Calls = HashMap<CallId, Files>;

impl Files {
    fn files(&mut self) -> io::Result<&(File, File)> {
        if self.open.is_none() {
            fs::create_dir_all(&self.folder)?;
            let events = File::options().create(true).append(true).open(self.folder.join(EVENTS))?;
            let audio = File::options().create(true).write(true).truncate(false).open(self.folder.join(AUDIO))?;
            if self.bytes == 0 {
                audio.write_all_at(&wav_header(0), 0)?;
            }
            self.open = Some((events, audio));
        }
        self.open.as_ref().ok_or_else(|| io::Error::other("just opened"))
    }

    /// Appends a line; after a fault, first a line that tells how much is missing.
    fn line(&mut self, line: &Line, scratch: &mut Vec<u8>) -> io::Result<()> {
        scratch.clear();
        if self.lost > 0 {
            // The line that failed may stand there half.
            scratch.push(b'\n');
            let what = What::LogLost { parts: self.lost };
            append(&Line { ms: line.ms, media_ms: line.media_ms, what }, scratch)?;
        }
        self.talked |= matches!(line.what, What::HandOver { .. });
        append(line, scratch)?;
        let (events, _) = self.files()?;
        let mut events: &File = events;
        events.write_all(scratch)?;
        self.lost = 0;
        Ok(())
    }

    fn sound(&mut self, them: &[u8], us: &[u8], scratch: &mut Vec<u8>) -> io::Result<()> {
        scratch.clear();
        scratch.resize(4 * them.len(), 0);
        for ((both, them), us) in scratch.as_chunks_mut::<4>().0.iter_mut().zip(them).zip(us) {
            let ([a, b], [c, d]) = (g711::ulaw_decode(*them).to_le_bytes(), g711::ulaw_decode(*us).to_le_bytes());
            *both = [a, b, c, d];
        }
        let at = 44 + self.bytes;
        self.bytes += scratch.len() as u64;
        let length = u32::try_from(self.bytes).unwrap_or(u32::MAX - 36);
        let (_, audio) = self.files()?;
        audio.write_all_at(scratch, at)?;
        audio.write_all_at(&wav_header(length), 0)
    }

    /// The end: what is missing is told, as far as the disk lets it, and all is flushed.
    fn close(&mut self, scratch: &mut Vec<u8>) -> io::Result<()> {
        if self.lost > 0 {
            let media_ms = self.bytes / 32;
            let what = What::LogLost { parts: self.lost };
            self.lost = 0;
            scratch.clear();
            scratch.push(b'\n');
            append(&Line { ms: media_ms, media_ms, what }, scratch)?;
            let (events, _) = self.files()?;
            let mut events: &File = events;
            events.write_all(scratch)?;
        }
        let (events, audio) = self.files()?;
        events.sync_data()?;
        audio.sync_data()
    }
}

fn append(line: &Line, scratch: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *scratch, line).map_err(io::Error::other)?;
    scratch.push(b'\n');
    Ok(())
}

fn run(shared: &Shared) {
    // Recordings may wait, the media path may not: on one core this thread runs in its pauses. Not nicer than this: on a
    // busy machine a nicer thread starves, and the queue runs over (seen with 15).
    let _nicer_where_allowed = rustix::process::nice(5);
    let mut open = Calls::new();
    let mut scratch = Vec::new();
    loop {
        // Read before the queue: what was pushed before the stop is in the queue by then.
        let stop = shared.stop.load(Ordering::Acquire);
        let jobs = std::mem::take(&mut *lock(&shared.queue));
        let mut calm = jobs.len() < HURRY && !stop;
        let mut portion = 0;
        for job in jobs {
            portion += match &job {
                Job::Event(..) => 1,
                Job::Open(..) | Job::Sound(..) | Job::Close(..) => PORTION,
            };
            if calm && portion >= PORTION {
                portion = 0;
                std::thread::sleep(PAUSE);
                calm = lock(&shared.queue).len() < HURRY;
            }
            if let Err(error) = write(&mut open, job, &mut scratch)
                && shared.failed.fetch_add(1, Ordering::Relaxed).is_multiple_of(1_000)
            {
                tracing::error!(%error, "a call log could not be written");
            }
        }
        if stop {
            return;
        }
        std::thread::park_timeout(ROUND);
    }
}

/// Does one job. After a fault the call's log goes on: what is missing is counted, and the log says so.
pub(super) fn write(calls: &mut Calls, job: Job, scratch: &mut Vec<u8>) -> io::Result<()> {
    crate::door!("disk");
    let (call, done) = match job {
        Job::Open(call, folder) => {
            let files = calls.entry(call).or_insert(Files { folder, open: None, bytes: 0, lost: 0, talked: false });
            (call, files.files().map(|_| ()))
        }
        Job::Event(call, line) => {
            let Some(files) = calls.get_mut(&call) else { return Ok(()) };
            (call, files.line(&line, scratch))
        }
        Job::Sound(call, them, us) => {
            let Some(files) = calls.get_mut(&call) else { return Ok(()) };
            (call, files.sound(&them, &us, scratch))
        }
        Job::Close(call, then) => {
            let result = calls.remove(&call).map_or(Ok(()), |mut files| {
                files.close(scratch)?;
                // Best effort here: whoever asks for a transcript that is missing makes it from the events.
                let _made_or_made_later = files.talked.then(|| transcript(call, &files.folder));
                Ok(())
            });
            // Also after a failure: somebody waits for it.
            then();
            (call, result)
        }
    };
    if let (Err(_), Some(files)) = (&done, calls.get_mut(&call)) {
        files.lost += 1;
        files.open = None;
    }
    done
}
