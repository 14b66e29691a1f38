//! The filter language: words → questions. Faults point to the place in the text.

use super::{Compare, Filter, Name, Value};
use crate::base::text::printable;
use crate::base::{Wall, limits};

/// Why a filter cannot be read. `at`: the character, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the filter, at character {at}: {what}")]
pub struct FilterFault {
    /// Where.
    pub at: usize,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// Fields by the words that name them.
const NAMES: &[(&str, Name)] = &[
    ("id", Name::Id),
    ("import", Name::Import),
    ("campaign", Name::Campaign),
    ("phone", Name::Phone),
    ("name", Name::Name),
    ("language", Name::Language),
    ("country", Name::Country),
    ("timezone", Name::Timezone),
    ("consent", Name::Consent),
    ("state", Name::State),
    ("reason", Name::Reason),
    ("outcome", Name::Reason),
    ("tries", Name::Tries),
    ("due", Name::Due),
    ("created", Name::Created),
    ("changed", Name::Changed),
    ("tag", Name::Tag),
];

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A word as typed: a field, `and`, `in` …
    Word(String),
    /// `"ticket no"`: a column by its name.
    Column(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
    End,
}

impl Filter {
    /// Reads `country = 'FR' and (tag = 'vip' or tries < 2)`.
    ///
    /// Fields: `id import campaign phone name language country timezone consent state reason tries due created changed
    /// tag`, or a column of the file in double quotes. Texts in single quotes (`''` is a quote), numbers, days and moments as
    /// text (`'2026-11-21'`, midnight in UTC). `= != < <= > >=`, `in ('a', 'b')`, `like 'An%'`, `is null`, each with `not`;
    /// `and`, `or`, `not`, brackets.
    pub fn read(text: &str) -> Result<Filter, FilterFault> {
        Filter::read_with(text, &[])
    }

    /// The same, where some words name columns that always have these names.
    pub fn read_with(text: &str, own: &'static [&'static str]) -> Result<Filter, FilterFault> {
        if text.len() > limits::FILTER_BYTES {
            let what = format!("it has {} bytes; {} is the most", text.len(), limits::FILTER_BYTES);
            return Err(FilterFault { at: 1, what, hint: None });
        }
        let mut reader = Reader { tokens: tokens(text)?, own, next: 0, terms: 0 };
        let filter = reader.any(0)?;
        match reader.peek() {
            Token::End => Ok(filter),
            other => {
                let what = format!("{} is one too many here", shown(other));
                Err(reader.fault(what, Some("join questions with and, or".to_owned())))
            }
        }
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("`{}`", printable(word)),
        Token::Column(name) => format!("\"{}\"", printable(name)),
        Token::Text(text) => format!("'{}'", printable(text)),
        Token::Number(number) => number.to_string(),
        Token::Sign(sign) => format!("`{sign}`"),
        Token::End => "the end".to_owned(),
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterFault> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let (begin, ch) = (at, chars[at]);
        let token = match ch {
            _ if ch.is_whitespace() => {
                at += 1;
                continue;
            }
            '\'' | '"' => {
                let quoted = quoted(&chars, &mut at)?;
                if ch == '"' { Token::Column(quoted) } else { Token::Text(quoted) }
            }
            '-' | '0'..='9' => number(&chars, &mut at)?,
            _ if ch.is_alphabetic() || ch == '_' => {
                while chars.get(at).is_some_and(|ch| ch.is_alphanumeric() || matches!(ch, '_' | '.')) {
                    at += 1;
                }
                Token::Word(chars[begin..at].iter().collect())
            }
            _ => sign(&chars, &mut at)?,
        };
        found.push((begin + 1, token));
    }
    found.push((chars.len() + 1, Token::End));
    Ok(found)
}

fn quoted(chars: &[char], at: &mut usize) -> Result<String, FilterFault> {
    let (begin, quote) = (*at, chars[*at]);
    let mut text = String::new();
    *at += 1;
    while let Some(ch) = chars.get(*at) {
        *at += 1;
        if *ch != quote {
            text.push(*ch);
        } else if chars.get(*at) == Some(&quote) {
            text.push(quote);
            *at += 1;
        } else {
            return Ok(text);
        }
    }
    let what = format!("the {quote} that opens here is never closed");
    Err(FilterFault { at: begin + 1, what, hint: Some(format!("a {quote} inside is written twice")) })
}

fn number(chars: &[char], at: &mut usize) -> Result<Token, FilterFault> {
    let begin = *at;
    *at += 1;
    while chars.get(*at).is_some_and(|ch| ch.is_ascii_alphanumeric() || *ch == '.') {
        *at += 1;
    }
    let text: String = chars[begin..*at].iter().collect();
    match super::spelled_number(&text) {
        Some(number) => Ok(Token::Number(number)),
        None => {
            let what = format!("`{}` is no number", printable(&text));
            Err(FilterFault { at: begin + 1, what, hint: Some("texts and days stand in single quotes".to_owned()) })
        }
    }
}

