//! A CSV file of tickets: `reference,phone,kind` and, if there are, `note` and `opened`.

use std::path::Path;

use crate::base::{Country, Failure, Phone, Wall, limits};
use crate::core::inbound::{Ticket, TicketFault, read_ticket};

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TicketFile {
    /// Tickets with the numbers that they belong to.
    pub tickets: Vec<(Phone, Ticket)>,
    /// Lines that are none, and why.
    pub bad: Vec<(u64, TicketFault)>,
}

/// Reads a file, or standard input for `-`. `country`: of national numbers.
///
/// Errors: exit 2 if the file cannot be read, is too large, or has no column for one of the three.
pub fn read(path: &Path, country: Option<Country>, now: Wall) -> Result<TicketFile, Failure> {
    let fault = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
    let source: Box<dyn std::io::Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(path).map_err(|error| fault(&error))?),
    };
    let bounded = std::io::Read::take(source, limits::TICKET_FILE_BYTES + 1);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(bounded);
    let header = reader.headers().map_err(|error| fault(&error))?.clone();
    let place = |name: &str| header.iter().position(|it| it.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name));
    let columns = ["reference", "phone", "kind", "note", "opened"].map(place);
    for (name, column) in ["reference", "phone", "kind"].iter().zip(columns) {
        if column.is_none() {
            return Err(fault(&format!("no column `{name}`")).next("the first line names them: reference,phone,kind"));
        }
    }
    let mut file = TicketFile::default();
    for record in reader.records() {
        let record = record.map_err(|error| fault(&error))?;
        let position = record.position().map_or((0, 0), |at| (at.line(), at.byte()));
        if position.1 > limits::TICKET_FILE_BYTES || file.tickets.len() >= limits::TICKETS {
            let what = format!("more than {} tickets or {} bytes", limits::TICKETS, limits::TICKET_FILE_BYTES);
            return Err(fault(&what));
        }
        let fields = columns.map(|column| column.and_then(|at| record.get(at)).unwrap_or(""));
        match read_ticket(fields, country, now) {
            Ok(ticket) => file.tickets.push(ticket),
            Err(why) => file.bad.push((position.0, why)),
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_tickets_are_named_and_the_rest_is_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("tickets.csv");
        let text = "Reference,phone,kind,note,opened\nT1,+359881234567,internet,slow,2026-11-20\nT2,0881234568,tv,,\n\
                    ,+359881234569,tv,,\nT4,nobody,tv,,\nT5,+359881234567,,,\nT6,+359881234567,tv,,yesterday\n";
        std::fs::write(&path, text).expect("written");
        let file = read(&path, Some("BG".parse().expect("a country")), Wall(7)).expect("read");
        let read_in: Vec<(&str, &str)> =
            file.tickets.iter().map(|(_, ticket)| (ticket.reference.as_str(), ticket.kind.as_str())).collect();
        assert_eq!(read_in, [("T1", "internet"), ("T2", "tv")]);
        assert_eq!(file.tickets[1].1.opened, Wall(7), "without a day it is opened now");
        let bad: Vec<u64> = file.bad.iter().map(|(line, _)| *line).collect();
        assert_eq!(bad, [4, 5, 6, 7]);
        std::fs::write(&path, "phone,kind\n+359881234567,tv\n").expect("written");
        assert!(read(&path, None, Wall(0)).expect_err("no reference").what.contains("no column `reference`"));
    }
}
