//! Short things that people say on the telephone. The second list of a language is kept aside: no tuning hears it.

/// Language, whether the embedded engine speaks it, phrases for tuning, phrases kept aside.
pub type Row = (&'static str, bool, &'static [&'static str], &'static [&'static str]);

/// All of them.
pub const PHRASES: [Row; 8] = [
    (
        "en",
        true,
        &["yes", "no", "when?", "how much?", "hello?", "who is it?", "okay", "what?", "stop", "maybe", "go on", "why?"],
        &["yeah", "not now", "which one?", "sure", "where?", "thanks", "how long?", "right", "really?", "tell me"],
    ),
    (
        "de",
        true,
        &["ja", "nein", "wann?", "wie viel?", "hallo?", "wer ist da?", "gut", "was?", "halt", "vielleicht", "bitte"],
        &["genau", "jetzt nicht", "welche?", "sicher", "wo?", "danke", "wie lange?", "richtig", "warum?", "gerne"],
    ),
    (
        "es",
        true,
        &["sí", "no", "¿cuándo?", "¿cuánto?", "¿diga?", "¿quién es?", "vale", "¿qué?", "pare", "quizás", "siga"],
        &["claro", "ahora no", "¿cuál?", "seguro", "¿dónde?", "gracias", "¿por qué?", "bueno", "hola", "dígame"],
    ),
    (
        "fr",
        true,
        &[
            "oui",
            "non",
            "quand ?",
            "combien ?",
            "allô ?",
            "qui est-ce ?",
            "bien",
            "quoi ?",
            "stop",
            "peut-être",
            "allez",
        ],
        &[
            "d'accord",
            "pas maintenant",
            "lequel ?",
            "bien sûr",
            "où ?",
            "merci",
            "pourquoi ?",
            "voilà",
            "bonjour",
            "c'est combien ?",
        ],
    ),
    (
        "it",
        true,
        &["sì", "no", "quando?", "quanto?", "pronto?", "chi è?", "bene", "cosa?", "basta", "forse", "avanti"],
        &["certo", "non ora", "quale?", "sicuro", "dove?", "grazie", "perché?", "giusto", "ciao", "mi dica"],
    ),
    (
        "bg",
        false,
        &["да", "не", "кога?", "колко?", "ало?", "кой е?", "добре", "какво?", "стига", "може би"],
        &["ясно", "не сега", "кой?", "сигурно", "къде?", "мерси", "защо?", "точно", "здравейте", "колко струва?"],
    ),
    (
        "he",
        false,
        &["כֵּן", "לֹא", "מָתַי?", "כַּמָּה?", "הָלוֹ?", "מִי זֶה?", "טוֹב", "מָה?", "דַּי", "אוּלַי"],
        &["בֶּטַח", "לֹא עַכְשָׁיו", "אֵיזֶה?", "בְּסֵדֶר", "אֵיפֹה?", "תּוֹדָה", "לָמָּה?", "נָכוֹן", "שָׁלוֹם", "כַּמָּה זֶה?"],
    ),
    (
        "ru",
        false,
        &["да", "нет", "когда?", "сколько?", "алло?", "кто это?", "хорошо", "что?", "стоп", "может быть"],
        &["ясно", "не сейчас", "какой?", "конечно", "где?", "спасибо", "почему?", "верно", "привет", "говорите"],
    ),
];
