//! Messages that ask for nothing but a word back: a greeting, thanks, or who is there.

/// A message without a task, by how much it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SmallTalk {
    Greeting,
    Thanks,
    /// Who are you, what can you do, help.
    Help,
}

/// Maximum characters of small talk.
const CHARS_MAX: usize = 80;
/// Joins consonants within a word of Devanagari, and is no letter.
const VIRAMA: char = '\u{94d}';

/// Phrases of some twenty languages: lower case, without signs.
const PHRASES: &[(SmallTalk, &[&str])] = &[
    (
        SmallTalk::Greeting,
        &[
            "hi",
            "hello",
            "hello there",
            "hi there",
            "hey",
            "hey there",
            "hiya",
            "howdy",
            "yo",
            "good morning",
            "good evening",
            "good afternoon",
            "good day",
            "how are you",
            "how is it going",
            "hows it going",
            "how s it going",
            "whats up",
            "what s up",
            "nice to meet you",
            "hello everyone",
            "hi all",
            "anyone home",
            "anyone there",
            "are you there",
            "test",
            "ping",
            "bye",
            "goodbye",
            "good night",
            "hallo",
            "moin",
            "servus",
            "guten morgen",
            "guten tag",
            "guten abend",
            "na",
            "wie geht s",
            "wie gehts",
            "wie geht es dir",
            "hallo zusammen",
            "grüß gott",
            "bonjour",
            "salut",
            "bonsoir",
            "coucou",
            "ça va",
            "comment ça va",
            "hola",
            "buenos días",
            "buenos dias",
            "buenas",
            "buenas tardes",
            "qué tal",
            "que tal",
            "olá",
            "ola",
            "oi",
            "bom dia",
            "boa tarde",
            "tudo bem",
            "ciao",
            "salve",
            "buongiorno",
            "buonasera",
            "come stai",
            "come va",
            "hoi",
            "goedemorgen",
            "goedemiddag",
            "hej",
            "hei",
            "cześć",
            "dzień dobry",
            "merhaba",
            "selam",
            "привет",
            "здравствуйте",
            "добрый день",
            "привіт",
            "مرحبا",
            "नमस्ते",
            "你好",
            "您好",
            "嗨",
            "早上好",
            "こんにちは",
            "おはよう",
            "안녕",
            "안녕하세요",
        ],
    ),
    (
        SmallTalk::Thanks,
        &[
            "thanks",
            "thank you",
            "thanks a lot",
            "thanks so much",
            "thank you very much",
            "many thanks",
            "thx",
            "cheers",
            "ta",
            "much appreciated",
            "ok thanks",
            "great thanks",
            "perfect thanks",
            "danke",
            "danke dir",
            "danke schön",
            "dankeschön",
            "vielen dank",
            "merci",
            "merci beaucoup",
            "gracias",
            "muchas gracias",
            "obrigado",
            "obrigada",
            "grazie",
            "grazie mille",
            "dank je",
            "bedankt",
            "tack",
            "dziękuję",
            "teşekkürler",
            "спасибо",
            "дякую",
            "شكرا",
            "धन्यवाद",
            "谢谢",
            "ありがとう",
            "감사합니다",
        ],
    ),
    (
        SmallTalk::Help,
        &[
            "help",
            "help me",
            "i need help",
            "who are you",
            "what are you",
            "who is this",
            "who is there",
            "what can you do",
            "what can you do for me",
            "what do you do",
            "how do you work",
            "how does this work",
            "what is this",
            "what can i ask",
            "what can i ask you",
            "what can i do",
            "what can i do here",
            "commands",
            "menu",
            "start",
            "what now",
            "what is quintet",
            "quintet",
            "hilfe",
            "wer bist du",
            "wer ist da",
            "was bist du",
            "was kannst du",
            "was machst du",
            "was kannst du alles",
            "wie funktioniert das",
            "wie geht das",
            "was ist das",
            "aide",
            "aide moi",
            "qui es tu",
            "qui êtes vous",
            "que peux tu faire",
            "tu peux faire quoi",
            "que fais tu",
            "comment ça marche",
            "ayuda",
            "quién eres",
            "quien eres",
            "qué puedes hacer",
            "que puedes hacer",
            "qué haces",
            "cómo funciona",
            "ajuda",
            "quem é você",
            "quem és tu",
            "o que você pode fazer",
            "o que podes fazer",
            "como funciona",
            "aiuto",
            "chi sei",
            "cosa sai fare",
            "cosa puoi fare",
            "come funziona",
            "wie ben je",
            "wat kun je",
            "hulp",
            "pomoc",
            "kim jesteś",
            "co potrafisz",
            "yardım",
            "sen kimsin",
            "ne yapabilirsin",
            "помощь",
            "кто ты",
            "что ты умеешь",
            "допомога",
            "хто ти",
            "من أنت",
            "तुम कौन हो",
            "मदद",
            "你是谁",
            "你能做什么",
            "你会什么",
            "帮助",
            "あなたは誰",
            "何ができますか",
            "ヘルプ",
            "누구세요",
            "뭘 할 수 있어",
            "도움말",
        ],
    ),
];

/// The small talk that a message is; none if a part of it is something else. Of several kinds the
/// one that wants most.
pub fn small_talk(message: &str) -> Option<SmallTalk> {
    if message.chars().count() > CHARS_MAX {
        return None;
    }
    let lower = message.to_lowercase();
    let is_between =
        |c: char| !c.is_alphanumeric() && !matches!(c, ' ' | '\'' | '’' | '-' | VIRAMA);
    let mut found = None;
    for clause in lower.split(is_between) {
        let words: Vec<&str> =
            clause.split([' ', '\'', '’', '-']).filter(|word| !word.is_empty()).collect();
        let mut rest = words.as_slice();
        while !rest.is_empty() {
            let (kind, length) = beginning(rest)?;
            found = found.max(Some(kind));
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    found
}

/// The longest phrase that these words begin with, and its number of words.
fn beginning(words: &[&str]) -> Option<(SmallTalk, usize)> {
    (1..=words.len()).rev().find_map(|length| {
        let phrase = words.get(..length)?.join(" ");
        let is_known = |(_, phrases): &&(SmallTalk, &[&str])| phrases.contains(&phrase.as_str());
        PHRASES.iter().find(is_known).map(|(kind, _)| (*kind, length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_talk_is_told_from_a_task_in_many_languages() {
        for (message, kind) in [
            ("Hello!", SmallTalk::Greeting),
            ("hey, how are you?", SmallTalk::Greeting),
            ("你好", SmallTalk::Greeting),
            ("नमस्ते", SmallTalk::Greeting),
            ("thanks a lot", SmallTalk::Thanks),
            ("hello, who are you?", SmallTalk::Help),
            ("hi there who are you", SmallTalk::Help),
            ("Hallo! Was kannst du?", SmallTalk::Help),
            ("¿Quién eres?", SmallTalk::Help),
            ("Qui êtes-vous ?", SmallTalk::Help),
            ("thanks! what can you do?", SmallTalk::Help),
        ] {
            assert_eq!(small_talk(message), Some(kind), "{message}");
        }
        for message in [
            "",
            "?!",
            "hello, fix the login page",
            "how much did I spend today",
            "help me fix the build",
            "thanks, now deploy it",
            "who are you talking to in the standup",
        ] {
            assert_eq!(small_talk(message), None, "{message}");
        }
    }
}
