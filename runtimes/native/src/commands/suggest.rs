//! `quintet suggest`: lists messages of the audit log that would make good examples, to confirm one
//! by one.
//!
//! There are two kinds: messages whose agent a person named (feedback, a choice, "not you,
//! security"), and messages that the router was unsure of. Nothing is written without `--accept` or
//! an answer on the terminal, and the router learns nothing before the next publish.

use crate::client::Client;
use crate::exit::{No, Usage};
use crate::finding::read_folder;
use crate::terminal::{ask, say, say_json, watched};
use agency_router::route::TAKEN_BACK;
use agency_router::route::correction::correction;
use agency_router::route::follow_up::is_follow_up;
use anyhow::Result;
use contracts::AgentId;
use contracts::calls::agency_router::ListDecisions;
use contracts::calls::skill_graph_loader::ReadGraph;
use contracts::graph::{Graph, VersionQuery};
use contracts::routing::{DecisionRow, DecisionsQuery};
use graph_folder::claim_file::{ClaimFiles, plain, write_all};
use platform::text::{printable, short};
use serde::Serialize;
use skill_graph_loader::Reading;
use std::collections::BTreeSet;
use std::path::Path;

/// Maximum decisions to read.
const LOOKED_MAX: usize = 2_000;
const PAGE: u32 = 200;
/// Confidence below which a decision counts as unsure.
const UNSURE: f64 = 0.6;
/// Minimum characters; shorter messages teach nothing.
const CHARS_MIN: usize = 8;
const CHARS_MAX: usize = 400;

/// One suggestion.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// Number from 1, for `--accept`.
    pub number: usize,
    pub decision_id: String,
    pub message: String,
    /// The agent that got it, and the router's confidence.
    pub had: String,
    pub confidence: f64,
    /// The agent it should be an example of; none if no person said so.
    pub agent: Option<String>,
    pub why: &'static str,
}

/// Lists, asks, and writes the confirmed ones, all or none.
///
/// # Errors
/// When the server or the folder cannot be read, a number or an agent does not exist, or an example
/// cannot be written so that it reads back unchanged.
pub async fn suggest(
    client: &Client,
    folder: Option<(&Path, Reading)>,
    accept: &[String],
    as_json: bool,
) -> Result<()> {
    let mut files = match folder {
        Some((folder, reading)) => Some(ClaimFiles::new(read_folder(folder)?, reading)),
        None => None,
    };
    let graph = match &files {
        Some(files) => files.graph().clone(),
        None => client.ask::<ReadGraph>(&(), &VersionQuery::default()).await?,
    };
    let suggestions = suggestions(decisions(client).await?, &graph);
    if as_json {
        say_json(&suggestions);
        return Ok(());
    }
    if suggestions.is_empty() && accept.is_empty() {
        say("Nothing to suggest: every corrected or unsure message is already in the graph.");
        return Ok(());
    }
    let confirmed = if accept.is_empty() {
        asked(&suggestions, &graph, files.as_mut())?
    } else {
        let confirmed = accepted(&suggestions, accept, &graph)?;
        files.as_mut().map_or(Ok(()), |files| add_all(files, &confirmed))?;
        confirmed.len()
    };
    let (Some((folder, _)), Some(files)) = (folder, files) else { return Ok(()) };
    if confirmed > 0 {
        write_all(folder, files.changes())?;
        say(&format!(
            "{confirmed} written to {}. Run `quintet graph publish {}` to teach them.",
            folder.display(),
            folder.display()
        ));
    }
    Ok(())
}

