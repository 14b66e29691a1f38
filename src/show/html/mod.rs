//! One self-contained page: no request leaves it, every word from outside is escaped, no phone number is on it.

pub mod cache;
mod page;
mod plot;
pub mod replay;

pub use page::report_page;

use page::STYLE;

use crate::base::text::printable;

/// Text for HTML and SVG, also inside quoted attributes. Control characters and marks that reorder text are made
/// visible first.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in printable(text).chars() {
        match ch {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '`' => out.push_str("&#96;"),
            other => out.push(other),
        }
    }
    out
}
