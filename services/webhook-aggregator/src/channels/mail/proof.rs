//! Whether a message is from the address that it names. Anybody may write any address into it; the
//! receiving server checks that by DMARC, SPF and DKIM, and says the result in a header (RFC 8601).

/// One result: a method, its outcome and the properties that it is about.
struct Checked {
    method: String,
    outcome: String,
    properties: Vec<(String, String)>,
}

impl Checked {
    fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Whether this header is of the server that is trusted and proves the domain of the address.
pub(super) fn proves(header: &str, trusts: &str, domain: &str) -> bool {
    let Some(plain) = plain(header) else { return false };
    let mut parts = plain.split(';');
    let server = parts.next().and_then(|part| part.split_whitespace().next());
    if server != Some(trusts) {
        return false;
    }
    let checked: Vec<Checked> = parts.filter_map(read).collect();
    let mut dmarc = checked.iter().filter(|checked| checked.method == "dmarc").peekable();
    if dmarc.peek().is_some() {
        let passes = |checked: &Checked| {
            checked.outcome == "pass" && checked.property("header.from") == Some(domain)
        };
        let mut others = checked.iter().filter(|checked| checked.method == "dmarc");
        // Where the domain says nothing about DMARC, the other two count.
        if others.all(|checked| checked.outcome != "none") {
            return dmarc.all(passes);
        }
    }
    checked.iter().any(|checked| checked.outcome == "pass" && is_aligned(checked, domain))
}

/// Whether the domain that was checked is that of the address, or above it: who owns a domain owns
/// those below it, and not the other way round.
fn is_aligned(checked: &Checked, domain: &str) -> bool {
    let of = |name| checked.property(name).map(|value| value.rsplit('@').next().unwrap_or(value));
    let proven = match checked.method.as_str() {
        "spf" => of("smtp.mailfrom"),
        "dkim" => of("header.d").or_else(|| of("header.i")),
        _ => None,
    };
    proven.is_some_and(|proven| {
        let below = domain.strip_suffix(proven).is_some_and(|above| above.ends_with('.'));
        proven.contains('.') && (domain == proven || below)
    })
}

fn read(part: &str) -> Option<Checked> {
    let mut words = part.split_whitespace().map(|word| word.split_once('='));
    let (method, outcome) = words.next()??;
    let method = method.split('/').next()?.to_owned();
    let properties = words.flatten().map(|(key, value)| (key.to_owned(), value.to_owned()));
    Some(Checked { method, outcome: outcome.to_owned(), properties: properties.collect() })
}

/// The header in lower case without comments, and with a sign that no value has in place of each
/// quoted text: a sender may choose the words in both. `None` where one does not end.
fn plain(header: &str) -> Option<String> {
    let mut out = String::with_capacity(header.len());
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    for ch in header.chars() {
        if std::mem::take(&mut is_escaped) {
            continue;
        }
        match ch {
            '\\' if depth > 0 || is_quoted => is_escaped = true,
            '"' if depth == 0 => {
                is_quoted = !is_quoted;
                out.push('"');
            }
            _ if is_quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ if depth > 0 => {}
            ch => out.extend(ch.to_lowercase()),
        }
    }
    (depth == 0 && !is_quoted).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_is_proven_by_the_trusted_server_alone() {
        for (header, wanted) in [
            ("mx.example.org; dmarc=pass (p=NONE sp=NONE) header.from=Example.com", true),
            ("MX.example.org 1; spf=pass smtp.mailfrom=ines@example.com", true),
            (
                "mx.example.org; dkim=pass reason=\"1024-bit key; insecure\" header.d=example.com",
                true,
            ),
            ("mx.example.org; dkim=pass header.i=@example.com header.s=s1; dmarc=none", true),
            (
                "mx.example.org; dmarc=fail header.from=example.com; spf=pass smtp.mailfrom=example.com",
                false,
            ),
            ("mx.example.org; dmarc=pass header.from=evil.example", false),
            ("mx.example.org; dmarc=pass", false),
            ("mx.example.org; spf=pass smtp.mailfrom=bo@evil.example", false),
            ("mx.example.org; dkim=pass header.d=users.example.com", false),
            ("mx.example.org; dkim=pass header.d=com", false),
            ("mx.example.org; dkim=pass header.d=xample.com", false),
            ("mx.example.org; spf=softfail smtp.mailfrom=ines@example.com", false),
            ("mx.example.org; none", false),
            ("mx.evil.example; dmarc=pass header.from=example.com", false),
            ("mx.example.org.evil.example; dmarc=pass header.from=example.com", false),
            (
                "mx.example.org; spf=fail (x; dmarc=pass header.from=example.com) smtp.mailfrom=b",
                false,
            ),
            (
                "mx.example.org; spf=pass smtp.mailfrom=\"a; dmarc=pass header.from=example.com \"@evil.example",
                false,
            ),
            ("mx.example.org; spf=pass (x", false),
            (
                "mx.example.org; dmarc=pass header.from=example.com; dmarc=fail header.from=example.com",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(proves(header, "mx.example.org", "example.com"), wanted, "{header}");
        }
        let above = "mx.example.org; dkim=pass header.d=example.com";
        assert!(proves(above, "mx.example.org", "mail.example.com"));
    }
}
