//! Writes the answer: its basis, the matching sections and their sources, or an honest admission
//! that nothing matches.

use super::material::Material;
use super::sections::{Scored, rank, words};
use crate::runner::Job;
use crate::text::clip;
use contracts::graph::Agent;

/// Maximum characters of an answer.
const CHARS_MAX: usize = 3_000;
/// Maximum quoted sections.
const SECTIONS: usize = 3;
/// Maximum bytes quoted from one section.
const SECTION_BYTES: usize = 1_100;
/// Maximum bytes of all quotations; the surrounding text takes the rest.
const QUOTED_BYTES: usize = 2_200;
/// Minimum score of a section relative to the best one.
const NEAR_THE_BEST: f64 = 0.45;

/// Words of greetings and thanks; a short message of only these gets a greeting back.
const SMALL_TALK: &[&str] = &[
    "hi",
    "hello",
    "hey",
    "hiya",
    "howdy",
    "yo",
    "good",
    "morning",
    "evening",
    "afternoon",
    "night",
    "day",
    "there",
    "everyone",
    "all",
    "bye",
    "goodbye",
    "how",
    "are",
    "you",
    "is",
    "it",
    "going",
    "up",
    "whats",
    "what",
    "s",
    "nice",
    "to",
    "meet",
    "anyone",
    "home",
    "test",
    "ping",
    "hallo",
    "moin",
    "servus",
];
const THANKS: &[&str] = &["thanks", "thank", "thx", "cheers", "danke", "ta", "appreciated"];
const HELP: &[&str] = &[
    "help",
    "what can you do",
    "who are you",
    "what do you do",
    "what are you",
    "how do you work",
    "what can i ask",
    "what can i do",
    "commands",
    "menu",
    "start",
];

/// The answer to a job, at most 3,000 characters.
pub(super) fn answer(job: &Job, material: &Material) -> String {
    let agent = material.agents.iter().find(|agent| agent.id == job.agent);
    let is_assistant =
        job.agent.as_str() == "assistant" || agent.is_some_and(|agent| agent.fallback);
    let text = match small_talk(&job.message).filter(|_| is_assistant) {
        Some(opening) => welcome(job, material, opening),
        None => {
            let ranked = rank(&job.message, &job.agent, &material.files, &material.hits);
            match (worth_quoting(&ranked, &job.message), is_assistant) {
                (true, _) => quotations(job, &ranked),
                (false, true) => welcome(job, material, "I found nothing in my guides about that."),
                (false, false) => nothing_fits(job, agent),
            }
        }
    };
    if text.chars().count() <= CHARS_MAX {
        return text;
    }
    let cut: String = text.chars().take(CHARS_MAX - 1).collect();
    format!("{}…", cut.trim_end())
}

fn head(job: &Job) -> String {
    format!("{}, answering from the skill graph (no model is configured).", job.agent)
}

/// The opening of the reply to a greeting, to thanks, or to a call for help; none for any other
/// message.
fn small_talk(message: &str) -> Option<&'static str> {
    let plain: String =
        message.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let parts: Vec<&str> = plain.split_whitespace().collect();
    let joined = parts.join(" ");
    if HELP.contains(&joined.as_str()) || parts.is_empty() {
        return Some("Here is what I can do.");
    }
    if parts.len() <= 6 && parts.iter().any(|part| THANKS.contains(part)) {
        return Some("You're welcome.");
    }
    (parts.len() <= 5 && parts.iter().all(|part| SMALL_TALK.contains(part))).then_some("Hello!")
}

/// Whether the sections are worth quoting: one shared word in a long message is chance, in a short
/// message it may be enough.
fn worth_quoting(ranked: &[Scored], message: &str) -> bool {
    let Some(best) = ranked.first() else { return false };
    let asked = words(message).len() as f64;
    best.score >= if asked <= 2.0 { 1.5 } else { 2.4 }
}

