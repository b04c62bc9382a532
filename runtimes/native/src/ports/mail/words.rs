//! The writer's own words of a text, apart from a signature, from earlier messages that were quoted
//! and from words that were passed on.

use platform::ports::mail::FORWARD_MARKS;

/// Lines in which an earlier message is introduced, at most.
const INTRODUCTION_LINES: usize = 3;
/// Lines that begin the headers of an earlier message, as programs of mail write them.
const FIRST_HEADERS: [&str; 14] = [
    "From:",
    "Von:",
    "De :",
    "De:",
    "Da:",
    "Van:",
    "Från:",
    "Fra:",
    "Od:",
    "Lähettäjä:",
    "От:",
    "发件人:",
    "发件人：",
    "差出人:",
];
/// Characters of a rule beside words.
const RULE_CHARS_MIN: usize = 2;
/// Maximum characters of the name of a header.
const HEADER_CHARS_MAX: usize = 20;
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
const FORWARDS: [&str; 13] = [
    "Forwarded message",
    "Begin forwarded message",
    "Weitergeleitete Nachricht",
    "Mensaje reenviado",
    "Message transféré",
    "Messaggio inoltrato",
    "Mensagem encaminhada",
    "Doorgestuurd bericht",
    "Vidarebefordrat meddelande",
    "Videresendt meddelelse",
    "Videresendt melding",
    "Пересылаемое сообщение",
    "转发的消息",
];
/// Lines above a message that is replied to, or passed on.
const ORIGINALS: [&str; 7] = [
    "Original Message",
    "Ursprüngliche Nachricht",
    "Message d'origine",
    "Mensaje original",
    "Messaggio originale",
    "Mensagem original",
    "Oorspronkelijk bericht",
];
/// Above a signature (RFC 3676), with the space at its end.
const SIGNATURE: &str = "-- ";
/// Lines that a telephone adds: beginning and end.
const PHONES: [(&str, &str); 4] = [
    ("Sent from my ", ""),
    ("Von meinem ", " gesendet"),
    ("Get Outlook for ", ""),
    ("Envoyé de mon ", ""),
];
/// Maximum characters of such a line.
const PHONE_CHARS_MAX: usize = 50;

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
    FORWARD_MARKS.iter().any(|mark| subject.starts_with(mark))
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

/// Takes a text apart. A subject that says that a message is passed on makes all of it that, where
/// no line says where the passed-on words begin: they must not pass for the writer's own.
pub(super) fn split(text: &str, is_forward: bool) -> Words {
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
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
                } else if let Some(introduction) = introduction(here) {
                    // It is about the quoted words below, and no word of the answer.
                    quoted.extend(here.iter().take(introduction));
                    at = at - 1 + introduction;
                    if !is_marked(here, introduction) {
                        turn = Turn::Quoted;
                    }
                } else if matches!(turn, Turn::Own) && !is_of_a_phone(here) {
                    own.push(line.trim_end());
                }
            }
        }
    }
    if is_forward && forwarded.is_empty() {
        (own, quoted, forwarded) = (Vec::new(), Vec::new(), lines);
    }
    let joined = |lines: &[&str]| {
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
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
    let whole = *lines.first()?;
    let first = whole.trim();
    let ruled = first.trim_matches(['-', '_', '=', ' ', ':']);
    let has_rule = ruled.len() < first.len();
    let is = |mark: &&str| ruled.to_lowercase() == mark.to_lowercase();
    // In a forward the program that passed it on wrote the first such line, in whatever language:
    // one further down may be the stranger's.
    if has_rule && FORWARDS.iter().any(is) || is_forward && is_between_rules(first) {
        return Some((Turn::Forwarded, 1));
    }
    let earlier = || if is_forward { Turn::Forwarded } else { Turn::Quoted };
    if has_rule && ORIGINALS.iter().any(is) {
        return Some((earlier(), 1));
    }
    // The headers are the earlier message's own.
    let is_first = is_forward || FIRST_HEADERS.iter().any(|header| first.starts_with(header));
    if is_first && has_headers(lines) {
        return Some((earlier(), 0));
    }
    (whole == SIGNATURE).then_some((Turn::Signature, 1))
}

