//! Commands that the owner types to steer Quintet: recognised before any model sees them.

use contracts::{ApprovalId, TaskId};

/// A command to Quintet.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlCommand {
    /// Without a task: everything.
    Halt(Option<TaskId>),
    Resume,
    Approve(ApprovalId),
    Reject(ApprovalId),
    /// The answer to an agent's question.
    Answer(ApprovalId, String),
    Budget,
    /// Ends what runs or waits in this conversation.
    Stop,
    /// The conversation begins anew.
    New,
    /// Lists sessions; with a number takes one up again.
    Sessions(Option<usize>),
    Help,
    /// A command without what it needs; the text says how it is written.
    Incomplete(&'static str),
}

/// A slash, and the full-width one that some keyboards write.
const SLASHES: [char; 2] = ['/', '／'];

/// Whether a slash command's name is one of ours.
pub fn is_command(name: &str) -> bool {
    matches!(
        bare(name).as_str(),
        "halt"
            | "resume"
            | "approve"
            | "reject"
            | "answer"
            | "budget"
            | "stop"
            | "cancel"
            | "new"
            | "sessions"
            | "help"
            | "start"
    ) && name.starts_with(SLASHES)
}

/// `/halt@name` and `/halt!` → `halt`.
fn bare(word: &str) -> String {
    let name = word.trim_start_matches(SLASHES);
    name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase()
}

/// The command a text is, if it is one. `/start`, `/help`, `/stop`, `/new` and `/sessions` are for
/// every sender; the rest is for approvers.
pub fn parse(text: &str) -> Option<ControlCommand> {
    let mut words = text.split_whitespace();
    let first = words.next()?;
    if !is_command(first) {
        return None;
    }
    let argument = words.next();
    Some(match (bare(first).as_str(), argument) {
        ("halt", what) => {
            ControlCommand::Halt(what.filter(|word| names_task(word)).map(TaskId::new))
        }
        ("resume", _) => ControlCommand::Resume,
        ("approve", Some(id)) => ControlCommand::Approve(ApprovalId::new(id)),
        ("reject", Some(id)) => ControlCommand::Reject(ApprovalId::new(id)),
        ("approve", None) => ControlCommand::Incomplete(
            "Write `/approve ID`; the pending ids are shown by `quintet approvals` and the dashboard.",
        ),
        ("reject", None) => ControlCommand::Incomplete(
            "Write `/reject ID`; the pending ids are shown by `quintet approvals` and the dashboard.",
        ),
        ("answer", Some(id)) => {
            let words = words.collect::<Vec<_>>().join(" ");
            if words.is_empty() {
                ControlCommand::Incomplete("Write `/answer ID` and your words after it.")
            } else {
                ControlCommand::Answer(ApprovalId::new(id), words)
            }
        }
        ("answer", None) => {
            ControlCommand::Incomplete("Write `/answer ID` and your words after it.")
        }
        ("budget", _) => ControlCommand::Budget,
        ("stop" | "cancel", _) => ControlCommand::Stop,
        ("new", None) => ControlCommand::New,
        ("new", Some(_)) => {
            ControlCommand::Incomplete("Write `/new` alone, and then your message.")
        }
        ("sessions", None) => ControlCommand::Sessions(None),
        ("sessions", Some(number)) => match number.parse() {
            Ok(number) => ControlCommand::Sessions(Some(number)),
            Err(_) => ControlCommand::Incomplete("Write `/sessions`, or `/sessions NUMBER`."),
        },
        _ => ControlCommand::Help,
    })
}

/// Messages that stop: English, German, French, Spanish. Without accents: those are removed before
/// comparing, as many keyboards leave them out.
const STOP_WORDS: [&str; 4] = [
    "stop|stop it|stop that|stop this|cancel|cancel it|cancel that|cancel this|abort|abort it|halt",
    "stopp|anhalten|abbrechen|abbruch|hor auf|aufhoren",
    "arrete|arretez|annule|annuler",
    "para|detente|detener|cancela|cancelar|basta",
];
/// Words that may stand before or after them.
const POLITE: &str = "please|now|bitte|jetzt|sofort|s'il te plait|s'il vous plait|maintenant|\
    por favor|ahora";

