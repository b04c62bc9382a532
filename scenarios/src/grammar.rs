//! Parses lines by forms, written as a newcomer reads them: `WHO writes "TEXT" as NAME`.
//!
//! A word in capitals matches one word, a quoted one a quoted text, `JSON` the rest of the line;
//! everything else matches itself. The forms are the whole grammar, and a test compares them with
//! `README.md`.

/// One form and its result.
pub struct Form<T: 'static> {
    pub text: &'static str,
    /// Converts the matched placeholders, in order.
    pub read: fn(&[String]) -> Result<T, String>,
}

/// Parses a line with the first matching form.
///
/// # Errors
/// The list of forms, or the problem of a value.
pub fn parse<T>(forms: &[Form<T>], line: &str) -> Result<T, String> {
    for form in forms {
        if let Some(values) = fits(form.text, line) {
            return (form.read)(&values);
        }
    }
    let known: Vec<_> = forms.iter().map(|form| form.text).collect();
    Err(format!("no form matches this line; the forms here are:\n{}", known.join("\n")))
}

fn fits(form: &str, line: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let mut rest = line.trim();
    for word in form.split_whitespace() {
        if word == "JSON" {
            values.push(rest.to_owned());
            return (!rest.is_empty()).then_some(values);
        }
        let (value, after) = if word.starts_with('"') { quoted(rest)? } else { bare(rest)? };
        if is_placeholder(word) {
            values.push(value);
        } else if value != word {
            return None;
        }
        rest = after.trim_start();
    }
    rest.is_empty().then_some(values)
}

fn is_placeholder(word: &str) -> bool {
    let name = word.trim_matches('"');
    name.len() > 1 && name.bytes().all(|b| b.is_ascii_uppercase())
}

fn bare(rest: &str) -> Option<(String, &str)> {
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    (!word.is_empty() && !word.starts_with('"')).then(|| (word.to_owned(), after))
}

/// A quoted text with the usual escapes `\"`, `\\` and `\n`.
fn quoted(rest: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = rest.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, &rest[at + 2..])),
            '\\' => text.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar_placeholders_match_words_texts_and_the_rest() {
        assert_eq!(
            fits("WHO writes \"TEXT\" as NAME", "owner writes \"say \\\"hi\\\"\" as first")
                .unwrap(),
            ["owner", "say \"hi\"", "first"]
        );
        assert_eq!(
            fits("POINTER is JSON", "/a/0 is {\"b\": [1, 2]}").unwrap(),
            ["/a/0", "{\"b\": [1, 2]}"]
        );
        assert_eq!(fits("restart", "restart").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn grammar_form_must_match_the_whole_line() {
        for line in
            ["restart now", "", "owner writes hello as first", "owner writes \"hello as first"]
        {
            assert!(
                fits("restart", line).is_none()
                    && fits("WHO writes \"TEXT\" as NAME", line).is_none(),
                "{line}"
            );
        }
    }
}
