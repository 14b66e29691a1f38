//! The phrases of campaigns as a page: waveform, level, player, findings. Self-contained; works from a file.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{STYLE, escape};
use crate::core::ear::{Flaw, Severity};

/// Columns of a waveform.
const COLUMNS: usize = 240;
/// Height of a waveform's picture, in its own units.
pub(super) const HEIGHT: f64 = 48.0;

/// A voice at −26 dBov keeps to a third of full scale: so much larger it fills the picture, and louder ones touch its edge.
const MAGNIFIED: f64 = 2.5;

const MORE_STYLE: &str = "\
.phrase{border:1px solid var(--line);border-radius:8px;background:var(--card);padding:.75rem 1rem;margin:0 0 .75rem}\
.phrase h3{margin:0;font-size:1rem;overflow-wrap:anywhere}.phrase p{margin:.25rem 0}.phrase .facts{color:var(--dim);font-size:.8125rem}\
.cards{grid-template-columns:repeat(auto-fit,minmax(min(45%,150px),1fr))}.phrase svg{height:3rem}\
.phrase audio{width:100%;height:2.25rem;margin-top:.25rem}.phrase svg path{fill:var(--p)}.phrase svg line{stroke:var(--line)}\
.find{border-left:3px solid var(--dim);padding-left:.6rem;font-size:.9375rem}.find.error{border-color:var(--bad)}.find.warning{border-color:#b26a00}\
input[type=search]{width:100%;font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.5rem .75rem;margin:0 0 1rem}\
[hidden]{display:none}@media print{input,audio{display:none}}";

/// Filters the phrases by what is typed. It needs no other file, and the page is whole without it.
const SCRIPT: &str = "const q=document.querySelector('input[type=search]');q.hidden=false;\
q.addEventListener('input',()=>{const w=q.value.toLowerCase();\
for(const p of document.querySelectorAll('.phrase'))p.hidden=!p.textContent.toLowerCase().includes(w)});";

/// One phrase of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct PhraseView {
    /// The campaign.
    pub campaign: String,
    /// The phrase's key.
    pub key: String,
    /// Its language.
    pub language: String,
    /// What is written.
    pub text: String,
    /// Engine, model and voice.
    pub voice: String,
    /// Length, ms.
    pub duration_ms: u64,
    /// Active speech level, dBov.
    pub level_dbov: Option<f32>,
    /// The least and the greatest sample of each part of the sound, ±32 768.
    pub envelope: Vec<(i16, i16)>,
    /// The WAV, if it is in the page.
    pub wav: Option<Vec<u8>>,
    /// What is wrong with it.
    pub flaws: Vec<Flaw>,
}

/// The whole page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CacheView {
    /// Campaigns, in words.
    pub title: String,
    /// Every phrase.
    pub phrases: Vec<PhraseView>,
    /// Phrases whose sound was left out, because the page would be too large.
    pub without_sound: usize,
}

/// The least and greatest sample of each of 240 parts: the columns of a waveform.
pub fn envelope(samples: &[i16]) -> Vec<(i16, i16)> {
    let part = samples.len().div_ceil(COLUMNS).max(1);
    let bounds = |it: &[i16]| (it.iter().copied().min().unwrap_or(0), it.iter().copied().max().unwrap_or(0));
    samples.chunks(part).map(bounds).collect()
}

