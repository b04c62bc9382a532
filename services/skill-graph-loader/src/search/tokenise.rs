//! Splits text in any script into search terms: lower case, without accents; words where a script
//! has spaces, pairs of characters where it has none.

/// Maximum characters of a term; longer words are cut.
const TERM_CHARS_MAX: usize = 40;

/// A term and its position, in characters of the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub term: String,
    pub start: usize,
    pub end: usize,
}

/// Calls `each(term, start, end)` for every term of a text; positions count Unicode scalar values.
///
/// A word like `TypeError` also gives its parts `type` and `error`. A run of Chinese, Japanese,
/// Thai and similar scripts gives overlapping pairs, plus its last character alone, so that a
/// prefix search finds every single character.
pub fn each_term(text: &str, each: &mut impl FnMut(&str, usize, usize)) {
    let mut word = Word::default();
    let mut previous = ' ';
    let mut position = 0;
    for c in text.chars() {
        let class = classify(c);
        if class != word.class || class == Class::Between {
            word.flush(position, each);
            word.class = class;
            word.start = position;
        } else if class == Class::Letter && c.is_uppercase() && previous.is_lowercase() {
            word.part(position, each);
        }
        if class != Class::Between {
            word.push(c, class, position);
        }
        previous = c;
        position += 1;
    }
    word.flush(position, each);
}

/// At most `count_max` terms of a query, without repetition, and only the whole word of
/// `TypeError`.
pub fn query_terms(text: &str, count_max: usize) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    each_term(text, &mut |term, start, end| {
        let is_part = tokens.last().is_some_and(|last| last.start == start && last.end == end);
        if !is_part && !tokens.iter().any(|token| token.term == term) {
            tokens.push(Token { term: term.to_owned(), start, end });
        }
    });
    // Parts come before their word and lie inside it; the last character of a run of pairs lies
    // inside the last pair.
    let inside = |small: &Token, big: &Token| {
        small != big && big.start <= small.start && small.end <= big.end
    };
    let whole: Vec<Token> = tokens
        .iter()
        .filter(|token| !tokens.iter().any(|other| inside(token, other)))
        .cloned()
        .collect();
    whole.into_iter().take(count_max).collect()
}

/// A whole text in the form of terms, separated by one space: for comparing titles with queries.
pub fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if classify(c) == Class::Between {
            if !out.ends_with(' ') && !out.is_empty() {
                out.push(' ');
            }
        } else {
            fold(c, &mut out);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Class {
    #[default]
    Between,
    Letter,
    /// A script without spaces between words.
    Dense,
    /// A pictogram is its own word.
    Sign,
}

#[derive(Default)]
struct Word {
    class: Class,
    start: usize,
    text: String,
    chars: usize,
    /// Start of the current part of a `camelCase` word: byte in `text`, position; set once a part
    /// was emitted.
    part_byte: usize,
    part_start: usize,
    parts: usize,
    /// The characters of a dense run with their positions.
    dense: Vec<(String, usize)>,
}

impl Word {
    fn push(&mut self, c: char, class: Class, position: usize) {
        match class {
            Class::Letter => {
                if self.text.is_empty() {
                    self.part_start = position;
                }
                if self.chars < TERM_CHARS_MAX {
                    fold(c, &mut self.text);
                    self.chars += 1;
                }
            }
            Class::Dense | Class::Sign => {
                let mut folded = String::new();
                fold(c, &mut folded);
                // A vowel sign or tone mark belongs to the previous character.
                match self.dense.last_mut() {
                    Some((last, _)) if is_mark(c) => last.push_str(&folded),
                    _ => self.dense.push((folded, position)),
                }
            }
            Class::Between => {}
        }
    }

    /// Ends a part of a word before the character at `position`.
    fn part(&mut self, position: usize, each: &mut impl FnMut(&str, usize, usize)) {
        if let Some(part) = self.text.get(self.part_byte..).filter(|part| part.len() > 1) {
            each(part, self.part_start, position);
            self.parts += 1;
        }
        self.part_byte = self.text.len();
        self.part_start = position;
    }

    fn flush(&mut self, end: usize, each: &mut impl FnMut(&str, usize, usize)) {
        match self.class {
            Class::Between => return,
            Class::Letter => {
                if self.parts > 0 {
                    self.part(end, each);
                }
                if !self.text.is_empty() {
                    each(&self.text, self.start, end);
                }
            }
            Class::Dense => {
                for pair in self.dense.windows(2) {
                    if let [(first, start), (second, next)] = pair {
                        each(&format!("{first}{second}"), *start, next + 1);
                    }
                }
                if let Some((last, start)) = self.dense.last() {
                    each(last, *start, end);
                }
            }
            Class::Sign => {
                for (sign, start) in &self.dense {
                    each(sign, *start, start + 1);
                }
            }
        }
        *self = Self {
            text: std::mem::take(&mut self.text),
            dense: std::mem::take(&mut self.dense),
            ..Self::default()
        };
        self.text.clear();
        self.dense.clear();
    }
}

fn classify(c: char) -> Class {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() { Class::Letter } else { Class::Between };
    }
    match u32::from(c) {
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF => {
            if c.is_alphanumeric() || is_mark(c) { Class::Dense } else { Class::Between }
        }
        0x3005..=0x3007
        | 0x3041..=0x30FF
        | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF
        | 0xFF66..=0xFF9D
        | 0x20000..=0x3FFFF => {
            if c == '・' {
                Class::Between
            } else {
                Class::Dense
            }
        }
        0x2600..=0x27BF | 0x1F000..=0x1FAFF => Class::Sign,
        _ if c.is_alphanumeric() || is_mark(c) => Class::Letter,
        _ => Class::Between,
    }
}

