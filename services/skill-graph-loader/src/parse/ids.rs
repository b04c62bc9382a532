//! Ids: of agents, with a namespace where several have one name, and of files.

use crate::finding::{DUPLICATE_AGENT, finding, listed};
use crate::parse::document::{Document, ID_CHARS_MAX};
use crate::parse::kind::{id_parts, is_in_a_home};
use contracts::graph::{Finding, Severity};
use platform::text::composed;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Maximum names in one finding.
const NAMES_SHOWN: usize = 5;

/// Gives agents of one name different ids: a name that a file gives itself with `agentId` stays,
/// the same agent twice counts once, and the others get the folder of their collection in front.
pub(super) fn name_agents(documents: &mut Vec<Document>, findings: &mut Vec<Finding>) {
    let mut by_id: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, document) in documents.iter().enumerate() {
        if let Some(id) = &document.agent_id {
            by_id.entry(id.to_lowercase()).or_default().push(at);
        }
    }
    let (mut left_out, mut renamed) = (BTreeSet::new(), Vec::new());
    for group in by_id.into_values().filter(|group| group.len() > 1) {
        let group = without_copies(documents, group, &mut left_out, findings);
        for (at, id) in namespaced(documents, &group) {
            let Some(document) = documents.get_mut(at) else { continue };
            if id.chars().count() > ID_CHARS_MAX {
                // With its bare name it would take the id of the others.
                findings.push(too_long(document, &id));
                left_out.insert(at);
                continue;
            }
            document.agent_id = Some(id.clone());
            renamed.push(id);
        }
    }
    if !renamed.is_empty() {
        let message = format!(
            "several agents have one name, so their ids begin with their folder: {}",
            listed(&renamed, NAMES_SHOWN)
        );
        findings.push(finding(
            Severity::Hint,
            "namespaced_agents",
            "",
            0,
            message,
            "Use these ids, or give the files an `agentId`.",
        ));
    }
    let mut at = 0;
    documents.retain(|_| {
        at += 1;
        !left_out.contains(&(at - 1))
    });
}

fn too_long(document: &Document, id: &str) -> Finding {
    let shown: String = id.chars().take(ID_CHARS_MAX).collect();
    let message = format!(
        "its id with the folder in front, `{shown}…`, is longer than {ID_CHARS_MAX} characters"
    );
    let fix = "Shorten the folder's name, or give the file an `agentId`.";
    finding(Severity::Error, "bad_id", &document.path, 0, message, fix)
}

/// Whether the id is that of the file's own `agentId`.
fn is_fixed(document: &Document) -> bool {
    document.front.has("agentId")
}

/// The group without the files that say the same as an earlier one: the same text, or the same
/// agent for another program (`.claude/agents/` beside `.opencode/agents/`).
fn without_copies(
    documents: &[Document],
    group: Vec<usize>,
    copies: &mut BTreeSet<usize>,
    findings: &mut Vec<Finding>,
) -> Vec<usize> {
    let mut ordered: Vec<(usize, &Document)> =
        group.iter().filter_map(|at| Some((*at, documents.get(*at)?))).collect();
    ordered.sort_by_key(|(_, document)| (!is_fixed(document), is_in_a_home(&document.path)));
    let mut kept: Vec<(usize, &Document)> = Vec::new();
    // The first of those kept with a text, and with a place: groups can have thousands of files.
    let mut by_text: HashMap<Text<'_>, usize> = HashMap::new();
    let mut by_place: HashMap<Vec<String>, usize> = HashMap::new();
    for (at, document) in ordered {
        let (text, place) = (text_of(document), namespace(&document.path));
        let of_place = by_place.get(&place).filter(|_| is_in_a_home(&document.path));
        let original = by_text.get(&text).into_iter().chain(of_place).min();
        let original = original.and_then(|first| kept.get(*first));
        match original.filter(|_| !is_fixed(document)) {
            Some((_, other)) => {
                copies.insert(at);
                findings.push(finding(
                    Severity::Hint,
                    "agent_copy",
                    &document.path,
                    0,
                    format!("the agent of {} again, so it was skipped", other.path),
                    "Remove one of the two, or give it another `name`.",
                ));
            }
            None => {
                by_text.entry(text).or_insert(kept.len());
                by_place.entry(place).or_insert(kept.len());
                kept.push((at, document));
            }
        }
    }
    let mut kept: Vec<usize> = kept.into_iter().map(|(at, _)| at).collect();
    kept.sort_unstable();
    kept
}

/// The body and the lines of the front matter.
type Text<'a> = (&'a str, Vec<&'a str>);

fn text_of(document: &Document) -> Text<'_> {
    (&document.body, document.front.raw_lines().map(|(_, line)| line.trim_end()).collect())
}

