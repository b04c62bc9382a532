//! The writer's own words of a text, apart from a signature, from earlier messages that were quoted
//! and from words that were passed on.

/// Lines in which an earlier message is introduced, at most.
const INTRODUCTION_LINES: usize = 3;
/// Lines that begin the headers of an earlier message, as Outlook writes them.
const FIRST_HEADERS: [&str; 5] = ["From:", "Von:", "De :", "De:", "Da:"];
const LATER_HEADERS: [&str; 10] = [
    "Sent:",
    "Date:",
    "To:",
    "Subject:",
    "Gesendet:",
    "An:",
    "Datum:",
    "Betreff:",
    "Envoyé",
    "Objet",
];
/// Ends of a line that introduces quoted words.
const WROTE: [&str; 8] = [
    "wrote:",
    "schrieb:",
    "écrit :",
    "écrit\u{a0}:",
    "escribió:",
    "scritto:",
    "escreveu:",
    "schreef:",
];
/// Beginnings of a line that introduces quoted words.
const BEGINS: [&str; 7] = ["On ", "Am ", "Le ", "El ", "Il ", "Em ", "Op "];
/// Lines above a message that is passed on.
const FORWARDS: [&str; 3] =
    ["Forwarded message", "Begin forwarded message", "Weitergeleitete Nachricht"];
/// Lines above a message that is replied to, or passed on.
const ORIGINALS: [&str; 3] = ["Original Message", "Ursprüngliche Nachricht", "Message d'origine"];
/// Lines that a telephone adds.
const PHONES: [&str; 3] = ["Sent from my ", "Von meinem ", "Get Outlook for "];

/// The words of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) own: String,
    pub(super) quoted: Option<String>,
    pub(super) forwarded: Option<String>,
    /// As the passed-on message names its writer.
    pub(super) forwarded_by: Option<String>,
}

/// Whether a subject says that a message is passed on.
pub(super) fn is_forward(subject: &str) -> bool {
    let subject = subject.to_lowercase();
    ["fwd:", "fw:", "wg:", "tr:", "rv:"].iter().any(|mark| subject.starts_with(mark))
}

/// The kind of the lines that follow.
enum Turn {
    /// The writer's words.
    Own,
    /// Nothing that was written for this message.
    Signature,
    /// An earlier message, to the end.
    Quoted,
    /// A message that is passed on, to the end.
    Forwarded,
}

/// Takes a text apart.
pub(super) fn split(text: &str, is_forward: bool) -> Words {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let (mut own, mut quoted, mut forwarded) = (Vec::new(), Vec::new(), Vec::new());
    let mut turn = Turn::Own;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let here = lines.get(at..).unwrap_or_default();
        at += 1;
        match turn {
            Turn::Quoted => quoted.push(bare(line)),
            Turn::Forwarded => forwarded.push(bare(line)),
            Turn::Own | Turn::Signature => {
                if let Some((next, taken)) = turn_at(here, is_forward) {
                    turn = next;
                    at = at - 1 + taken;
                } else if line.starts_with('>') {
                    quoted.push(bare(line));
                } else if introduces(here) {
                    // The quoted lines below say it themselves.
                } else if matches!(turn, Turn::Own) {
                    own.push(*line);
                }
            }
        }
    }
    let joined = |lines: &[&str]| {
        let text = lines.join("\n").trim_matches('\n').to_owned();
        Some(text).filter(|text| !text.trim().is_empty())
    };
    Words {
        own: joined(&own).unwrap_or_default().trim().to_owned(),
        quoted: joined(&quoted),
        forwarded_by: writer(&forwarded),
        forwarded: joined(&forwarded),
    }
}

/// The turn that these lines begin, and how many of them say so.
fn turn_at(lines: &[&str], is_forward: bool) -> Option<(Turn, usize)> {
    let first = lines.first()?.trim();
    let ruled = first.trim_matches(['-', '_', '=', ' ', ':']);
    let has_rule = ruled.len() < first.len();
    if has_rule && FORWARDS.iter().any(|mark| ruled.eq_ignore_ascii_case(mark)) {
        return Some((Turn::Forwarded, 1));
    }
    let earlier = || if is_forward { Turn::Forwarded } else { Turn::Quoted };
    if has_rule && ORIGINALS.iter().any(|mark| ruled.eq_ignore_ascii_case(mark)) {
        return Some((earlier(), 1));
    }
    // The headers are the earlier message's own.
    if FIRST_HEADERS.iter().any(|header| first.starts_with(header)) && has_headers(lines) {
        return Some((earlier(), 0));
    }
    if let Some(taken) = attribution(lines) {
        return Some((Turn::Quoted, taken));
    }
    let is_signature =
        lines.first() == Some(&"--") || PHONES.iter().any(|mark| first.starts_with(mark));
    is_signature.then_some((Turn::Signature, 1))
}

fn has_headers(lines: &[&str]) -> bool {
    let below = lines.iter().skip(1).take(3);
    below.filter(|line| LATER_HEADERS.iter().any(|header| line.trim().starts_with(header))).count()
        > 1
}

