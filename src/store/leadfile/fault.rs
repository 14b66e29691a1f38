//! Why a file of leads cannot be read on.

use crate::base::Failure;

/// Why a file of leads cannot be read on. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeadFault {
    /// The file cannot be opened or read.
    #[error("{file}: {cause}")]
    Io {
        /// The file.
        file: String,
        /// What the operating system says.
        cause: String,
    },
    /// Nothing in it.
    #[error("{file} is empty")]
    Empty {
        /// The file.
        file: String,
    },
    /// `--header-line` names a line behind the file's end, or too far down.
    #[error("{file} has no row at or soon after line {line}")]
    NoHeaderLine {
        /// The file.
        file: String,
        /// The line named.
        line: u64,
    },
    /// A line that is no text in the file's encoding.
    #[error("{file}:{line}: {what}")]
    NotText {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// What was found instead.
        what: String,
    },
    /// An encoding that nobody knows, or that is not read here.
    #[error("{file}: {what}")]
    Encoding {
        /// The file.
        file: String,
        /// What is the matter.
        what: String,
    },
    /// A record or field over its bound: a quote that is never closed, most often.
    #[error(
        "{file}:{line}: the record at byte {offset} has a {what} of more than {most} bytes (is a quote never closed?)"
    )]
    TooLong {
        /// The file.
        file: String,
        /// The line where the record begins.
        line: u64,
        /// The byte of the file where it begins.
        offset: u64,
        /// `record` or `field`.
        what: &'static str,
        /// The bound.
        most: usize,
    },
    /// A workbook that cannot be read.
    #[error("{file}: {what}")]
    Workbook {
        /// The file.
        file: String,
        /// What is the matter.
        what: String,
        /// What to do about it.
        next: &'static str,
    },
}

impl From<LeadFault> for Failure {
    fn from(fault: LeadFault) -> Failure {
        let failure = Failure::usage(fault.to_string());
        match fault {
            LeadFault::Io { .. } => failure,
            LeadFault::Empty { .. } => failure.next("give it a header line such as phone,name,language"),
            LeadFault::NoHeaderLine { .. } => failure.next("leave --header-line out: the header is looked for"),
            LeadFault::NotText { .. } => {
                failure.next("name its --encoding, or export it again as \"CSV UTF-8\"; nothing was imported")
            }
            LeadFault::Encoding { .. } => {
                failure.next("write --encoding windows-1251, iso-8859-1, utf-16le …, or export it as \"CSV UTF-8\"")
            }
            LeadFault::TooLong { .. } => failure.next("mend that line; nothing was imported"),
            LeadFault::Workbook { next, .. } => failure.next(next),
        }
    }
}