/// The folders that tell collections apart, without those that every collection has.
fn namespace(path: &str) -> Vec<String> {
    let mut parts = id_parts(path);
    parts.pop();
    let tells = |part: &&str| {
        let lower = part.to_lowercase();
        !part.starts_with('.')
            && !matches!(lower.as_str(), "agents" | "agent" | "skills" | "skill" | "plugins")
    };
    parts.into_iter().filter(tells).map(composed).collect()
}

/// New ids for the files of a group. A file of the graph's own folders, which have no namespace,
/// keeps its name, so that an imported agent cannot take it.
fn namespaced(documents: &[Document], group: &[usize]) -> Vec<(usize, String)> {
    let free: Vec<(usize, Vec<String>, &str)> = group
        .iter()
        .filter_map(|at| {
            let document = documents.get(*at).filter(|document| !is_fixed(document))?;
            Some((*at, namespace(&document.path), document.agent_id.as_deref()?))
        })
        .filter(|(_, namespace, _)| !namespace.is_empty())
        .collect();
    if group.len() < 2 {
        return Vec::new();
    }
    let tail = |parts: &[String], length: usize| {
        parts.get(parts.len().saturating_sub(length)..).unwrap_or_default().join("/")
    };
    let deepest = free.iter().map(|(_, parts, _)| parts.len()).max().unwrap_or(0);
    // One folder if that is enough, the innermost first; otherwise all of them from the inside.
    let one = |parts: &[String], at: usize| {
        parts.get(parts.len().saturating_sub(at)).cloned().unwrap_or_default()
    };
    let distinct = |of: &dyn Fn(&[String]) -> String| {
        let names: BTreeSet<String> =
            free.iter().map(|(_, parts, _)| of(parts).to_lowercase()).collect();
        names.len() == free.len()
    };
    let single = (1..=deepest).find(|at| distinct(&|parts| one(parts, *at)));
    let several = (1..=deepest).find(|length| distinct(&|parts| tail(parts, *length)));
    free.iter()
        .map(|(at, parts, id)| {
            let place = match single {
                Some(at) => one(parts, at),
                None => tail(parts, several.unwrap_or(deepest)),
            };
            (*at, format!("{place}/{id}"))
        })
        .collect()
}

/// Removes agents (or channels) with a repeated id; the first by path stays.
pub(super) fn leave_out_repeated_ids(documents: &mut Vec<Document>, findings: &mut Vec<Finding>) {
    let mut first: HashMap<String, String> = HashMap::new();
    documents.retain(|document| {
        let (what, id) = match (&document.agent_id, &document.channel_id) {
            (Some(id), _) => ("agent", id),
            (None, Some(id)) => ("channel", id),
            (None, None) => return true,
        };
        let key = format!("{what} {}", id.to_lowercase());
        let Some(owner) = first.get(&key) else {
            first.insert(key, document.path.clone());
            return true;
        };
        let message = format!("the {what} id `{id}` is taken by {owner}");
        let code = if what == "agent" { DUPLICATE_AGENT } else { "duplicate_channel" };
        let line = document.front.line(if what == "agent" { "agentId" } else { "channelId" });
        findings.push(finding(
            Severity::Error,
            code,
            &document.path,
            line,
            message,
            format!("Give one of the two files another {what}Id."),
        ));
        false
    });
}

/// The shortest unique names of the files: the stem, with folders in front if stems collide.
pub(super) fn skill_ids(documents: &[Document]) -> Vec<String> {
    let parts: Vec<Vec<&str>> = documents.iter().map(|document| id_parts(&document.path)).collect();
    let tail = |parts: &[&str], length: usize| {
        parts.get(parts.len().saturating_sub(length)..).unwrap_or_default().join("/")
    };
    let mut lengths = vec![1_usize; documents.len()];
    let deepest = parts.iter().map(Vec::len).max().unwrap_or(1);
    for _ in 0..deepest {
        let mut count: HashMap<String, usize> = HashMap::new();
        for (parts, length) in parts.iter().zip(&lengths) {
            *count.entry(tail(parts, *length).to_lowercase()).or_default() += 1;
        }
        for (parts, length) in parts.iter().zip(&mut lengths) {
            if count.get(&tail(parts, *length).to_lowercase()).is_some_and(|count| *count > 1) {
                *length += 1;
            }
        }
    }
    let mut taken = BTreeSet::new();
    let named = documents.iter().zip(parts.iter().zip(&lengths));
    named
        .map(|(document, (parts, length))| {
            let id = composed(&tail(parts, *length));
            // Only `a/SKILL.md` beside `a.md` gets here; the whole path is always unique.
            if taken.insert(id.to_lowercase()) { id } else { document.path.clone() }
        })
        .collect()
}