fn quotations(job: &Job, ranked: &[Scored]) -> String {
    let best = ranked.first().map_or(0.0, |scored| scored.score);
    let mut out = head(job);
    let (mut left, mut cited): (usize, Vec<&str>) = (QUOTED_BYTES, Vec::new());
    for scored in ranked.iter().take(SECTIONS).filter(|scored| scored.score >= best * NEAR_THE_BEST)
    {
        let section = &scored.section;
        if left < 200 {
            break;
        }
        let quoted = whole_lines(&links_as_citations(&section.text), left.min(SECTION_BYTES));
        left = left.saturating_sub(quoted.len());
        out.push_str(&format!("\n\n**{}** [{}]\n{quoted}", section.heading, section.file));
        if !cited.contains(&section.file.as_str()) {
            cited.push(&section.file);
        }
    }
    let list: Vec<_> = cited.iter().map(|id| format!("[{id}]")).collect();
    out.push_str(&format!(
        "\n\nFrom: {}. I only quote the guides; I have changed and run nothing.",
        list.join(", ")
    ));
    out
}

/// Cuts after a line if possible, so that no list item is cut.
fn whole_lines(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut kept = String::new();
    for line in text.lines() {
        if kept.len() + line.len() + "…\n".len() > max {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    if kept.trim().is_empty() {
        return clip(text, max);
    }
    // A truncated code block must not swallow the rest of the answer.
    let open = kept.lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1;
    format!("{}\n…{}", kept.trim_end(), if open { "\n```" } else { "" })
}

/// Turns `[[code-review]]` and `[[code-review|the guide]]` into text for readers outside the graph.
fn links_as_citations(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[[") {
        out.push_str(before);
        let Some((inner, after)) = link.split_once("]]").filter(|(inner, _)| !inner.contains('\n'))
        else {
            out.push_str("[[");
            rest = link;
            continue;
        };
        match inner.split_once('|') {
            Some((target, label)) => out.push_str(&format!("{label} [{target}]")),
            None => out.push_str(&format!("[{inner}]")),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn nothing_fits(job: &Job, agent: Option<&Agent>) -> String {
    let mut out = format!("{}\n\nNothing in the skill graph fits this message.", head(job));
    if let Some(agent) = agent {
        out.push_str(&format!("\n\n{} is for this: {}", agent.id, clip(&agent.description, 600)));
        for negative in agent.negatives.iter().take(3) {
            out.push_str(&format!("\n- not for {}", clip(&links_as_citations(negative), 240)));
        }
    }
    out.push_str(&format!(
        "\n\nAsk with other words, add a guide about it to the graph, or give {} a runner that can do the work: [agent-runners].",
        job.agent
    ));
    out
}

/// The assistant's reply: a greeting or an admission, then the agents and their tasks.
fn welcome(job: &Job, material: &Material, opening: &str) -> String {
    let mut out = format!("{opening} I am {}", head(job));
    if !material.agents.is_empty() {
        out.push_str("\n\nWrite what you need, and it goes to the right agent:");
        for agent in material.agents.iter().take(10) {
            out.push_str(&format!("\n- {}: {}", agent.id, clip(&agent.description, 200)));
        }
    }
    let guides: Vec<_> =
        material.files.iter().take(3).map(|file| format!("[{}] {}", file.id, file.title)).collect();
    if !guides.is_empty() && opening != "You're welcome." {
        out.push_str(&format!("\n\nPerhaps useful: {}.", guides.join(", ")));
    }
    out.push_str("\n\nAsk me about Quintet itself too: approvals, the budget, halting a task, or how to set up a channel.");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compose_distinguishes_greetings_from_questions() {
        assert_eq!(small_talk("Hello!"), Some("Hello!"));
        assert_eq!(small_talk("hey, how are you?"), Some("Hello!"));
        assert_eq!(small_talk("thanks a lot"), Some("You're welcome."));
        assert_eq!(small_talk("What can you do?"), Some("Here is what I can do."));
        assert_eq!(small_talk("how much did I spend today"), None);
        assert_eq!(small_talk("login page is broken"), None);
    }

    #[test]
    fn compose_turns_links_into_citations() {
        assert_eq!(
            links_as_citations("see [[a]] and [[b|the b]], [[open"),
            "see [a] and the b [b], [[open"
        );
    }

    #[test]
    fn compose_ends_a_quotation_with_a_line() {
        assert_eq!(whole_lines("- one\n- two\n- three", 16), "- one\n- two\n…");
        assert_eq!(whole_lines("short", 16), "short");
    }
}
