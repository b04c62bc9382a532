//! Lines read by forms. A form is written the way a newcomer reads it: `WHO writes "TEXT" as NAME`.
//!
//! Words in capitals stand for one word, a quoted one for a quoted text, `JSON` for the rest of the line; everything
//! else stands for itself. The forms are the whole grammar, so a list of them is the whole manual: a test compares it
//! with `README.md`.

/// One form and what it becomes.
pub struct Form<T: 'static> {
    pub text: &'static str,
    /// Takes what the placeholders stood for, in order.
    pub read: fn(&[String]) -> Result<T, String>,
}

/// Reads a line by the first form that fits.
///
/// # Errors
/// A sentence with the forms there are, or what is wrong with a value.
pub fn parse<T>(forms: &[Form<T>], line: &str) -> Result<T, String> {
    for form in forms {
        if let Some(values) = fits(form.text, line) {
            return (form.read)(&values);
        }
    }
    let known: Vec<_> = forms.iter().map(|form| form.text).collect();
    Err(format!("no form fits this line; the forms here are:\n{}", known.join("\n")))
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

/// A text in quotes; `\"`, `\\` and `\n` mean what they mean everywhere.
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
    fn placeholders_take_words_texts_and_the_rest() {
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
    fn what_does_not_fit_whole_does_not_fit() {
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
