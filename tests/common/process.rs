//! Real processes: started, signalled, waited for with a bound.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// Polls a real process's traces, with a bound.
pub fn until(what: &str, mut reached: impl FnMut() -> bool) {
    for _ in 0..600 {
        if reached() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never: {what}");
}

pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

pub fn ended(mut child: Child) -> i32 {
    let mut status = None;
    until("the process ends", || {
        status = child.try_wait().expect("waited");
        status.is_some()
    });
    status.and_then(|status| status.code()).expect("it ended by itself")
}