/// Marks that belong to the previous letter.
fn is_mark(c: char) -> bool {
    matches!(u32::from(c),
        0x0300..=0x036F | 0x0483..=0x0487 | 0x0591..=0x05C7 | 0x0610..=0x061A | 0x0640 | 0x064B..=0x065F | 0x0670 | 0x06D6..=0x06ED
        | 0x0900..=0x0903 | 0x093A..=0x094F | 0x0951..=0x0957 | 0x0962..=0x0963 | 0x0981..=0x0983 | 0x09BC..=0x09CD | 0x0A01..=0x0A03 | 0x0A3C..=0x0A4D
        | 0x0ABC..=0x0ACD | 0x0B3C..=0x0B4D | 0x0BBE..=0x0BCD | 0x0C3E..=0x0C4D | 0x0CBC..=0x0CCD | 0x0D3B..=0x0D4D | 0x0DCA..=0x0DDF
        | 0x0E31 | 0x0E34..=0x0E3A | 0x0E47..=0x0E4E | 0x0EB1 | 0x0EB4..=0x0EBC | 0x0EC8..=0x0ECD | 0x102B..=0x103E | 0x17B4..=0x17D3
        | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x200C..=0x200D | 0x20D0..=0x20FF | 0x3099..=0x309A | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F)
}

/// Marks to drop: accents, vowel points, joiners. Those of Indic and Thai scripts carry meaning and
/// stay.
fn is_silent(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036F | 0x0591..=0x05C7 | 0x0610..=0x061A | 0x0640 | 0x064B..=0x065F | 0x0670 | 0x06D6..=0x06ED | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x200C..=0x200D | 0x20D0..=0x20FF | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F)
}

/// Appends the character in lower case and without accent.
fn fold(c: char, out: &mut String) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
        return;
    }
    let c = match u32::from(c) {
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    for lower in c.to_lowercase().filter(|c| !is_silent(*c)) {
        match base(lower) {
            Some(base) => out.push_str(base),
            None => out.push(lower),
        }
    }
}