fn sign(chars: &[char], at: &mut usize) -> Result<Token, FilterFault> {
    let two: String = chars[*at..].iter().take(2).collect();
    for known in ["!=", "<>", "<=", ">=", "==", "=", "<", ">", "(", ")", ","] {
        if two.starts_with(known) {
            *at += known.len();
            return Ok(Token::Sign(known));
        }
    }
    let what = format!("`{}` means nothing here", printable(&chars[*at].to_string()));
    Err(FilterFault { at: *at + 1, what, hint: Some("write country = 'FR' and tag = 'vip'".to_owned()) })
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    /// Words that name columns.
    own: &'static [&'static str],
    next: usize,
    terms: usize,
}

impl Reader {
    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)].1
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn fault(&self, what: String, hint: Option<String>) -> FilterFault {
        let at = self.tokens[self.next.min(self.tokens.len() - 1)].0;
        FilterFault { at, what, hint }
    }

    fn word(&mut self, wanted: &str) -> bool {
        let is = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(wanted));
        self.next += usize::from(is);
        is
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let is = matches!(self.peek(), Token::Sign(sign) if *sign == wanted);
        self.next += usize::from(is);
        is
    }

    fn any(&mut self, depth: usize) -> Result<Filter, FilterFault> {
        let mut parts = vec![self.all(depth)?];
        while self.word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Any(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Filter, FilterFault> {
        let mut parts = vec![self.part(depth)?];
        while self.word("and") {
            parts.push(self.part(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
    }

    fn part(&mut self, depth: usize) -> Result<Filter, FilterFault> {
        if depth > limits::FILTER_DEPTH {
            return Err(self.fault(format!("more than {} brackets inside one another", limits::FILTER_DEPTH), None));
        }
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.part(depth + 1)?)));
        }
        if self.sign("(") {
            let inner = self.any(depth + 1)?;
            if !self.sign(")") {
                let what = format!("{} where a `)` is missing", shown(self.peek()));
                return Err(self.fault(what, None));
            }
            return Ok(inner);
        }
        self.question()
    }

    fn question(&mut self) -> Result<Filter, FilterFault> {
        self.terms += 1;
        if self.terms > limits::FILTER_TERMS {
            return Err(self.fault(format!("more than {} questions", limits::FILTER_TERMS), None));
        }
        let name = self.name()?;
        if self.word("is") {
            let not = self.word("not");
            if !self.word("null") {
                return Err(self.fault(format!("{} after `is`", shown(self.peek())), Some("write is null".to_owned())));
            }
            return Ok(negated(not, Filter::Missing(name)));
        }
        let not = self.word("not");
        if self.word("in") {
            return Ok(negated(not, Filter::In(name.clone(), self.values(&name)?)));
        }
        if self.word("like") {
            let place = self.next;
            return match (self.take(), kind(&name)) {
                (Token::Text(pattern), Kind::Text) => Ok(negated(not, Filter::Like(name, pattern))),
                (_, Kind::Number | Kind::Time) => {
                    self.next = place;
                    Err(self.fault(format!("`{}` is no text", name.word()), Some("compare it with < or >".to_owned())))
                }
                (other, Kind::Text) => {
                    self.next = place;
                    let what = format!("{} after `like`", shown(&other));
                    Err(self.fault(what, Some("write like 'An%'".to_owned())))
                }
            };
        }
        let how = match (not, self.take()) {
            (false, Token::Sign("=" | "==")) => Compare::Equal,
            (false, Token::Sign("!=" | "<>")) => Compare::Unequal,
            (false, Token::Sign("<")) => Compare::Less,
            (false, Token::Sign("<=")) => Compare::AtMost,
            (false, Token::Sign(">")) => Compare::More,
            (false, Token::Sign(">=")) => Compare::AtLeast,
            (_, other) => {
                self.next -= 1;
                let what = format!("{} after `{}`", shown(&other), printable(name.word()));
                let hint = "compare with = != < <= > >=, in (…), like '…', is null".to_owned();
                return Err(self.fault(what, Some(hint)));
            }
        };
        let value = self.value(&name)?;
        if name == Name::Tag && !matches!(how, Compare::Equal | Compare::Unequal) {
            return Err(self.fault("a tag is there or not".to_owned(), Some("write tag = 'vip'".to_owned())));
        }
        Ok(Filter::Is(name, how, value))
    }

    fn name(&mut self) -> Result<Name, FilterFault> {
        let place = self.next;
        match self.take() {
            Token::Column(own) => Ok(Name::Variable(own)),
            Token::Word(word) => {
                let lower = word.to_lowercase();
                if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == lower) {
                    return Ok(name.clone());
                }
                if self.own.contains(&lower.as_str()) {
                    return Ok(Name::Variable(lower));
                }
                self.next = place;
                let known = NAMES.iter().map(|(known, _)| *known).chain(self.own.iter().copied());
                let near = known.map(|known| (known, strsim::jaro_winkler(known, &lower)));
                let near = near.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, likeness)| *likeness > 0.8);
                let hint = match near {
                    Some((known, _)) => format!("did you mean {known}? a column of your file stands in double quotes"),
                    None => format!("a column of your file stands in double quotes: \"{}\"", printable(&word)),
                };
                Err(self.fault(format!("there is no field `{}`", printable(&word)), Some(hint)))
            }
            other @ (Token::Text(_) | Token::Number(_) | Token::Sign(_) | Token::End) => {
                self.next = place;
                let what = format!("{} where a field is expected", shown(&other));
                Err(self.fault(what, Some("write country = 'FR'".to_owned())))
            }
        }
    }

    fn values(&mut self, name: &Name) -> Result<Vec<Value>, FilterFault> {
        if !self.sign("(") {
            let what = format!("{} after `in`", shown(self.peek()));
            return Err(self.fault(what, Some("write in ('FR', 'BE')".to_owned())));
        }
        let mut values = vec![self.value(name)?];
        while self.sign(",") {
            if values.len() >= limits::FILTER_VALUES {
                return Err(self.fault(format!("more than {} values", limits::FILTER_VALUES), None));
            }
            values.push(self.value(name)?);
        }
        if !self.sign(")") {
            let what = format!("{} where `,` or `)` is missing", shown(self.peek()));
            return Err(self.fault(what, None));
        }
        Ok(values)
    }

    fn value(&mut self, name: &Name) -> Result<Value, FilterFault> {
        let place = self.next;
        let taken = self.take();
        let good = match (&taken, kind(name)) {
            (Token::Text(text), Kind::Text) => Ok(Value::Text(folded(name, text))),
            (Token::Text(text), Kind::Time) => moment(text).map(Value::Time),
            (Token::Number(number), Kind::Number) => Ok(Value::Number(*number)),
            (Token::Number(number), Kind::Text) if matches!(name, Name::Variable(_)) => Ok(Value::Number(*number)),
            (Token::Word(word), _) if word.eq_ignore_ascii_case("null") => {
                Err(("null is compared with `is`".to_owned(), "write is null"))
            }
            (Token::Word(_), _) => {
                Err((format!("{} has no quotes", shown(&taken)), "texts stand in single quotes: 'FR'"))
            }
            (_, Kind::Text) => Err((format!("{} where a text is expected", shown(&taken)), "write 'FR'")),
            (_, Kind::Number) => {
                Err((format!("{} where a number is expected", shown(&taken)), "write it without quotes"))
            }
            (_, Kind::Time) => Err((format!("{} where a day is expected", shown(&taken)), "write '2026-11-21'")),
        };
        good.map_err(|(what, hint)| {
            self.next = place;
            self.fault(what, Some(hint.to_owned()))
        })
    }
}

