//! `quintet suggest`: messages of the audit log that would make good examples, to be confirmed one by one.
//!
//! Two kinds: messages whose agent somebody has named (feedback, a choice, "not you, security"), and messages that the router
//! was unsure of. Nothing is written without `--accept` or an answer on the terminal, and nothing is learned before the folder
//! is published.

use crate::claim_file::{ClaimFiles, plain};
use crate::client::Client;
use crate::exit::{No, Usage};
use crate::graph_folder;
use crate::terminal::{ask, printable, say, say_json, short, watched};
use agency_router::route::TAKEN_BACK;
use agency_router::route::correction::correction;
use agency_router::route::follow_up::is_follow_up;
use anyhow::{Context, Result};
use contracts::ServiceName;
use contracts::graph::Graph;
use contracts::routing::{DecisionList, DecisionRow};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// Decisions that are looked through.
const LOOKED_MAX: usize = 2_000;
const PAGE: usize = 200;
/// Below this confidence a decision is unsure.
const UNSURE: f64 = 0.6;
/// Shorter messages say nothing that could be learned.
const CHARS_MIN: usize = 8;
const CHARS_MAX: usize = 400;

/// One suggestion.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// From 1: what `--accept` takes.
    pub number: usize,
    pub decision_id: String,
    pub message: String,
    /// Who had it, and how sure that was.
    pub had: String,
    pub confidence: f64,
    /// Whose example it would be; none where nobody has said so.
    pub agent: Option<String>,
    pub why: &'static str,
}

/// Lists, asks, and writes what was confirmed.
///
/// # Errors
/// When the server or the folder cannot be read, or a number is none of the list.
pub async fn suggest(client: &Client, folder: Option<&Path>, accept: &[String], as_json: bool) -> Result<()> {
    let graph = match folder {
        Some(folder) => skill_graph_loader::check_folder(graph_folder::read(folder)?).graph,
        None => client.get(ServiceName::SkillGraphLoader, "/api/graph").await?,
    };
    let suggestions = suggestions(decisions(client).await?, &graph);
    if as_json {
        say_json(&suggestions);
        return Ok(());
    }
    if suggestions.is_empty() {
        say("Nothing to suggest: no decision was corrected or unsure that the graph does not know already.");
        return Ok(());
    }
    let confirmed = if accept.is_empty() { asked(&suggestions, &graph, folder)? } else { accepted(&suggestions, accept)? };
    let Some(folder) = folder.filter(|_| !confirmed.is_empty()) else { return Ok(()) };
    for (suggestion, agent) in &confirmed {
        write(folder, &graph, &suggestion.message, agent)?;
    }
    say(&format!("{} written into {}. `quintet graph publish {}` teaches them.", confirmed.len(), folder.display(), folder.display()));
    Ok(())
}

async fn decisions(client: &Client) -> Result<Vec<DecisionRow>> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    while all.len() < LOOKED_MAX {
        let page: DecisionList = client.get(ServiceName::AgencyRouter, &format!("/api/decisions?limit={PAGE}&cursor={cursor}")).await?;
        all.extend(page.decisions);
        match page.cursor {
            Some(next) => cursor = next,
            None => break,
        }
    }
    Ok(all)
}

/// What is worth learning: said to belong to somebody, or unsure; each message once, and none that the graph has.
fn suggestions(mut decisions: Vec<DecisionRow>, graph: &Graph) -> Vec<Suggestion> {
    // Such a row holds the words that took a message back, and what was decided of that message.
    decisions.retain(|row| !row.reason.starts_with(TAKEN_BACK));
    let known: BTreeSet<String> = graph.agents.iter().flat_map(|agent| &agent.examples).map(|text| plain(text)).collect();
    let mut seen = known;
    let mut found = Vec::new();
    // What somebody has said of a message counts, however often it was decided since.
    let judged: BTreeSet<String> = decisions.iter().filter(|row| row.correct.is_some()).map(|row| plain(&row.message)).collect();
    for row in decisions {
        if row.correct.is_none() && judged.contains(&plain(&row.message)) {
            continue;
        }
        if !is_a_message(&row.message, graph) {
            continue;
        }
        let (agent, why) = match (row.correct, &row.correct_agent) {
            (Some(false), Some(agent)) => (Some(agent.to_string()), "you said whose it is"),
            (Some(true), _) if row.confidence < UNSURE => (Some(row.agent.to_string()), "you said that it was right, and it was unsure"),
            (Some(true), _) => continue,
            (Some(false), None) => (None, "you said that it was wrong, and not whose it is"),
            (None, _) if row.confidence < UNSURE && !row.fallback => (None, "it was unsure"),
            (None, _) => continue,
        };
        let agent = agent.filter(|id| graph.agents.iter().any(|agent| agent.id.as_str() == id));
        if seen.insert(plain(&row.message)) {
            found.push(Suggestion { number: 0, decision_id: row.id.0, message: row.message, had: row.agent.0, confidence: row.confidence, agent, why });
        }
    }
    // What somebody has said comes first.
    found.sort_by_key(|suggestion| suggestion.agent.is_none());
    (1..).zip(found).map(|(number, suggestion)| Suggestion { number, ..suggestion }).collect()
}