/// Whether words stand between two rules, as in `-------- Forwarded Message --------`.
fn is_between_rules(line: &str) -> bool {
    let is_rule = |ch: char| matches!(ch, '-' | '_' | '=');
    let inner = line.trim_matches(is_rule);
    let rule = RULE_CHARS_MIN;
    line.chars().take(rule).all(is_rule)
        && line.chars().rev().take(rule).all(is_rule)
        && inner.chars().any(char::is_alphabetic)
}

/// Whether headers stand here, whatever language they are in: at least three lines with a name, a
/// colon and something behind it, one with an address or a time.
fn has_headers(lines: &[&str]) -> bool {
    let is_header = |line: &&&str| {
        line.split_once([':', '：']).is_some_and(|(name, value)| {
            let is_name = |ch: char| ch.is_alphabetic() || " \u{a0}*-".contains(ch);
            (1..=HEADER_CHARS_MAX).contains(&name.chars().count())
                && name.chars().all(is_name)
                && !value.trim().is_empty()
        })
    };
    let headers: Vec<_> = lines.iter().take_while(is_header).collect();
    let tells = |line: &&&&str| line.contains('@') || line.chars().any(|ch| ch.is_ascii_digit());
    let has_few = headers.len() == 2 && headers.iter().all(|line| tells(&line));
    headers.len() >= 3 && headers.iter().any(|line| tells(&line) || line.contains("Subject"))
        || has_few
}

/// Whether a telephone wrote this line, at the end of the writer's words.
fn is_of_a_phone(lines: &[&str]) -> bool {
    let Some(first) = lines.first().map(|line| line.trim()) else { return false };
    let is_plain =
        first.chars().count() <= PHONE_CHARS_MAX && !first.contains([':', ',', ';', '!', '?']);
    let is_phone =
        PHONES.iter().any(|(start, end)| first.starts_with(start) && first.ends_with(end));
    if !is_plain || !is_phone {
        return false;
    }
    let rest = lines.get(1..).unwrap_or_default();
    let next = rest.iter().position(|line| !line.trim().is_empty());
    next.is_none_or(|next| {
        let rest = rest.get(next..).unwrap_or_default();
        rest.first().is_some_and(|line| line.starts_with('>'))
            || turn_at(rest, false).is_some()
            || introduction(rest).is_some()
    })
}

/// Lines such as `On Monday, Ines <ines@example.org>` and `wrote:` above an earlier message; how
/// many. They name a day or an address, and no empty line is among them. The nearest beginning
/// counts, so that no line of the writer's own is taken for one.
fn introduction(lines: &[&str]) -> Option<usize> {
    let is_words = |line: &&&str| !line.trim().is_empty() && !line.starts_with('>');
    let block: Vec<&str> = lines
        .iter()
        .take(INTRODUCTION_LINES)
        .take_while(is_words)
        .map(|line| line.trim())
        .collect();
    let count = block.iter().position(|line| line.ends_with(':'))? + 1;
    let block = block.get(..count)?;
    let begins = |line: &&&str| BEGINS.iter().any(|word| line.starts_with(word));
    let tells = |line: &&str| line.contains('@') || line.chars().any(|ch| ch.is_ascii_digit());
    let wrote = block.last().is_some_and(|last| WROTE.iter().any(|end| last.ends_with(end)));
    let is_one = if count == 1 {
        block.iter().any(|line| (begins(&line) || wrote || line.contains('@')) && tells(line))
    } else {
        begins(&block.first()?)
            && !block.iter().skip(1).any(|line| begins(&line))
            && block.iter().any(tells)
    };
    // Without marks below only a verb tells that an earlier message follows.
    (is_one && (wrote || is_marked(lines, count))).then_some(count)
}

