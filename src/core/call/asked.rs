//! What a machine's first words make it: one that asks who calls, one that offers keys, one that takes messages.
//!
//! Phrases as machines say them, in the seven languages of the house; a transcript rarely has all of them right, so
//! several ways to say a thing are known. Words that fit nothing decide nothing.

use super::Answerer;

/// Who asks for a name, and says that somebody may come.
const SCREENING: [&str; 34] = [
    "record your name",
    "say your name",
    "state your name",
    "your name and reason",
    "your name and why",
    "reason for calling",
    "why you're calling",
    "why you are calling",
    "who is calling",
    "who's calling",
    "if this person is available",
    "screening service",
    "votre nom et",
    "motif de votre appel",
    "raison de votre appel",
    "qui appelle",
    "ihren namen und",
    "grund ihres anrufs",
    "grund für ihren anruf",
    "wer anruft",
    "su nombre y el motivo",
    "motivo de su llamada",
    "motivo de la llamada",
    "quién llama",
    "il suo nome e",
    "il tuo nome e",
    "motivo della chiamata",
    "chi chiama",
    "името си и",
    "причината за обаждането",
    "кой се обажда",
    "שמך וסיבת",
    "סיבת השיחה",
    "מי מתקשר",
];

/// Who takes a message.
const VOICEMAIL: [&str; 33] = [
    "leave a message",
    "leave your message",
    "leave me a message",
    "after the tone",
    "after the beep",
    "at the tone",
    "voicemail",
    "voice mail",
    "mailbox",
    "can't take your call",
    "cannot take your call",
    "not available to take",
    "laissez un message",
    "laisser un message",
    "laissez-moi un message",
    "après le bip",
    "messagerie",
    "nachricht nach dem",
    "hinterlassen sie",
    "nach dem signalton",
    "nach dem piepton",
    "deje un mensaje",
    "deje su mensaje",
    "después de la señal",
    "buzón de voz",
    "lasciate un messaggio",
    "lasci un messaggio",
    "dopo il segnale",
    "segreteria telefonica",
    "оставете съобщение",
    "гласова поща",
    "השאירו הודעה",
    "תא קולי",
];

/// Who offers keys.
const MENU: [&str; 15] = [
    "press one",
    "press two",
    "press zero",
    "main menu",
    "following options",
    "your call is important",
    "tapez un",
    "appuyez sur",
    "drücken sie die",
    "pulse el",
    "marque el",
    "prema il tasto",
    "digiti",
    "натиснете",
    "הקישו",
];

/// Verbs of menus that are followed by a digit.
const BEFORE_A_DIGIT: [&str; 8] =
    ["press ", "dial ", "tapez ", "drücken sie ", "pulse ", "marque ", "prema ", "premere "];

/// Who speaks so; `None`: nobody knows. Screeners and voicemails may offer keys too: they come first.
pub fn of_words(text: &str) -> Option<Answerer> {
    let text = text.to_lowercase().replace('’', "'");
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    let offers = BEFORE_A_DIGIT.iter().any(|verb| {
        text.match_indices(verb).any(|(at, _)| text[at + verb.len()..].starts_with(|next: char| next.is_ascii_digit()))
    });
    if says(&SCREENING) {
        Some(Answerer::Screening)
    } else if says(&VOICEMAIL) {
        Some(Answerer::Voicemail)
    } else if offers || says(&MENU) {
        Some(Answerer::Menu)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_apart_by_what_they_say() {
        for (text, who) in [
            (
                "Hi. If you record your name and reason for calling, I'll see if this person is available.",
                Answerer::Screening,
            ),
            ("The person you're calling is using a screening service from Google.", Answerer::Screening),
            ("Dites votre nom et le motif de votre appel.", Answerer::Screening),
            ("Bitte nennen Sie Ihren Namen und den Grund Ihres Anrufs.", Answerer::Screening),
            ("Кажете името си и причината за обаждането.", Answerer::Screening),
            ("Hi, this is Ann. I can’t take your call right now.", Answerer::Voicemail),
            ("Please leave your message after the tone, or press 1 for more options.", Answerer::Voicemail),
            ("Bitte hinterlassen Sie eine Nachricht nach dem Signalton.", Answerer::Voicemail),
            ("Моля, оставете съобщение след сигнала.", Answerer::Voicemail),
            ("Thank you for calling. For sales, press 1. For support, press 2.", Answerer::Menu),
            ("Pour le service client, tapez 1.", Answerer::Menu),
            ("Para español, marque 2.", Answerer::Menu),
            ("За български език натиснете едно.", Answerer::Menu),
        ] {
            assert_eq!(of_words(text), Some(who), "{text}");
        }
        for text in
            ["Hello?", "Yes, Ann speaking, who do I talk to?", "Harbour Optics, good morning, how can I help?", ""]
        {
            assert_eq!(of_words(text), None, "{text}");
        }
        // A name is no request for one.
        assert_eq!(of_words("We met the press yesterday"), None);
    }
}