fn negated(not: bool, filter: Filter) -> Filter {
    if not { Filter::Not(Box::new(filter)) } else { filter }
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Time,
}

fn kind(name: &Name) -> Kind {
    match name {
        Name::Id | Name::Import | Name::Tries => Kind::Number,
        Name::Due | Name::Created | Name::Changed => Kind::Time,
        Name::Campaign
        | Name::Phone
        | Name::Name
        | Name::Language
        | Name::Country
        | Name::Timezone
        | Name::Consent
        | Name::State
        | Name::Reason
        | Name::Tag
        | Name::Variable(_) => Kind::Text,
    }
}

/// Codes are kept in one case, so `'fr'` finds `FR`.
fn folded(name: &Name, text: &str) -> String {
    match name {
        Name::Country => text.to_ascii_uppercase(),
        Name::Language | Name::Campaign | Name::State | Name::Reason => text.to_ascii_lowercase(),
        Name::Tag => text.trim().to_lowercase(),
        Name::Id
        | Name::Import
        | Name::Phone
        | Name::Name
        | Name::Timezone
        | Name::Consent
        | Name::Tries
        | Name::Due
        | Name::Created
        | Name::Changed
        | Name::Variable(_) => text.to_owned(),
    }
}

fn moment(text: &str) -> Result<Wall, (String, &'static str)> {
    let stamp = text.trim().parse::<jiff::Timestamp>().map(|stamp| Wall(stamp.as_millisecond()));
    stamp
        .or_else(|_| Wall::from_date(text))
        .map_err(|_| (format!("'{}' is no day", printable(text)), "write '2026-11-21' or '2026-11-21T14:00:00Z'"))
}