/// Whether somebody asks for something in it: what answers, names or corrects teaches an agent nothing.
fn is_a_message(text: &str, graph: &Graph) -> bool {
    let fits = (CHARS_MIN..=CHARS_MAX).contains(&text.chars().count()) && text.chars().any(char::is_alphanumeric);
    fits && !text.starts_with(['@', '/']) && !is_follow_up(text) && correction(graph, text).is_none()
}

/// `3` or `3=security`.
fn accepted(suggestions: &[Suggestion], accept: &[String]) -> Result<Vec<(Suggestion, String)>> {
    let one = |text: &String| {
        let (number, agent) = text.split_once('=').map_or((text.as_str(), None), |(number, agent)| (number, Some(agent)));
        let found = number.parse::<usize>().ok().and_then(|number| suggestions.iter().find(|suggestion| suggestion.number == number));
        let Some(suggestion) = found else { return Err(Usage(format!("there is no suggestion {number}; `quintet suggest` lists them")).into()) };
        let agent = agent.map(str::to_owned).or_else(|| suggestion.agent.clone());
        let agent = agent.ok_or_else(|| Usage(format!("nobody has said whose {number} is: write {number}=AGENT")))?;
        Ok((suggestion.clone(), agent))
    };
    accept.iter().map(one).collect()
}

/// One question each, on a terminal; elsewhere the list alone.
fn asked(suggestions: &[Suggestion], graph: &Graph, folder: Option<&Path>) -> Result<Vec<(Suggestion, String)>> {
    let mut confirmed = Vec::new();
    let ids: Vec<&str> = graph.agents.iter().map(|agent| agent.id.as_str()).collect();
    for suggestion in suggestions {
        let whose = suggestion.agent.as_deref().unwrap_or("?");
        say(&format!(
            "{:>3}  {whose:<12} “{}”\n     {} had it ({:.0} %): {}",
            suggestion.number,
            short(&printable(&suggestion.message), 100),
            suggestion.had,
            suggestion.confidence * 100.0,
            suggestion.why
        ));
        if folder.is_none() || !watched() {
            continue;
        }
        let default = if suggestion.agent.is_some() { "y = yes, " } else { "" };
        let answer = ask(&format!("     example of? ({default}Enter = no, q = stop, or one of {}) ", ids.join(" ")))?;
        match answer.trim() {
            "" | "n" => {}
            "q" => break,
            "y" => confirmed.extend(suggestion.agent.clone().map(|agent| (suggestion.clone(), agent))),
            name => confirmed.push((suggestion.clone(), name.to_owned())),
        }
    }
    if folder.is_none() || !watched() {
        say(if folder.is_none() {
            "\nWrite some into a folder: quintet suggest --graph DIR lists what that folder lacks, with the numbers to accept."
        } else {
            "\nWrite some into the folder: add --accept 1 --accept 2=AGENT"
        });
    }
    Ok(confirmed)
}

fn write(folder: &Path, graph: &Graph, message: &str, agent: &str) -> Result<()> {
    let Some(known) = graph.agents.iter().find(|known| known.id.as_str().eq_ignore_ascii_case(agent)) else {
        return Err(No(format!("there is no agent {agent} in {}", folder.display())).into());
    };
    let (files, _) = graph_folder::read_reporting(folder)?;
    let mut claims = ClaimFiles::new(files);
    claims.add(&known.id, message).map_err(|error| No(error.to_string()))?;
    for file in claims.changed() {
        let path = folder.join(&file.path);
        std::fs::write(&path, &file.text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::graph::Complexity;

    fn row(message: &str, confidence: f64, correct: Option<bool>, correct_agent: Option<&str>) -> DecisionRow {
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
    fn words_about_a_message_are_no_messages() {
        let graph = skill_graph_loader::check_folder(graph_folder::default_graph()).graph;
        let corrected = |message: &str| row(message, 0.4, Some(false), Some("security"));
        let taken_back =
            DecisionRow { reason: format!("{TAKEN_BACK} codegen. You said that it is for pm."), ..corrected("this one was meant for the planners") };
        let about = [taken_back, corrected("not you, security"), corrected("That was for pm"), corrected("Please do it!"), corrected("👍👍👍👍👍👍👍👍👍")];
        assert_eq!(suggestions(about.into(), &graph), []);
        // Said of a message as well, the same words are a message.
        let words = "this one was meant for the planners";
        let twice = vec![DecisionRow { reason: format!("{TAKEN_BACK} codegen."), ..corrected(words) }, row(words, 0.3, None, None)];
        assert_eq!(suggestions(twice, &graph).len(), 1, "a row that takes another back judges nothing");
    }

    #[test]
    fn what_was_corrected_comes_first_and_what_is_known_never() {
        let graph = skill_graph_loader::check_folder(graph_folder::default_graph()).graph;
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
        let listed: Vec<(usize, &str, Option<&str>)> = found.iter().map(|one| (one.number, one.message.as_str(), one.agent.as_deref())).collect();
        assert_eq!(
            listed,
            [
                (1, "who can open the vault", Some("security")),
                (2, "write me a parser for dates in go", Some("codegen")),
                (3, "look at the thing over there", None),
                (4, "for an agent that is gone", None),
            ]
        );
        assert_eq!(accepted(&found, &["3=pm".into(), "1".into()]).unwrap()[0].1, "pm");
        assert!(accepted(&found, &["3".into()]).is_err() && accepted(&found, &["9".into()]).is_err());
    }
}
