//! Plots as inline SVG. Each carries its title and description for those who cannot see it, and a table beside it.
//!
//! Everything is drawn 360 units wide: on a phone that is life size, on a wide screen it grows. Colours are the page's.

use std::fmt::Write;

use super::escape;

const WIDTH: f64 = 360.0;

/// One bar: a whole, of which a part stands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// What it counts.
    pub label: String,
    /// The whole.
    pub all: u64,
    /// The part that stands out; no more than `all`.
    pub part: u64,
}

/// What a plot is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Unique on the page; letters and digits.
    pub id: &'a str,
    /// In a few words.
    pub title: &'a str,
    /// What its bars are, in a sentence.
    pub about: &'a str,
    /// Name of the label column, of the whole, of the part (`None`: there is none).
    pub columns: (&'a str, &'a str, Option<&'a str>),
}

/// Bars that lie, one a row: for words.
pub fn rows(subject: &Subject<'_>, bars: &[Bar]) -> String {
    const ROW: f64 = 22.0;
    const LEFT: f64 = 118.0;
    // Room for the longest figure, at some 6 units a digit.
    let longest = bars.iter().map(|bar| bar.all.to_string().len()).max().unwrap_or(0);
    let right = (12.5 * longest as f64 + 30.0).max(62.0);
    let height = ROW * bars.len() as f64 + 4.0;
    let most = bars.iter().map(|bar| bar.all).max().unwrap_or(0).max(1);
    let mut body = String::new();
    for (at, bar) in bars.iter().enumerate() {
        let y = ROW * at as f64 + 3.0;
        let wide = |n: u64| (WIDTH - LEFT - right) * n as f64 / most as f64;
        // Where nothing stands out of the whole, the whole has the strong colour.
        let (whole, figure) = match subject.columns.2 {
            Some(_) => ("a", format!("{} / {}", bar.part, bar.all)),
            None => ("p", bar.all.to_string()),
        };
        add(
            &mut body,
            &format!(
                "<text class=\"l\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{whole}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"15\" rx=\"2\"/>\
             <rect class=\"p\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"15\" rx=\"2\"/>\
             <text class=\"n\" x=\"{:.1}\" y=\"{:.1}\">{figure}</text>",
                LEFT - 6.0,
                y + 12.0,
                escape(&short(&bar.label)),
                wide(bar.all),
                wide(bar.part.min(bar.all)),
                LEFT + wide(bar.all) + 5.0,
                y + 12.0,
            ),
        );
    }
    figure(subject, height, &body, bars)
}

/// Bars that stand, side by side: for hours.
pub fn columns(subject: &Subject<'_>, bars: &[Bar]) -> String {
    const TOP: f64 = 14.0;
    const TALL: f64 = 120.0;
    const LEFT: f64 = 6.0;
    let most = bars.iter().map(|bar| bar.all).max().unwrap_or(0).max(1);
    let step = (WIDTH - 2.0 * LEFT) / bars.len().max(1) as f64;
    let mut body = format!("<text class=\"n\" x=\"{LEFT}\" y=\"10\">most: {most}</text>");
    for (at, bar) in bars.iter().enumerate() {
        let x = LEFT + step * at as f64;
        let tall = |n: u64| TALL * n as f64 / most as f64;
        for (class, n) in [("a", bar.all), ("p", bar.part.min(bar.all))] {
            add(
                &mut body,
                &format!(
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"1\"/>",
                    TOP + TALL - tall(n),
                    step * 0.8,
                    tall(n),
                ),
            );
        }
        if at % 3 == 0 {
            add(
                &mut body,
                &format!(
                    "<text class=\"l\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    x + step * 0.4,
                    TOP + TALL + 14.0,
                    escape(&bar.label),
                ),
            );
        }
    }
    let base = TOP + TALL;
    add(&mut body, &format!("<line class=\"x\" x1=\"{LEFT}\" y1=\"{base}\" x2=\"{}\" y2=\"{base}\"/>", WIDTH - LEFT));
    figure(subject, base + 20.0, &body, bars)
}

fn figure(subject: &Subject<'_>, height: f64, body: &str, bars: &[Bar]) -> String {
    let Subject { id, title, about, columns: (label, all, part) } = *subject;
    let (title, about) = (escape(title), escape(about));
    let legend = part.map_or_else(String::new, |part| {
        format!("<p class=\"legend\"><i class=\"a\"></i>{} <i class=\"p\"></i>{}</p>", escape(all), escape(part))
    });
    let mut table = format!("<tr><th scope=\"col\">{}</th><th scope=\"col\">{}</th>", escape(label), escape(all));
    if let Some(part) = part {
        add(&mut table, &format!("<th scope=\"col\">{}</th>", escape(part)));
    }
    table.push_str("</tr>");
    for bar in bars {
        add(&mut table, &format!("<tr><th scope=\"row\">{}</th><td>{}</td>", escape(&bar.label), bar.all));
        if part.is_some() {
            add(&mut table, &format!("<td>{}</td>", bar.part));
        }
        table.push_str("</tr>");
    }
    format!(
        "<figure><figcaption>{title}</figcaption>{legend}\
         <svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{about}</desc>{body}</svg>\
         <details><summary>as a table</summary><table>{table}</table></details></figure>\n"
    )
}

/// Labels are cut to the room on the left; the table has them whole.
fn short(label: &str) -> String {
    const MOST: usize = 17;
    if label.chars().count() <= MOST {
        return label.to_owned();
    }
    label.chars().take(MOST - 1).chain(['…']).collect()
}

fn add(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _infallible = out.write_str(text);
}