/// Whether the whole message says to stop, and nothing else.
pub fn is_stop_word(text: &str) -> bool {
    // Longer texts are never one; most messages end here.
    if text.len() > 60 {
        return false;
    }
    let is_mark = |letter: &char| ('\u{300}'..='\u{36f}').contains(letter);
    let letters = text.to_lowercase();
    let folded: String =
        letters.chars().filter(|letter| !is_mark(letter)).map(without_accent).collect();
    let words = folded.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty());
    let mut said = words.collect::<Vec<_>>().join(" ");
    while let Some(rest) = POLITE.split('|').find_map(|polite| {
        let before = said.strip_prefix(polite).and_then(|rest| rest.strip_prefix(' '));
        before.or_else(|| said.strip_suffix(polite).and_then(|rest| rest.strip_suffix(' ')))
    }) {
        said = rest.to_owned();
    }
    STOP_WORDS.iter().flat_map(|words| words.split('|')).any(|word| word == said)
}

fn without_accent(letter: char) -> char {
    match letter {
        'é' | 'è' | 'ê' => 'e',
        'ö' | 'ó' => 'o',
        'î' => 'i',
        'á' => 'a',
        '’' => '\'',
        other => other,
    }
}

/// Whether the one word after `/halt` can be a task's id. Ids have letters and digits; who writes
/// `/halt now` or `/halt 2` wants everything to stop.
fn names_task(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit())
        && word.contains(char::is_alphabetic)
        && !word.starts_with('@')
}

/// The text of `/start` and `/help`.
pub const HELP: &str = "I am Quintet. Write what you need and the best agent will answer. To choose an agent yourself, start with its name, such as @codegen or /security.\n\n\
    /stop ends what runs or waits in this conversation; “stop” alone does the same while something runs.\n\n\
    /new starts this conversation afresh, /sessions lists the sessions that agents keep of it.\n\n\
    For the approvers here:\n/halt – stop everything now\n/resume – lift your halt\n/approve ID, /reject ID – decide a pending approval\n/answer ID … – answer the question of an agent\n/budget – what the work from here has spent\n/help – show this text";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_commands_are_taken() {
        assert_eq!(parse("/halt"), Some(ControlCommand::Halt(None)));
        assert_eq!(parse("/halt@desk_bot all"), Some(ControlCommand::Halt(None)));
        for text in [
            "/halt!",
            "/halt.",
            "/halt,all",
            "／halt",
            "/halt now.",
            "/halt 2",
            "/halt @desk_bot",
            "/halt 5 minutes please",
            "/halt everything_now",
            "/HALT",
        ] {
            assert_eq!(parse(text), Some(ControlCommand::Halt(None)), "{text}");
        }
        assert_eq!(parse("/halt job-7"), Some(ControlCommand::Halt(Some(TaskId::new("job-7")))));
        assert_eq!(
            parse("/approve apr_1"),
            Some(ControlCommand::Approve(ApprovalId::new("apr_1")))
        );
        assert!(matches!(parse("/approve"), Some(ControlCommand::Incomplete(_))));
        assert_eq!(parse("/start"), Some(ControlCommand::Help));
        assert_eq!(parse("halt the deployment"), None);
        for text in ["/stop", "/STOP", "/stop@desk_bot now", "/cancel", "／stop"] {
            assert_eq!(parse(text), Some(ControlCommand::Stop), "{text}");
        }
        assert_eq!(parse("/security check this"), None);
    }

    #[test]
    fn stop_word_is_the_whole_message() {
        for text in [
            "stop",
            "Stop!",
            "STOP.",
            "please stop now",
            "Please, stop!!",
            "cancel",
            "abort",
            "stop it",
            "Stopp",
            "bitte abbrechen",
            "Hör auf!",
            "Arrête",
            "arrêtez s’il vous plaît",
            "annule",
            "para",
            "Arre\u{302}te",
            "¡Para!",
            "detente ahora",
            "cancela por favor",
        ] {
            assert!(is_stop_word(text), "{text}");
        }
        for text in [
            "",
            "please",
            "now",
            "stop the server",
            "how do I stop it",
            "cancel my subscription",
            "don't stop",
            "para mi madre",
            "stop codegen please",
            "stop stop",
            "non-stop",
        ] {
            assert!(!is_stop_word(text), "{text}");
        }
    }
}
