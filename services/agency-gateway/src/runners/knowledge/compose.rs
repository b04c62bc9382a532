//! Writes the answer: its basis, the matching sections and their sources, or an honest admission
//! that nothing matches.

use super::material::Material;
use super::sections::{Scored, rank, words};
use crate::runner::Job;
use crate::text::clip;
use contracts::graph::Agent;
use platform::small_talk::{SmallTalk, small_talk};

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

/// The answer to a job, at most 3,000 characters.
pub(super) fn answer(job: &Job, material: &Material) -> String {
    let agent = material.agents.iter().find(|agent| agent.id == job.agent);
    let is_assistant =
        job.agent.as_str() == "assistant" || agent.is_some_and(|agent| agent.fallback);
    let text = match small_talk(&job.message).filter(|_| is_assistant) {
        Some(kind) => welcome(job, material, kind),
        None => {
            let ranked = rank(&job.message, &job.agent, &material.files, &material.hits);
            match (worth_quoting(&ranked, &job.message), is_assistant) {
                (true, _) => quotations(job, &ranked),
                (false, true) => no_answer(job),
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

/// The assistant's reply to small talk: what this installation has.
fn welcome(job: &Job, material: &Material, kind: SmallTalk) -> String {
    let opening = match kind {
        SmallTalk::Thanks => return "You're welcome.".to_owned(),
        SmallTalk::Greeting => "Hello! I am",
        SmallTalk::Help => "I am",
    };
    let mut out = format!(
        "{opening} the assistant of this Quintet. Write what you need: it goes to the agent that \
         fits, waits for a yes where the rules ask for one, and the answer comes back here."
    );
    match &job.context.about {
        Some(about) => out.push_str(&format!("\n\n{about}")),
        // Anybody may be asking: the agents that serve anybody.
        None => {
            for agent in material.agents.iter().filter(|agent| agent.public).take(10) {
                out.push_str(&format!("\n- {}: {}", agent.id, clip(&agent.description, 200)));
            }
        }
    }
    out
}

/// The assistant's reply to a question that nothing in the graph answers.
fn no_answer(job: &Job) -> String {
    format!(
        "I have no answer to that. I am {}, and without a model or a program I only quote the \
         guides of the skill graph; none of them is about it.\n\nAddress an agent that has a program \
         (`/agents` lists them), or give {} a runner that can think: [agent-runners].",
        job.agent, job.agent
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
