//! How a command ends: few exit codes, the same everywhere, and a failure that says what to do next.

use std::fmt;

/// Exit codes of every command.
///
/// Cron and CI branch on these; they only grow. The order of [`Exit::RANK`] decides when several apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// 0: done, or nothing was due.
    Done,
    /// 1: a bug, or the disk or database failed.
    Bug,
    /// 2: the command line, a configuration file or an input file is wrong; nothing was written.
    Usage,
    /// 3: findings (verify), or attempts that ended by our or the carrier's fault.
    Findings,
    /// 10: the calling window is closed and leads are waiting.
    WindowClosed,
    /// 11: already running, or locked by another process.
    Locked,
    /// 12: credentials refused, or the account is stopped.
    Account,
    /// 13: an asset is missing or damaged, or no engine can make it here.
    Asset,
    /// 14: outcomes are still unknown.
    Unknown,
    /// 15: the campaign as a whole is refused by a rule.
    Refused,
    /// 130: stopped by a signal.
    Stopped,
}

impl Exit {
    /// Strongest first: the code that wins when several apply.
    pub const RANK: [Exit; 11] = [
        Exit::Stopped,
        Exit::Bug,
        Exit::Account,
        Exit::Unknown,
        Exit::Asset,
        Exit::Refused,
        Exit::Findings,
        Exit::WindowClosed,
        Exit::Locked,
        Exit::Usage,
        Exit::Done,
    ];

    /// The number given to the operating system.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Bug => 1,
            Exit::Usage => 2,
            Exit::Findings => 3,
            Exit::WindowClosed => 10,
            Exit::Locked => 11,
            Exit::Account => 12,
            Exit::Asset => 13,
            Exit::Unknown => 14,
            Exit::Refused => 15,
            Exit::Stopped => 130,
        }
    }

    /// The code of a number, as another process gave it; a number that is none of ours is a bug.
    pub fn of(code: u8) -> Exit {
        Exit::RANK.into_iter().find(|exit| exit.code() == code).unwrap_or(Exit::Bug)
    }

    /// The stronger of two codes.
    pub fn and(self, other: Exit) -> Exit {
        let rank = |exit: Exit| Exit::RANK.iter().position(|it| *it == exit);
        if rank(self) <= rank(other) { self } else { other }
    }
}

/// What a person is told when a command cannot do its work: what happened, to what, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code that the process ends with.
    pub exit: Exit,
    /// What happened, to what. One sentence without a full stop.
    pub what: String,
    /// The next step for the reader, if there is one.
    pub next: Option<String>,
}

impl Failure {
    /// A failure with an exit code and a sentence.
    pub fn new(exit: Exit, what: impl Into<String>) -> Failure {
        Failure { exit, what: what.into(), next: None }
    }

    /// Wrong input: exit code 2.
    pub fn usage(what: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, what)
    }

    /// The disk, the database or this program failed: exit code 1.
    pub fn bug(what: impl Into<String>) -> Failure {
        Failure::new(Exit::Bug, what)
    }

    /// Adds the next step.
    pub fn next(mut self, step: impl Into<String>) -> Failure {
        self.next = Some(step.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(next) = &self.next {
            write!(f, "\n  next: {next}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_exit_code_wins_in_either_order() {
        assert_eq!(Exit::Done.and(Exit::Findings), Exit::Findings);
        assert_eq!(Exit::Findings.and(Exit::Unknown), Exit::Unknown);
        assert_eq!(Exit::WindowClosed.and(Exit::Findings), Exit::Findings);
        assert_eq!(Exit::Stopped.and(Exit::Bug), Exit::Stopped);
        for a in Exit::RANK {
            for b in Exit::RANK {
                assert_eq!(a.and(b), b.and(a));
            }
        }
    }
}