/// The page. Deterministic: the same view gives the same bytes.
pub fn cache_page(view: &CacheView) -> String {
    let count = |severity: Severity| {
        view.phrases.iter().flat_map(|it| &it.flaws).filter(|it| it.severity() == severity).count()
    };
    let seconds = view.phrases.iter().map(|it| it.duration_ms).sum::<u64>() as f64 / 1_000.0;
    let card = |class: &str, value: String, name: &str| {
        format!("<div class=\"card{class}\"><b>{value}</b><span>{name}</span></div>")
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let cards = [
        card("", view.phrases.len().to_string(), "phrases"),
        card("", format!("{seconds:.0} s"), "of sound"),
        card(if errors > 0 { " bad" } else { "" }, errors.to_string(), "errors"),
        card("", warnings.to_string(), "warnings"),
    ];
    let mut phrases = String::new();
    for phrase in &view.phrases {
        phrases.push_str(&article(phrase));
    }
    let left_out = match view.without_sound {
        0 => String::new(),
        many => {
            format!("<p class=\"sub\">The sound of {many} phrases is not in this page, which would be too large.</p>")
        }
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; media-src data:\">\
         <meta name=\"robots\" content=\"noindex\">\
         <title>{title}</title><style>{STYLE}{MORE_STYLE}</style></head><body>\n\
         <header><h1>{title}</h1><p class=\"sub\">What callers hear, and what the ear says about it.</p></header>\n\
         <main><div class=\"cards\">{cards}</div><h2>Phrases</h2>{left_out}\
         <input type=\"search\" placeholder=\"Filter by text, key, language or finding\" aria-label=\"Filter\" hidden>\n\
         {phrases}</main>\n<footer>Made by ahoy from its cache. Levels are active speech levels by ITU-T P.56.</footer>\
         <script>{SCRIPT}</script></body></html>\n",
        title = escape(&view.title),
        cards = cards.concat(),
    )
}

fn article(phrase: &PhraseView) -> String {
    let mut facts = vec![format!("{:.1} s", phrase.duration_ms as f64 / 1_000.0)];
    facts.extend(phrase.level_dbov.map(|level| format!("{level:.1} dBov")));
    facts.push(phrase.voice.clone());
    let name = format!("{} · {} · {}", phrase.campaign, phrase.key, phrase.language);
    let audio = phrase.wav.as_ref().map_or(String::new(), |wav| {
        format!("<audio controls preload=\"none\" src=\"data:audio/wav;base64,{}\"></audio>", STANDARD.encode(wav))
    });
    let flaws: String = phrase
        .flaws
        .iter()
        .map(|flaw| {
            let (severity, code) = (flaw.severity(), flaw.code);
            format!("<p class=\"find {severity}\"><b>{severity}: {code}</b> {}</p>", escape(&flaw.message))
        })
        .collect();
    format!(
        "<article class=\"phrase\"><h3>{}</h3><p lang=\"{}\" dir=\"auto\">{}</p>{}<p class=\"facts\">{}</p>{flaws}{audio}</article>\n",
        escape(&name),
        escape(&phrase.language),
        escape(&phrase.text),
        waveform(&phrase.envelope),
        escape(&facts.join(" · ")),
    )
}

/// The envelope as one filled shape around a line.
pub(super) fn waveform(envelope: &[(i16, i16)]) -> String {
    if envelope.is_empty() {
        return String::new();
    }
    let y = |sample: i16| {
        let part = (f64::from(sample) * MAGNIFIED / 32_768.0).clamp(-1.0, 1.0);
        HEIGHT / 2.0 * (1.0 - part)
    };
    let mut path = String::new();
    for (at, (_, high)) in envelope.iter().enumerate() {
        let command = if at == 0 { 'M' } else { 'L' };
        write!(path, "{command}{at} {:.1}", y(*high) - 0.2).expect("a String takes all");
    }
    for (at, (low, _)) in envelope.iter().enumerate().rev() {
        write!(path, "L{at} {:.1}", y(*low) + 0.2).expect("a String takes all");
    }
    let (width, middle) = (envelope.len(), HEIGHT / 2.0);
    format!(
        "<svg viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"waveform\" height=\"{HEIGHT}\">\
         <line x1=\"0\" y1=\"{middle}\" x2=\"{width}\" y2=\"{middle}\"/><path d=\"{path}Z\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ear::Code;

    #[test]
    fn a_page_is_whole_and_nothing_from_outside_becomes_markup() {
        let hostile = "<script>alert(1)</script>\"'&";
        let phrase = PhraseView {
            campaign: "c".to_owned(),
            key: "k".to_owned(),
            language: "en".to_owned(),
            text: hostile.to_owned(),
            voice: hostile.to_owned(),
            duration_ms: 1_500,
            level_dbov: Some(-26.04),
            envelope: envelope(&[0, 100, -100, i16::MAX, i16::MIN]),
            wav: Some(vec![1, 2, 3]),
            flaws: vec![Flaw::new(Code::Hum, hostile)],
        };
        let page = cache_page(&CacheView { title: hostile.to_owned(), phrases: vec![phrase], without_sound: 2 });
        assert_eq!(page.matches("<script>").count(), 1, "our own, and no other");
        assert!(!page.contains("alert(1)</script>"), "{page}");
        assert!(page.contains("data:audio/wav;base64,AQID") && page.contains("warning: hum") && page.contains("1.5 s"));
        assert!(page.contains("of 2 phrases is not in this page"));
        assert!(!page.contains("http:") && !page.contains("https:"), "it asks nobody for anything");
        for tag in ["html", "main", "article", "svg", "footer"] {
            assert_eq!(page.matches(&format!("<{tag}")).count(), page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn an_envelope_has_at_most_so_many_parts() {
        assert!(envelope(&[1; 64_001]).len() <= COLUMNS);
        assert_eq!(envelope(&[]), []);
    }
}
