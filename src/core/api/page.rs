//! Metrics as text: Prometheus' exposition format, version 0.0.4.
//!
//! A family is written once, with its HELP and TYPE, and all its samples behind it. Names end in their unit (`_seconds`),
//! counters in `_total`. No label holds a number or a name of a person; each takes few values.

use std::fmt::Write as _;

/// What a family's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// Times sorted into buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Upper bounds of the buckets, seconds, ascending, without infinity.
    pub bounds: Vec<f64>,
    /// How many times fell into each bucket (not summed up); one more than the bounds: the last has no bound.
    pub counts: Vec<u64>,
    /// Sum of all times, seconds.
    pub sum_s: f64,
}

/// A page under way.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    names: Vec<String>,
}

impl Page {
    /// A family of counters or gauges, with its samples.
    pub fn family<'a, const N: usize>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'a str, &'a str); N], f64)>,
    ) {
        self.head(name, if kind == Kind::Counter { "counter" } else { "gauge" }, help);
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    /// A family of one value without labels.
    pub fn one(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help, [([], value)]);
    }

    /// A histogram.
    pub fn histogram(&mut self, name: &str, help: &str, spread: &Spread) {
        assert_eq!(spread.counts.len(), spread.bounds.len() + 1, "{name}: one bucket more than bounds");
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let mut sum = 0;
        for (count, bound) in spread.counts.iter().zip(&spread.bounds) {
            sum += count;
            self.sample(&bucket, &[("le", &bound.to_string())], sum as f64);
        }
        sum += spread.counts.last().copied().unwrap_or(0);
        self.sample(&bucket, &[("le", "+Inf")], sum as f64);
        self.sample(&format!("{name}_sum"), &[], spread.sum_s);
        self.sample(&format!("{name}_count"), &[], sum as f64);
    }

    /// The page.
    pub fn text(self) -> String {
        self.text
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        assert!(!self.names.iter().any(|it| it == name), "the family {name} is written twice");
        assert_eq!(
            kind == "counter",
            name.ends_with("_total"),
            "{name}: counters end in _total, and nothing else does"
        );
        self.names.push(name.to_owned());
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a String takes all");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let before = if at == 0 { '{' } else { ',' };
            write!(self.text, "{before}{label}=\"{text}\"").expect("a String takes all");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        writeln!(self.text, " {value}").expect("a String takes all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_written_as_prometheus_reads_it() {
        let mut page = Page::default();
        let samples = [([("outcome", "busy")], 3.0), ([("outcome", "a\"b\\c\nd")], 0.0)];
        page.family("x_ended_total", Kind::Counter, "Calls\nthat \\ ended.", samples);
        let spread = Spread { bounds: vec![0.0005, 0.01], counts: vec![2, 1, 1], sum_s: 1.25 };
        page.histogram("x_seconds", "Times.", &spread);
        page.one("x_live", Kind::Gauge, "Live.", 7.0);
        let want = "# HELP x_ended_total Calls\\nthat \\\\ ended.\n# TYPE x_ended_total counter\n\
                    x_ended_total{outcome=\"busy\"} 3\nx_ended_total{outcome=\"a\\\"b\\\\c\\nd\"} 0\n\
                    # HELP x_seconds Times.\n# TYPE x_seconds histogram\nx_seconds_bucket{le=\"0.0005\"} 2\n\
                    x_seconds_bucket{le=\"0.01\"} 3\nx_seconds_bucket{le=\"+Inf\"} 4\nx_seconds_sum 1.25\nx_seconds_count 4\n\
                    # HELP x_live Live.\n# TYPE x_live gauge\nx_live 7\n";
        assert_eq!(page.text(), want);
    }

    #[test]
    #[should_panic(expected = "counters end in _total")]
    fn a_counter_has_its_ending() {
        Page::default().one("x", Kind::Counter, "X.", 1.0);
    }
}