async fn decisions(client: &Client) -> Result<Vec<DecisionRow>> {
    let mut all = Vec::new();
    let mut query = DecisionsQuery { limit: Some(PAGE), cursor: None };
    while all.len() < LOOKED_MAX {
        let page = client.ask::<ListDecisions>(&(), &query).await?;
        all.extend(page.decisions);
        match page.cursor {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    Ok(all)
}

/// Messages worth learning: judged by a person, or unsure; each once, and not yet in the graph.
fn suggestions(mut decisions: Vec<DecisionRow>, graph: &Graph) -> Vec<Suggestion> {
    // Such a row has the words of the correction, with the decision of the corrected message.
    decisions.retain(|row| !row.reason.starts_with(TAKEN_BACK));
    let known: BTreeSet<String> =
        graph.agents.iter().flat_map(|agent| &agent.examples).map(|text| plain(text)).collect();
    let mut seen = known;
    let mut found = Vec::new();
    // A person's judgement counts, however often the message was routed since.
    let judged: BTreeSet<String> = decisions
        .iter()
        .filter(|row| row.correct.is_some())
        .map(|row| plain(&row.message))
        .collect();
    for row in decisions {
        if row.correct.is_none() && judged.contains(&plain(&row.message)) {
            continue;
        }
        if !is_a_message(&row.message, graph) {
            continue;
        }
        let (agent, why) = match (row.correct, &row.correct_agent) {
            (Some(false), Some(agent)) => (Some(agent.to_string()), "you named its agent"),
            (Some(true), _) if row.confidence < UNSURE => {
                (Some(row.agent.to_string()), "you confirmed it, and the router was unsure")
            }
            (Some(true), _) => continue,
            (Some(false), None) => (None, "you marked it wrong without naming its agent"),
            (None, _) if row.confidence < UNSURE && !row.fallback => {
                (None, "the router was unsure")
            }
            (None, _) => continue,
        };
        let agent = agent.filter(|id| graph.agents.iter().any(|agent| agent.id.as_str() == id));
        if seen.insert(plain(&row.message)) {
            found.push(Suggestion {
                number: 0,
                decision_id: row.id.0,
                message: row.message,
                had: row.agent.0,
                confidence: row.confidence,
                agent,
                why,
            });
        }
    }
    // Judged messages come first.
    found.sort_by_key(|suggestion| suggestion.agent.is_none());
    (1..).zip(found).map(|(number, suggestion)| Suggestion { number, ..suggestion }).collect()
}

/// Whether the text is a request. Answers, mentions and corrections teach an agent nothing.
fn is_a_message(text: &str, graph: &Graph) -> bool {
    let fits = (CHARS_MIN..=CHARS_MAX).contains(&text.chars().count())
        && text.chars().any(char::is_alphanumeric);
    fits && !text.starts_with(['@', '/'])
        && !is_follow_up(text)
        && correction(graph, text).is_none()
}

/// The agent that a typed name means.
fn agent_named(graph: &Graph, name: &str) -> Result<AgentId> {
    let ids = || graph.agents.iter().map(|agent| &agent.id);
    let found = ids()
        .find(|id| id.as_str() == name)
        .or_else(|| ids().find(|id| id.as_str().eq_ignore_ascii_case(name)));
    let all = || ids().map(contracts::AgentId::as_str).collect::<Vec<_>>().join(", ");
    found
        .cloned()
        .ok_or_else(|| Usage(format!("there is no agent {name}. Use one of {}.", all())).into())
}

/// Parses `3` or `3=security`, each number once.
fn accepted(
    suggestions: &[Suggestion],
    accept: &[String],
    graph: &Graph,
) -> Result<Vec<(Suggestion, AgentId)>> {
    let mut all: Vec<(Suggestion, AgentId)> = Vec::new();
    for text in accept {
        let (number, agent) = text
            .split_once('=')
            .map_or((text.as_str(), None), |(number, agent)| (number, Some(agent)));
        let found = number
            .parse::<usize>()
            .ok()
            .and_then(|number| suggestions.iter().find(|suggestion| suggestion.number == number));
        let suggestion = found.ok_or_else(|| {
            Usage(format!("there is no suggestion {number}. `quintet suggest` lists them."))
        })?;
        let agent = agent.or(suggestion.agent.as_deref());
        let agent = agent.ok_or_else(|| {
            Usage(format!("suggestion {number} has no agent yet. Write {number}=AGENT."))
        })?;
        let agent = agent_named(graph, agent)?;
        match all.iter().find(|(other, _)| other.number == suggestion.number) {
            Some((_, other)) if *other != agent => {
                return Err(Usage(format!(
                    "suggestion {number} is assigned to both {other} and {agent}. Assign it to one."
                ))
                .into());
            }
            Some(_) => {}
            None => all.push((suggestion.clone(), agent)),
        }
    }
    Ok(all)
}

/// Adds all examples in memory; reports every problem at once.
fn add_all(files: &mut ClaimFiles, confirmed: &[(Suggestion, AgentId)]) -> Result<()> {
    let wrong: Vec<String> = confirmed
        .iter()
        .filter_map(|(suggestion, agent)| {
            Some(format!("{}: {}", suggestion.number, files.add(agent, &suggestion.message).err()?))
        })
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(No(format!("wrote nothing.\n  {}", wrong.join("\n  "))).into())
    }
}

/// Asks for each suggestion on a terminal; elsewhere prints the list. Returns the number of
/// examples added in memory.
fn asked(
    suggestions: &[Suggestion],
    graph: &Graph,
    mut files: Option<&mut ClaimFiles>,
) -> Result<usize> {
    let mut confirmed = 0;
    let can_ask = files.is_some() && watched();
    for suggestion in suggestions {
        let whose = suggestion.agent.as_deref().unwrap_or("?");
        say(&format!(
            "{:>3}  {whose:<12} “{}”\n     went to {} ({:.0} %): {}",
            suggestion.number,
            short(&printable(&suggestion.message), 100),
            suggestion.had,
            suggestion.confidence * 100.0,
            suggestion.why
        ));
        let Some(files) = files.as_deref_mut().filter(|_| can_ask) else { continue };
        match answer(suggestion, graph)? {
            Answer::Stop => break,
            Answer::No => {}
            Answer::Agent(agent) => match files.add(&agent, &suggestion.message) {
                Ok(()) => confirmed += 1,
                Err(error) => say(&format!("     Not written: {error}")),
            },
        }
    }
    if !can_ask {
        say(if files.is_none() {
            "\nTo write some into a folder, run quintet suggest --graph DIR: it lists those that the folder lacks, with the numbers to accept."
        } else {
            "\nTo write some into the folder, add --accept 1 --accept 2=AGENT"
        });
    }
    Ok(confirmed)
}

/// The answer to one suggestion.
enum Answer {
    Agent(AgentId),
    No,
    Stop,
}

/// Asks until the answer is valid.
fn answer(suggestion: &Suggestion, graph: &Graph) -> Result<Answer> {
    let ids: Vec<&str> = graph.agents.iter().map(|agent| agent.id.as_str()).collect();
    let default = if suggestion.agent.is_some() { "y = yes, " } else { "" };
    loop {
        let answer = ask(&format!(
            "     example of? ({default}Enter = no, q = stop, or one of {}) ",
            ids.join(" ")
        ))?;
        let named = match answer.trim() {
            "" | "n" => return Ok(Answer::No),
            "q" => return Ok(Answer::Stop),
            "y" => suggestion.agent.as_deref().unwrap_or("y"),
            name => name,
        };
        match agent_named(graph, named) {
            Ok(agent) => return Ok(Answer::Agent(agent)),
            Err(error) => say(&format!("     {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::graph::Complexity;

    fn row(
        message: &str,
        confidence: f64,
        correct: Option<bool>,
        correct_agent: Option<&str>,
    ) -> DecisionRow {
        DecisionRow {
            id: "dec_1".into(),
            at: String::new(),
            agent: "codegen".into(),
            confidence,
            channel: None,
            user_id: None,
            event_id: None,
            message: message.into(),
            reason: String::new(),
            complexity: Complexity::Simple,
            fallback: false,
            out_of_scope: false,
            graph_version: None,
            latency_ms: 0.0,
            correct,
            correct_agent: correct_agent.map(Into::into),
        }
    }

    #[test]
    fn suggest_skips_words_about_another_message() {
        let graph =
            skill_graph_loader::check_folder(graph_folder::default_graph(), Reading::default())
                .graph;
        let corrected = |message: &str| row(message, 0.4, Some(false), Some("security"));
        let taken_back = DecisionRow {
            reason: format!("{TAKEN_BACK} codegen. You said that it is for pm."),
            ..corrected("this one was meant for the planners")
        };
        let about = [
            taken_back,
            corrected("not you, security"),
            corrected("That was for pm"),
            corrected("Please do it!"),
            corrected("👍👍👍👍👍👍👍👍👍"),
        ];
        assert_eq!(suggestions(about.into(), &graph), []);
        // The same words count if they are themselves a judged message.
        let words = "this one was meant for the planners";
        let twice = vec![
            DecisionRow { reason: format!("{TAKEN_BACK} codegen."), ..corrected(words) },
            row(words, 0.3, None, None),
        ];
        assert_eq!(
            suggestions(twice, &graph).len(),
            1,
            "a row that takes another back judges nothing"
        );
    }

    #[test]
    fn suggest_lists_corrections_first_and_known_examples_never() {
        let graph =
            skill_graph_loader::check_folder(graph_folder::default_graph(), Reading::default())
                .graph;
        let known = graph.agents[0].examples.iter().find(|text| text.len() > 10).cloned().unwrap();
        let rows = vec![
            row("who can open the vault", 0.4, None, None),
            row("yes, do it", 0.9, Some(false), Some("pm")),
            row("look at the thing over there", 0.4, None, None),
            row("who can open the vault", 0.9, Some(false), Some("security")),
            row("who can open  the VAULT", 0.9, Some(false), Some("security")),
            row("write me a parser for dates in go", 0.5, Some(true), None),
            row("sure of this one anyway", 0.99, None, None),
            row("right and sure of this one", 0.99, Some(true), None),
            row(&known, 0.1, Some(false), Some("security")),
            row("@codegen do it now please", 0.4, None, None),
            row("short", 0.1, Some(false), Some("security")),
            row("for an agent that is gone", 0.2, Some(false), Some("nobody")),
        ];
        let found = suggestions(rows, &graph);
        let listed: Vec<(usize, &str, Option<&str>)> = found
            .iter()
            .map(|one| (one.number, one.message.as_str(), one.agent.as_deref()))
            .collect();
        assert_eq!(
            listed,
            [
                (1, "who can open the vault", Some("security")),
                (2, "write me a parser for dates in go", Some("codegen")),
                (3, "look at the thing over there", None),
                (4, "for an agent that is gone", None),
            ]
        );
        let accepted = |texts: &[&str]| {
            accepted(
                &found,
                &texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(),
                &graph,
            )
        };
        assert_eq!(accepted(&["3=pm", "1"]).unwrap()[0].1.as_str(), "pm");
        assert!(accepted(&["3"]).is_err() && accepted(&["9"]).is_err());
        assert_eq!(accepted(&["3=PM", "3=pm", "1"]).unwrap().len(), 2, "twice the same is once");
        for (texts, told) in [
            (
                ["1", "3=nobody"],
                "there is no agent nobody. Use one of assistant, codegen, pm, security.",
            ),
            (["1", "1=pm"], "suggestion 1 is assigned to both security and pm. Assign it to one."),
        ] {
            let error = accepted(&texts).unwrap_err();
            assert_eq!((error.to_string().as_str(), crate::exit::code(&error)), (told, 2));
        }
    }

    #[test]
    fn suggest_writes_nothing_if_one_example_cannot_be_written() {
        let found = suggestions(
            vec![
                row(
                    "why is user_id null for 50% of our C# clients",
                    0.4,
                    Some(false),
                    Some("codegen"),
                ),
                row("NOT for roses: that is pm stuff really", 0.4, Some(false), Some("pm")),
                row("say it *again* to me", 0.4, Some(false), Some("pm")),
            ],
            &skill_graph_loader::check_folder(graph_folder::default_graph(), Reading::default())
                .graph,
        );
        let add = |accept: &[&str]| {
            let mut files = ClaimFiles::new(graph_folder::default_graph(), Reading::default());
            let accept: Vec<String> = accept.iter().map(|text| (*text).to_owned()).collect();
            let confirmed = accepted(&found, &accept, files.graph()).unwrap();
            add_all(&mut files, &confirmed).map(|()| files)
        };
        let told = add(&["1", "2", "3"]).err().unwrap();
        let says = told.to_string();
        assert!(
            says.starts_with("wrote nothing.\n  2: the loader would not read")
                && says.contains("by hand")
                && !says.contains("C#"),
            "{says}"
        );
        assert_eq!(crate::exit::code(&told), 1);
        let files = add(&["1", "3"]).unwrap();
        assert_eq!(
            files.changes().map(|change| change.path).collect::<Vec<_>>(),
            ["agents/agent-codegen.md", "agents/agent-pm.md"]
        );
        let rows = vec![
            row(&found[0].message, 0.4, Some(false), Some("codegen")),
            row(&found[2].message, 0.4, Some(false), Some("pm")),
        ];
        assert_eq!(suggestions(rows, files.graph()), [], "what was written is not suggested again");
    }
}