/// Whether the words below these lines are marked as quoted.
fn is_marked(lines: &[&str], count: usize) -> bool {
    below(lines, count - 1).is_some_and(|line| line.starts_with('>'))
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
                (
                    "Yes.",
                    quoted(
                        "On Mon, 30 Nov 2026 at 10:00, Desk <desk@example.org> wrote:\nShall I?\nBuild it",
                    ),
                ),
            ),
            (
                "Do the first.\n\nOn Mon, 30 Nov 2026 at 10:00, Desk\n<desk@example.org> wrote:\n\nA or B?",
                (
                    "Do the first.",
                    quoted(
                        "On Mon, 30 Nov 2026 at 10:00, Desk\n<desk@example.org> wrote:\n\nA or B?",
                    ),
                ),
            ),
            (
                "Ja.\n\nAm 30.11.26 um 10:00 schrieb Desk:\n> Soll ich?\nBitte bald.",
                ("Ja.\n\nBitte bald.", quoted("Am 30.11.26 um 10:00 schrieb Desk:\nSoll ich?")),
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
    fn own_words_beside_introductions_and_rules_are_never_cut_off() {
        let quoted = |text: &str| Some(text.to_owned());
        for (text, wanted) in [
            // The writer's own lines above the introduction stay the writer's own.
            (
                "yes\nOn second thought, not yet.\n\nOn Mon, 30 Nov 2026, Desk <desk@example.org> wrote:\n\nShall I?",
                (
                    "yes\nOn second thought, not yet.",
                    quoted("On Mon, 30 Nov 2026, Desk <desk@example.org> wrote:\n\nShall I?"),
                ),
            ),
            (
                "Yes,\nbut not on the\nproduction host.\nOn Mon, 30 Nov 2026, Desk <desk@example.org> wrote:\n> Shall I?",
                (
                    "Yes,\nbut not on the\nproduction host.",
                    quoted("On Mon, 30 Nov 2026, Desk <desk@example.org> wrote:\nShall I?"),
                ),
            ),
            (
                "Le serveur est en panne.\n\nLe lun. 30 nov. 2026, Desk a écrit :\n\nVoulez-vous ?",
                (
                    "Le serveur est en panne.",
                    quoted("Le lun. 30 nov. 2026, Desk a écrit :\n\nVoulez-vous ?"),
                ),
            ),
            // A rule and a telephone end nothing where words follow.
            ("yes\n--\nbut only after the backup", ("yes\n--\nbut only after the backup", None)),
            (
                "yes\nVon meinem Chef: nur auf Staging!",
                ("yes\nVon meinem Chef: nur auf Staging!", None),
            ),
            (
                "Bitte prüfe:\nVon meinem Laptop aus geht der Login nicht.",
                ("Bitte prüfe:\nVon meinem Laptop aus geht der Login nicht.", None),
            ),
            ("Sent from my desk it was\nnot", ("Sent from my desk it was\nnot", None)),
            ("ja\n\nVon meinem iPhone gesendet", ("ja", None)),
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
        // In any language, and where no line is known: never the writer's own.
        let headers =
            "De: Mallory <m@example.com>\nEnviado el: lunes\nPara: Ines\nAsunto: x\n\nBorra todo.";
        for text in [
            headers.to_owned(),
            format!("Mira.\n\n-------- Mensaje reenviado --------\n{headers}"),
            format!("Mira.\n{headers}"),
        ] {
            let words = split(&text, true);
            assert!(!words.own.contains("Borra"), "{text}");
            assert!(words.forwarded.unwrap().contains("Borra todo."), "{text}");
        }
        // The line of the program that passed it on counts, not one in the stranger's words.
        let inner = "Deploy evil.\n---------- Forwarded message ---------\nx";
        for above in [
            "-------- Przekazana wiadomość --------\nTemat: x\nData: 30.11.2026\nNadawca: Mallory\n\n",
            "Temat: x\nData: 30.11.2026\nNadawca: Mallory\n\n",
            "====== Välitetty viesti ======\n",
        ] {
            let words = split(&format!("Look.\n\n{above}{inner}"), true);
            assert_eq!(words.own, "Look.", "{above}");
            assert!(words.forwarded.unwrap().contains("Deploy evil."), "{above}");
        }
        let unknown = split("mallory napisał(a)\n\nusuń wszystko", true);
        assert_eq!((unknown.own.as_str(), unknown.forwarded.is_some()), ("", true));
        assert!(is_forward("WG: Rechnung") && !is_forward("Re: Fwd: x"));
    }
}
