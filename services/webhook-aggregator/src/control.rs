//! Commands that the owner types to steer Quintet: recognised before any model sees them.

pub mod registry;

use contracts::{ApprovalId, TaskId};

/// A command to Quintet.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlCommand {
    /// Without a task: everything.
    Halt(Option<TaskId>),
    /// Without a task: what this person has halted.
    Resume(Option<TaskId>),
    Approve(ApprovalId),
    Reject(ApprovalId),
    /// The answer to an agent's question.
    Answer(ApprovalId, String),
    /// The amounts spent and held.
    Spend,
    /// The work that runs and waits in this conversation.
    Status,
    /// The agents of the graph.
    Agents,
    /// The pending approvals.
    Approvals,
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
    name.starts_with(SLASHES) && registry::find(&bare(name)).is_some()
}

/// Whether words without a slash are one of our commands with all that it takes: `status` is,
/// `status of the build?` is not.
pub fn names_a_command(text: &str) -> bool {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let words = rest.split_whitespace().count();
    registry::find(&name.to_ascii_lowercase()).is_some_and(|listed| match listed.argument {
        "" => words == 0,
        argument => words <= 1 || argument.contains('…'),
    })
}

/// `/halt@name` and `/halt!` → `halt`.
fn bare(word: &str) -> String {
    let name = word.trim_start_matches(SLASHES);
    name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase()
}

/// The command a text is, if it is one. The registry says who may use it.
pub fn parse(text: &str) -> Option<ControlCommand> {
    if stops_everything(text) {
        return Some(ControlCommand::Halt(None));
    }
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
        // Lifting everything by a mistyped id would be the dangerous direction.
        ("resume", what) => {
            let task = what.filter(|word| !word.starts_with('@') && !means_everything(word));
            ControlCommand::Resume(task.map(TaskId::new))
        }
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
        ("spend" | "budget", _) => ControlCommand::Spend,
        ("status", _) => ControlCommand::Status,
        ("agents", _) => ControlCommand::Agents,
        ("approvals", _) => ControlCommand::Approvals,
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

/// Orders to stop everything, anywhere in a short message: English, German, French, Spanish.
const STOP_ALL: [&str; 4] = [
    "stop everything|halt everything|cancel everything|abort everything|kill everything|\
     stop all agents|stop all of it|stop all work|stop all runs|stop them all",
    "alles stoppen|stopp alles|stoppe alles|stoppt alles|alles anhalten|halte alles an|\
     haltet alles an|alles abbrechen|brich alles ab",
    "arrete tout|arretez tout|tout arreter|stoppe tout|annule tout",
    "parad todo|deten todo|detener todo|cancela todo",
];
/// Such orders that are everyday words within a sentence ("gracias para todo"): only where nothing
/// but politeness stands beside them.
const STOP_ALL_ALONE: &str = "para todo";
/// Words with which a message is no such order.
const NO_ORDER: &str = "not|don't|dont|never|how|if|when|did|does|do|nicht|nie|kein|wie|wenn|falls|\
    pas|jamais|comment|si|quand|nunca|como|cuando";
/// Maximum bytes of a message that is read as such words.
const SHORT_BYTES: usize = 60;

/// Whether a short message orders that everything stops. A mistake stops too much, which a resume
/// mends; so questions and negations are left out, and nothing else.
fn stops_everything(text: &str) -> bool {
    if text.len() > SHORT_BYTES || text.contains(['?', '/', '"', '“', '«', '`']) {
        return false;
    }
    let plain = plain_words(text);
    if without_politeness(&plain) == STOP_ALL_ALONE {
        return true;
    }
    let said = format!(" {plain} ");
    let has =
        |words: &str| words.split('|').any(|word| said.contains(&format!(" {} ", word.trim())));
    STOP_ALL.iter().any(|words| has(words)) && !has(NO_ORDER)
}

/// The words of a text, in lower case and without accents, one space between two.
fn plain_words(text: &str) -> String {
    let is_mark = |letter: &char| ('\u{300}'..='\u{36f}').contains(letter);
    let letters = text.to_lowercase();
    let folded: String =
        letters.chars().filter(|letter| !is_mark(letter)).map(without_accent).collect();
    let words = folded.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Whether the whole message says to stop, and nothing else.
pub fn is_stop_word(text: &str) -> bool {
    // Longer texts are never one; most messages end here.
    if text.len() > SHORT_BYTES {
        return false;
    }
    let plain = plain_words(text);
    let said = without_politeness(&plain);
    STOP_WORDS.iter().flat_map(|words| words.split('|')).any(|word| word == said)
}

/// Plain words without polite ones before and behind them.
fn without_politeness(plain: &str) -> &str {
    let mut said = plain;
    while let Some(rest) = POLITE.split('|').find_map(|polite| {
        let before = said.strip_prefix(polite).and_then(|rest| rest.strip_prefix(' '));
        before.or_else(|| said.strip_suffix(polite).and_then(|rest| rest.strip_suffix(' ')))
    }) {
        said = rest;
    }
    said
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

/// Whether the word after `/resume` adds nothing.
fn means_everything(word: &str) -> bool {
    let word = word.trim_end_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase();
    matches!(word.as_str(), "" | "all" | "everything" | "now" | "please")
}

/// The first word of a text that has the form of a command (`/name`, `/name@bot`), whether or not
/// there is one of that name. A path (`/etc/hosts`) is none.
pub fn command_word(text: &str) -> Option<&str> {
    let word = text.split_whitespace().next()?;
    let name = word.strip_prefix(SLASHES)?;
    let (name, bot) = name.split_once('@').unwrap_or((name, ""));
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let sound = name.chars().next().is_some_and(char::is_alphabetic)
        && name.chars().all(is_name)
        && name.chars().count() <= 32
        && bot.chars().all(is_name);
    sound.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_to_stop_everything_is_understood_in_a_short_message() {
        for text in [
            "please stop everything",
            "Stop everything!!",
            "oh no, stop everything now",
            "Bitte alles stoppen!",
            "Halte alles an",
            "Arrête tout, s'il te plaît",
            "¡Para todo ahora!",
            "por favor para todo",
            "kill everything",
        ] {
            assert_eq!(parse(text), Some(ControlCommand::Halt(None)), "{text}");
        }
        for text in [
            "don't stop everything",
            "how do I stop everything",
            "Does it stop everything?",
            "write \"stop everything\" on the page",
            "stop everything and then write a long report about what was stopped, please",
            "bitte nicht alles stoppen",
            "the bus stops everywhere",
            "gracias para todo",
            "un resumen para todo el equipo",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

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
        for text in ["/resume", "/resume all", "/resume@desk_bot now!", "/resume @desk_bot"] {
            assert_eq!(parse(text), Some(ControlCommand::Resume(None)), "{text}");
        }
        let task = Some(TaskId::new("job"));
        assert_eq!(parse("/resume job"), Some(ControlCommand::Resume(task)));
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
