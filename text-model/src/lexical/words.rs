//! Words as the lexical score compares them: without their endings, without function words, and
//! with the words that name the same subject.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Function words of English. The files of a graph state subjects and rarely contain them, so their
/// idf would make "our" as telling as "kubernetes".
const FUNCTION_WORDS: &str = "a about above after again all also am an and any are as at be \
    because been before being below between both but by can cannot could did do does doing dont \
    down during each few for from further get gets got had has have having he her here hers him \
    his how i id if ill im in into is isnt it its itself ive just let lets like me more most my \
    no nor not now of off on once only or other our out over own please same she should so some \
    such than that thats the their them then there these they thing this those through to too \
    under until up us very was we were what whats when where which while who whom why will with \
    would you your yours";

/// Names of languages that consist of marks, and the word that replaces each.
const MARKED: [(&str, &str); 5] =
    [("c++", "cpp"), ("c#", "csharp"), ("f#", "fsharp"), (".net", "dotnet"), ("node.js", "nodejs")];

/// Endings, longest first among those that end alike, and the letters that must remain.
const ENDINGS: [(&str, usize); 15] = [
    ("ization", 4),
    ("isation", 4),
    ("ational", 4),
    ("ation", 4),
    ("ing", 4),
    ("ment", 4),
    ("edly", 4),
    ("ed", 4),
    ("er", 4),
    ("or", 4),
    ("ly", 4),
    ("ity", 4),
    ("ive", 4),
    ("ion", 4),
    ("al", 4),
];

static IGNORED: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let mut words: Vec<&str> = FUNCTION_WORDS.split_ascii_whitespace().collect();
    words.sort_unstable();
    words
});

/// Stems of a message's words, and the stems of the words that name the same subject.
static RELATED: LazyLock<HashMap<String, Vec<String>>> = LazyLock::new(|| {
    let mut related: HashMap<String, Vec<String>> = HashMap::new();
    let lines = include_str!("../../data/related-words.txt").lines();
    for (from, to) in
        lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('>'))
    {
        for word in from.split_ascii_whitespace().map(stem) {
            let known = related.entry(word.clone()).or_default();
            for other in to.split_ascii_whitespace().map(stem) {
                if other != word && !known.contains(&other) {
                    known.push(other);
                }
            }
        }
    }
    related
});

/// Whether a word is a function word.
pub fn is_ignored(word: &str) -> bool {
    IGNORED.binary_search(&word).is_ok()
}

/// Stems that name the same subject as this one.
pub fn related(stem: &str) -> &'static [String] {
    RELATED.get(stem).map_or(&[], Vec::as_slice)
}

/// Replaces names of languages that consist of marks, which the tokeniser would cut off.
pub fn spell_marks(text: &str) -> String {
    let lower = text.to_lowercase();
    if !lower.contains(['+', '#', '.']) {
        return lower;
    }
    MARKED.iter().fold(lower, |text, (marked, word)| {
        if text.contains(marked) { spelled(&text, marked, word) } else { text }
    })
}

/// Replaces a name where it begins a word: `pdf#3` and `behance.net` are none.
fn spelled(text: &str, marked: &str, word: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(marked) {
        out.push_str(before);
        if out.ends_with(char::is_alphanumeric) {
            out.push_str(marked);
        } else {
            out.push_str(&format!(" {word} "));
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A word in lower case without its ending. It need not be a word: "queries" and "query" only have
/// to give the same letters.
pub fn stem(word: &str) -> String {
    let mut word = word.to_owned();
    if !word.is_ascii() {
        return word;
    }
    if word.len() > 4 && word.ends_with("ies") {
        word.truncate(word.len() - 3);
        word.push('y');
    } else if word.len() > 4
        && ["sses", "shes", "ches", "xes"].iter().any(|ending| word.ends_with(ending))
    {
        word.truncate(word.len() - 2);
    } else if word.len() > 3
        && word.ends_with('s')
        && !["ss", "us", "is"].iter().any(|ending| word.ends_with(ending))
    {
        word.pop();
    }
    let ending = ENDINGS
        .iter()
        .find(|(ending, rest)| word.len() >= ending.len() + rest && word.ends_with(ending));
    match ending {
        Some((ending, _)) => word.truncate(word.len() - ending.len()),
        None if word.len() >= 4 && word.ends_with('e') => {
            word.pop();
        }
        None => {}
    }
    undouble(&mut word);
    word
}

/// "planning" loses its ending and becomes "plann": the second n goes too.
fn undouble(word: &mut String) {
    let mut letters = word.bytes().rev();
    let (last, before) = (letters.next(), letters.next());
    if word.len() > 4 && last == before && last.is_some_and(|last| !b"aeiouls".contains(&last)) {
        word.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_marks_are_spelled_where_they_begin_a_word() {
        assert_eq!(
            spell_marks("C# and F#, .NET").split_whitespace().collect::<Vec<_>>(),
            ["csharp", "and", "fsharp", ",", "dotnet"]
        );
        for other in ["see pdf#3", "open behance.net now", "tac# x"] {
            assert_eq!(spell_marks(other), other);
        }
    }

    #[test]
    fn stem_is_the_same_for_the_forms_of_a_word() {
        for forms in [
            ["planning", "planned", "plans"],
            ["queries", "query", "querying"],
            ["deployment", "deploying", "deploys"],
            ["matching", "matches", "match"],
        ] {
            let stems = forms.map(stem);
            assert!(stems.iter().all(|stem| *stem == stems[0]), "{stems:?}");
        }
        assert_eq!(stem("größe"), "größe");
    }

    #[test]
    fn related_words_connect_a_message_to_its_subject() {
        assert!(related(&stem("pods")).contains(&stem("kubernetes")));
        assert!(related("zebra").is_empty());
    }

    #[test]
    fn marked_names_of_languages_become_words() {
        assert_eq!(spell_marks("A leak in C++"), "a leak in  cpp ");
    }
}