/// The base letters of accented lower-case Latin, Greek and Cyrillic.
fn base(c: char) -> Option<&'static str> {
    const LATIN: &[(&str, &str)] = &[
        ("àáâãäåāăąǎǟǡǻȁȃȧạảấầẩẫậắằẳẵặ", "a"),
        ("æǽ", "ae"),
        ("çćĉċč", "c"),
        ("ďđð", "d"),
        ("èéêëēĕėęěȅȇȩẹẻẽếềểễệ", "e"),
        ("ĝğġģǧ", "g"),
        ("ĥħ", "h"),
        ("ìíîïĩīĭįıǐȉȋỉị", "i"),
        ("ĵ", "j"),
        ("ķǩ", "k"),
        ("ĺļľŀł", "l"),
        ("ñńņňŉ", "n"),
        ("òóôõöøōŏőǒǫȍȏȯơọỏốồổỗộớờởỡợ", "o"),
        ("œ", "oe"),
        ("ŕŗř", "r"),
        ("śŝşšș", "s"),
        ("ß", "ss"),
        ("ţťŧț", "t"),
        ("þ", "th"),
        ("ùúûüũūŭůűųǔȕȗưụủứừửữự", "u"),
        ("ŵẁẃẅ", "w"),
        ("ýÿŷỳỵỷỹ", "y"),
        ("źżž", "z"),
    ];
    const OTHERS: &[(char, &str)] = &[
        ('ά', "α"),
        ('έ', "ε"),
        ('ή', "η"),
        ('ί', "ι"),
        ('ϊ', "ι"),
        ('ΐ', "ι"),
        ('ό', "ο"),
        ('ύ', "υ"),
        ('ϋ', "υ"),
        ('ώ', "ω"),
        ('ς', "σ"),
        ('ё', "е"),
    ];
    let code = u32::from(c);
    if matches!(code, 0xDF..=0x24F | 0x1E00..=0x1EFF) {
        return LATIN.iter().find(|(accented, _)| accented.contains(c)).map(|(_, base)| *base);
    }
    if matches!(code, 0x370..=0x3FF | 0x451) {
        return OTHERS.iter().find(|(accented, _)| *accented == c).map(|(_, base)| *base);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        each_term(text, &mut |term, _, _| terms.push(term.to_owned()));
        terms
    }

    #[test]
    fn tokenise_lowers_words_and_drops_accents() {
        assert_eq!(
            terms("Crème brûlée, Straße! ŁÓDŹ İstanbul"),
            ["creme", "brulee", "strasse", "lodz", "istanbul"]
        );
        assert_eq!(terms("e\u{301}te\u{301}"), ["ete"]);
        assert_eq!(terms("ＡＢ Ёлка Ώρα مُحَمَّد"), ["ab", "елка", "ωρα", "محمد"]);
    }

    #[test]
    fn tokenise_splits_identifiers_into_parts() {
        assert_eq!(
            terms("TypeError user_id v2"),
            ["type", "error", "typeerror", "user", "id", "v2"]
        );
        let query: Vec<String> =
            query_terms("TypeError fix fix", 8).into_iter().map(|token| token.term).collect();
        assert_eq!(query, ["typeerror", "fix"]);
    }

    #[test]
    fn tokenise_gives_pairs_for_scripts_without_spaces() {
        assert_eq!(terms("東京都 abc"), ["東京", "京都", "都", "abc"]);
        assert_eq!(query_terms("東京都", 8).len(), 2);
        assert_eq!(query_terms("京", 8)[0].term, "京");
        assert!(!terms("สวัสดี").is_empty());
        assert_eq!(terms("हिन्दी में"), ["हिन्दी", "में"]);
    }

    #[test]
    fn tokenise_positions_count_characters() {
        let mut spans = Vec::new();
        each_term("é 東京 ab🚀", &mut |term, start, end| {
            spans.push((term.to_owned(), start, end));
        });
        let expected = [("e", 0, 1), ("東京", 2, 4), ("京", 3, 4), ("ab", 5, 7), ("🚀", 7, 8)];
        assert_eq!(spans, expected.map(|(term, start, end)| (term.to_owned(), start, end)));
    }

    #[test]
    fn tokenise_folds_titles_for_comparison() {
        assert_eq!(folded("  Agent: Éclair-Run! "), "agent eclair run");
    }
}