/// Lines such as `On Monday, Ines <ines@example.org>` and `wrote:`, with unmarked words below.
fn attribution(lines: &[&str]) -> Option<usize> {
    let first = lines.first()?.trim_start();
    let begins = BEGINS.iter().any(|word| first.starts_with(word));
    let end = lines
        .iter()
        .take(INTRODUCTION_LINES)
        .position(|line| WROTE.iter().any(|end| line.trim_end().ends_with(end)))?;
    let is_marked = below(lines, end).is_some_and(|line| line.starts_with('>'));
    // Words may stand between marked lines.
    (begins && !is_marked).then_some(end + 1)
}

/// Whether these lines introduce marked ones.
fn introduces(lines: &[&str]) -> bool {
    let is_words = |line: &&&str| !line.trim().is_empty() && !line.starts_with('>');
    let count = lines.iter().take(INTRODUCTION_LINES).take_while(is_words).count();
    let ends = count
        .checked_sub(1)
        .and_then(|last| lines.get(last))
        .is_some_and(|line| line.ends_with(':'));
    let begins =
        lines.first().is_some_and(|first| BEGINS.iter().any(|word| first.starts_with(word)));
    let has_digit =
        || lines.first().is_some_and(|first| first.contains(|ch: char| ch.is_ascii_digit()));
    let has_address =
        lines.iter().take(count).any(|line| line.contains('@') || line.contains("wrote"));
    ends && (has_address || begins && has_digit())
        && below(lines, count - 1).is_some_and(|line| line.starts_with('>'))
}

/// The first line behind this one that is not empty.
fn below<'a>(lines: &[&'a str], at: usize) -> Option<&'a str> {
    lines.iter().skip(at + 1).find(|line| !line.trim().is_empty()).copied()
}

/// A line without the marks of quotation before it.
fn bare(line: &str) -> &str {
    let mut rest = line;
    while let Some(after) = rest.strip_prefix('>') {
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    rest
}

/// The name in the headers of a message that is passed on.
fn writer(lines: &[&str]) -> Option<String> {
    let from = lines.iter().take(8).find_map(|line| {
        FIRST_HEADERS.iter().find_map(|header| line.trim_start_matches('*').strip_prefix(header))
    })?;
    let name = from.split('<').next().unwrap_or_default().trim_matches(['"', '*', ' ']);
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod own_words {
    use super::*;

    fn own(text: &str) -> (String, Option<String>) {
        let words = split(text, false);
        (words.own, words.quoted)
    }

    #[test]
    fn quoted_words_and_signatures_are_apart_from_the_writers_own() {
        let quoted = |text: &str| Some(text.to_owned());
        for (text, wanted) in [
            ("Yes, please.\n\n-- \nInes\nExample GmbH", ("Yes, please.", None)),
            (
                "Yes.\n\nOn Mon, 30 Nov 2026 at 10:00, Desk <desk@example.org> wrote:\n\n> Shall I?\n> > Build it\n",
                ("Yes.", quoted("Shall I?\nBuild it")),
            ),
            (
                "Do the first.\n\nOn Mon, 30 Nov 2026 at 10:00, Desk\n<desk@example.org> wrote:\n\nA or B?",
                ("Do the first.", quoted("A or B?")),
            ),
            (
                "Ja.\n\nAm 30.11.26 um 10:00 schrieb Desk:\n> Soll ich?\nBitte bald.",
                ("Ja.\n\nBitte bald.", quoted("Soll ich?")),
            ),
            (
                "OK\n\nFrom: Desk <desk@example.org>\nSent: Monday\nTo: Ines\nSubject: x\n\nShall I?",
                (
                    "OK",
                    quoted(
                        "From: Desk <desk@example.org>\nSent: Monday\nTo: Ines\nSubject: x\n\nShall I?",
                    ),
                ),
            ),
            (
                "Go\n\nSent from my iPhone\n\n-----Original Message-----\nShall I?",
                ("Go", quoted("Shall I?")),
            ),
            ("From: here to there\nTo: be done", ("From: here to there\nTo: be done", None)),
            ("I wrote:\nsomething", ("I wrote:\nsomething", None)),
        ] {
            assert_eq!(own(text), (wanted.0.to_owned(), wanted.1), "{text}");
        }
    }

    #[test]
    fn passed_on_words_name_their_writer() {
        let text = "See below.\n\n---------- Forwarded message ---------\nFrom: Bo <bo@example.com>\nDate: Monday\n\nrm -rf /";
        let words = split(text, true);
        assert_eq!(words.own, "See below.");
        assert_eq!(words.forwarded_by.as_deref(), Some("Bo"));
        assert_eq!(
            words.forwarded.as_deref(),
            Some("From: Bo <bo@example.com>\nDate: Monday\n\nrm -rf /")
        );
        let text = "-----Original Message-----\nhello";
        assert_eq!(split(text, true).forwarded.as_deref(), Some("hello"));
        assert_eq!(split(text, false).quoted.as_deref(), Some("hello"));
        assert!(is_forward("WG: Rechnung") && !is_forward("Re: Fwd: x"));
    }
}
