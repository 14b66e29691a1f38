//! A program as a child process: text in, sound out, bounded, and dead when nobody waits for it any more.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use futures_util::future::try_join3;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::base::{limits, text};

/// What a program left behind.
pub(in crate::edge) struct Output {
    /// Its standard output, at most [`limits::ENGINE_OUTPUT_BYTES`].
    pub stdout: Vec<u8>,
    /// The last lines of its standard error, made safe to print; may be empty.
    pub stderr: String,
    /// How it ended.
    pub status: ExitStatus,
}

/// Why a program gave nothing.
#[derive(Debug)]
pub(in crate::edge) enum ChildFault {
    /// It could not be started.
    Start(std::io::Error),
    /// It wrote more than [`limits::ENGINE_OUTPUT_BYTES`].
    TooMuch,
    /// Its pipes failed.
    Pipe(std::io::Error),
}

/// Kills the whole process group unless told that the program has ended: an engine is often a shell with a pipeline.
struct Group {
    child: Child,
    live: bool,
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(id) = self.child.id().filter(|_| self.live) else { return };
        let Some(group) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) else { return };
        // The child is not reaped yet, so the number is still its own.
        match rustix::process::kill_process_group(group, rustix::process::Signal::KILL) {
            // Gone already is as good as killed, and nothing else can be done about it here.
            Ok(()) | Err(_) => {}
        }
    }
}

/// Runs a program with `input` on its standard input.
///
/// Dropping the future kills the program and what it started. The caller sets the time limit.
pub(in crate::edge) async fn run(program: &OsStr, args: &[OsString], input: &[u8]) -> Result<Output, ChildFault> {
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(ChildFault::Start)?;
    let mut group = Group { child, live: true };
    let piped = "its pipes were asked for just above";
    let mut stdin = group.child.stdin.take().expect(piped);
    let mut stdout = group.child.stdout.take().expect(piped);
    let mut stderr = group.child.stderr.take().expect(piped);
    let write = async move {
        // A program may end without reading all of its text; its exit status and its sound say whether that was right.
        match stdin.write_all(input).await {
            Err(fault) if fault.kind() != std::io::ErrorKind::BrokenPipe => Err(ChildFault::Pipe(fault)),
            Err(_) | Ok(()) => Ok(()),
        }
    };
    let sound = async move {
        let mut bytes = Vec::new();
        let most = limits::ENGINE_OUTPUT_BYTES as u64;
        (&mut stdout).take(most + 1).read_to_end(&mut bytes).await.map_err(ChildFault::Pipe)?;
        if bytes.len() > limits::ENGINE_OUTPUT_BYTES { Err(ChildFault::TooMuch) } else { Ok(bytes) }
    };
    let words = async move {
        let (mut tail, mut buffer) = (Vec::new(), [0u8; 1_024]);
        loop {
            let count = stderr.read(&mut buffer).await.map_err(ChildFault::Pipe)?;
            if count == 0 {
                return Ok(tail);
            }
            tail.extend_from_slice(&buffer[..count]);
            tail.drain(..tail.len().saturating_sub(limits::ENGINE_STDERR_BYTES));
        }
    };
    let ((), stdout, tail) = try_join3(write, sound, words).await?;
    let status = group.child.wait().await.map_err(ChildFault::Pipe)?;
    group.live = false;
    Ok(Output { stdout, stderr: last_lines(&tail), status })
}

/// The last three lines, on one line.
fn last_lines(tail: &[u8]) -> String {
    let tail = String::from_utf8_lossy(tail);
    let lines: Vec<&str> = tail.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    text::printable(&lines[lines.len().saturating_sub(3)..].join(" / "))
}

/// How a program ended, in words: `exit code 3: no such voice`.
pub(in crate::edge) fn ending(output: &Output) -> String {
    let how = match output.status.code() {
        Some(code) => format!("exit code {code}"),
        None => "killed by a signal".to_owned(),
    };
    if output.stderr.is_empty() { how } else { format!("{how}: {}", output.stderr) }
}

/// The program and arguments of a `command = ["program", …]`. Errors: what to write or install, in words. `section`: where
/// it is written.
pub(in crate::edge) fn program_of(section: &str, command: &[String]) -> Result<(PathBuf, Vec<OsString>), String> {
    let Some((first, args)) = command.split_first() else {
        return Err(format!("{section} needs command = [\"program\", …]"));
    };
    let program = find(first, std::env::var_os("PATH").as_deref())
        .ok_or_else(|| format!("there is no program `{}`; install it", text::printable(first)))?;
    Ok((program, args.iter().map(OsString::from).collect()))
}

/// The program's place: a path as it is, a bare name as found on `paths` (the value of PATH).
pub(in crate::edge) fn find(program: &str, paths: Option<&OsStr>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let runs = |path: &PathBuf| path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(runs);
    }
    std::env::split_paths(paths?).map(|folder| folder.join(program)).find(runs)
}
