//! The whole ledger as text, for the simulator: two runs of one seed must leave the same.

use std::fmt::Write as _;

use rusqlite::types::ValueRef;

use super::Ledger;

impl Ledger {
    /// Rows changed over this connection since it was opened.
    pub(crate) fn changed_rows(&self) -> u64 {
        self.conn.total_changes()
    }

    /// Every row of every table, in order.
    pub(crate) fn dump(&self) -> String {
        let mut text = String::new();
        let mut names = self
            .conn
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
            .expect("the schema is readable");
        let names: Vec<String> =
            names.query_map([], |row| row.get(0)).expect("read").map(|name| name.expect("a name")).collect();
        for name in names {
            let mut rows = self.conn.prepare(&format!("SELECT * FROM {name}")).expect("a table");
            let columns = rows.column_count();
            let mut rows = rows.query([]).expect("read");
            while let Some(row) = rows.next().expect("read") {
                write!(text, "{name}").expect("a String takes all");
                for at in 0..columns {
                    match row.get_ref(at).expect("a column") {
                        ValueRef::Null => text.push_str("|-"),
                        ValueRef::Integer(number) => write!(text, "|{number}").expect("a String takes all"),
                        ValueRef::Real(number) => write!(text, "|{number}").expect("a String takes all"),
                        ValueRef::Text(bytes) => {
                            write!(text, "|{}", String::from_utf8_lossy(bytes)).expect("a String takes all");
                        }
                        ValueRef::Blob(bytes) => write!(text, "|{bytes:02x?}").expect("a String takes all"),
                    }
                }
                text.push('\n');
            }
        }
        text
    }
}
