//! The topics of a message, from its words: pure and deterministic.

/// A part of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A command that chat does not run.
    Order,
    Who,
    Help,
    Budget,
    Approvals,
    Halts,
    Events,
    /// The messages of this session.
    History,
    /// Anything else: looked up in the skill graph.
    Knowledge,
}

const ORDERS: &[&str] = &["halt", "stop", "resume", "approve", "reject", "cancel"];
const PHRASES: &[(Intent, &[&str])] = &[
    (Intent::Who, &["who are you", "what are you", "your name", "which model", "what model"]),
    (Intent::Help, &["what can you do", "what can i ask", "how can you help"]),
    (Intent::History, &["did i say", "did i ask", "our conversation", "i said earlier"]),
    (
        Intent::Budget,
        &["how much is left", "how much have", "how much did", "did it cost", "cost today"],
    ),
];
/// Phrases that count only where nothing else in the message does: "what did I spend" is a question
/// about the budget.
const ELSE: &[(Intent, &[&str])] = &[(Intent::History, &["what did i", "what have i"])];
const WORDS: &[(Intent, &[&str])] = &[
    (Intent::Budget, &["budget", "budgets", "spend", "spent", "spending", "money"]),
    (
        Intent::Approvals,
        &["approval", "approvals", "approve", "decide", "pending", "waiting", "waits"],
    ),
    (Intent::Halts, &["halt", "halts", "halted", "paused"]),
    (Intent::Events, &["events", "inbox", "happened", "recent", "lately"]),
    (Intent::History, &["history"]),
];

/// The requested parts in the order of the answer; never empty.
pub fn intents(message: &str) -> Vec<Intent> {
    let words: Vec<String> = message
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.first().is_some_and(|first| ORDERS.contains(&first.as_str())) {
        return vec![Intent::Order];
    }
    if let [word] = words.as_slice()
        && ["help", "hi", "hello"].contains(&word.as_str())
    {
        return vec![Intent::Help];
    }
    let padded = format!(" {} ", words.join(" "));
    let holds = |(_, phrases): &&(Intent, &[&str])| {
        phrases.iter().any(|phrase| padded.contains(&format!(" {phrase} ")))
    };
    let by_word =
        WORDS.iter().filter(|(_, known)| words.iter().any(|word| known.contains(&word.as_str())));
    let mut found = Vec::new();
    for (intent, _) in PHRASES.iter().filter(holds).chain(by_word) {
        if !found.contains(intent) {
            found.push(*intent);
        }
    }
    if found.is_empty() {
        let other = ELSE.iter().find(holds).map(|(intent, _)| *intent);
        found.push(other.unwrap_or(Intent::Knowledge));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chat_intents_follow_the_words_of_a_message() {
        let cases: &[(&str, &[Intent])] = &[
            ("How much of the budget is left?", &[Intent::Budget]),
            (
                "Are there pending approvals, and is anything halted?",
                &[Intent::Approvals, Intent::Halts],
            ),
            ("Who are you?", &[Intent::Who]),
            ("help", &[Intent::Help]),
            ("Halt everything!", &[Intent::Order]),
            ("What happened lately?", &[Intent::Events]),
            ("What did I ask before?", &[Intent::History]),
            ("What did I tell you?", &[Intent::History]),
            ("What did I say about money?", &[Intent::History, Intent::Budget]),
            ("What did I spend today?", &[Intent::Budget]),
            ("What did it cost?", &[Intent::Budget]),
            ("What waits for me?", &[Intent::Approvals]),
            ("What do I have to approve?", &[Intent::Approvals]),
            ("How should I retry a failed request?", &[Intent::Knowledge]),
            ("…", &[Intent::Knowledge]),
        ];
        for (message, expected) in cases {
            assert_eq!(intents(message), *expected, "{message}");
        }
    }
}
