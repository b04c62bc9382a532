//! The skill graph: drawing, search, findings of the last publish, versions and their differences.

use super::graph_drawing;
use super::layout::{Frame, gap, title};
use super::menu;
use super::signs::{self, Mood};
use crate::answer::see;
use crate::refusal::PageResult;
use crate::session::Owner;
use crate::{Config, Deps, Form, owners};
use axum::extract::{Query, State};
use contracts::graph::{
    Finding, GraphDiff, GraphMap, SearchAnswer, SearchHit, Severity, VersionRow,
};
use futures_util::future::join3;
use maud::{Markup, html};
use serde::Deserialize;

/// Maximum findings shown.
const FINDINGS_MAX: usize = 100;

/// Query of the page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct View {
    /// Search text.
    q: String,
    /// A version and the one it is compared with; by default the one served before it.
    from: String,
    to: String,
    note: String,
}

/// `GET /dashboard/graph`.
pub async fn show(State(deps): State<Deps>, owner: Owner, Query(view): Query<View>) -> PageResult {
    let searched = async {
        if view.q.trim().is_empty() {
            None
        } else {
            Some(owners::search(&deps, view.q.trim()).await)
        }
    };
    let compared = async {
        if view.to.is_empty() {
            None
        } else {
            Some(owners::graph_diff(&deps, &view.from, &view.to).await)
        }
    };
    let (frame, found, diff) =
        join3(Frame::load(&deps, &owner, &view.note), searched, compared).await;
    let (map, report, versions) =
        join3(owners::graph_map(&deps), owners::graph_report(&deps), owners::graph_versions(&deps))
            .await;
    let body = html! {
        (title("Skill graph", "The router learns from it and the agents answer from it: a folder \
            of Markdown, published as one version."))
        (search_box(&deps.config, &view.q, found))
        @if let Some(diff) = diff { (difference(diff)) }
        div.two {
            div { (drawing(map)) }
            div { (findings(report.map(|report| report.findings))) }
        }
        (history(&deps.config, &owner, versions))
    };
    Ok(frame.page(&menu::GRAPH, menu::GRAPH.title, body))
}

fn search_box(
    config: &Config,
    q: &str,
    found: Option<Result<SearchAnswer, platform::ports::CallError>>,
) -> Markup {
    html! {
        section.panel aria-label="Search" {
            form.search method="get" action=(config.url("/dashboard/graph")) role="search" {
                label.unseen for="q" { "Search the graph" }
                input #q type="search" name="q" value=(q) placeholder="Search titles, keywords, headings and text" maxlength="200";
                button { "Search" }
            }
            @match found {
                None => {},
                Some(Err(_)) => (gap("skill-graph-loader")),
                Some(Ok(answer)) if answer.results.is_empty() => p.empty { "Nothing fits “" (q) "”. Typos of a letter or two and word beginnings match too." },
                Some(Ok(answer)) => ul.hits { @for hit in &answer.results { (hit_line(hit)) } },
            }
        }
    }
}

fn hit_line(hit: &SearchHit) -> Markup {
    html! {
        li {
            strong { (hit.title) } " " span.quiet { (hit.path) @if let Some(heading) = &hit.heading { " › " (heading) } }
            @if !hit.snippet.is_empty() { p { (marked(&hit.snippet, &hit.highlights)) } }
        }
    }
}

/// The snippet with matches marked; positions count characters.
fn marked(snippet: &str, highlights: &[[usize; 2]]) -> Markup {
    let chars: Vec<char> = snippet.chars().collect();
    let text = |from: usize, to: usize| {
        chars
            .get(from.min(chars.len())..to.min(chars.len()))
            .unwrap_or_default()
            .iter()
            .collect::<String>()
    };
    // End of each highlight, so that overlapping highlights are not repeated.
    let mut ends = vec![0];
    for [_, end] in highlights {
        ends.push(ends.last().copied().unwrap_or_default().max(*end));
    }
    html! {
        @for ([start, end], before) in highlights.iter().zip(&ends) {
            (text(*before, *start)) mark { (text((*start).max(*before), *end)) }
        }
        (text(ends.last().copied().unwrap_or_default(), chars.len()))
    }
}

fn drawing(map: Result<GraphMap, platform::ports::CallError>) -> Markup {
    html! {
        section.panel aria-label="Drawing" {
            h2 { "Map" }
            @match map {
                Err(_) => (gap("skill-graph-loader")),
                Ok(map) if map.nodes.is_empty() => p.empty { "No graph is published yet. " code { "quintet graph publish DIR" } " publishes one." },
                Ok(map) => {
                    (graph_drawing::draw(&map))
                    @if map.left_out > 0 { p.quiet { (map.left_out) " more files are not drawn." } }
                    details {
                        summary { "As a table" }
                        table.events {
                            thead { tr { th scope="col" { "File" } th scope="col" { "Kind" } th.figure scope="col" { "Links" } th.figure scope="col" { "Examples" } } }
                            tbody { @for node in &map.nodes { tr {
                                td.wide { (node.title) span.quiet.detail { (node.path) } }
                                td { (format!("{:?}", node.kind).to_lowercase()) }
                                (signs::cell("links", &map.links.iter().filter(|link| link.from == node.id || link.to == node.id).count().to_string()))
                                (signs::cell("examples", &node.examples.map_or_else(String::new, |count| count.to_string())))
                            } } }
                        }
                    }
                }
            }
        }
    }
}

fn findings(findings: Result<Vec<Finding>, platform::ports::CallError>) -> Markup {
    let sign = |severity: Severity| match severity {
        Severity::Error => signs::sign(Mood::Bad, "error"),
        Severity::Warning => signs::sign(Mood::Warn, "warning"),
        Severity::Hint => signs::sign(Mood::Quiet, "hint"),
    };
    html! {
        section.panel aria-label="Report" {
            h2 { "Report of the last publish" }
            @match findings {
                Err(_) => (gap("skill-graph-loader")),
                Ok(findings) if findings.is_empty() => p.empty { "No problems found." },
                Ok(findings) => {
                    ul.findings { @for finding in findings.iter().take(FINDINGS_MAX) {
                        li {
                            p { (sign(finding.severity)) @if !finding.path.is_empty() { " " code { (finding.path) @if finding.line > 0 { ":" (finding.line) } } } @else { " the whole graph" } }
                            p { (finding.message) }
                            p.quiet { (finding.fix) }
                        }
                    } }
                    @if findings.len() > FINDINGS_MAX { p.quiet { (findings.len() - FINDINGS_MAX) " more; " code { "quintet graph check DIR" } " lists them all." } }
                }
            }
        }
    }
}

fn change(version: &str) -> String {
    format!("rollback:{version}")
}

fn history(
    config: &Config,
    owner: &Owner,
    versions: Result<Vec<VersionRow>, platform::ports::CallError>,
) -> Markup {
    html! {
        section.panel aria-label="Versions" {
            h2 { "Versions" }
            @match versions {
                Err(_) => (gap("skill-graph-loader")),
                Ok(versions) if versions.is_empty() => p.empty { "None yet." },
                Ok(versions) => table.events {
                    thead { tr { th scope="col" { "Version" } th scope="col" { "Published" } th.figure scope="col" { "Agents" } th.figure scope="col" { "Files" } th.figure scope="col" { "Findings" } th scope="col" { "" } } }
                    tbody { @for (place, row) in versions.iter().enumerate() {
                        tr {
                            td.wide { code { (short(row.version.as_str())) } @if row.current { " " (signs::sign(Mood::Good, "served")) } @if let Some(message) = &row.message { span.quiet.detail { (message) } } }
                            td { (signs::time(&row.published_at)) }
                            (signs::cell("agents", &row.agents.to_string()))
                            (signs::cell("files", &row.skills.to_string()))
                            (signs::cell("findings", &row.findings.to_string()))
                            td {
                                @if place + 1 < versions.len() {
                                    a href=(config.url(&format!("/dashboard/graph?to={}", platform::percent::encode(row.version.as_str())))) { "What changed" }
                                }
                                @if !row.current {
                                    form.inline method="post" action=(config.url("/dashboard/graph/rollback")) {
                                        input type="hidden" name="version" value=(row.version);
                                        input type="hidden" name="token" value=(owner.token(&change(row.version.as_str())));
                                        button.plain { "Serve this version" }
                                    }
                                }
                            }
                        }
                    } }
                },
            }
        }
    }
}

fn short(version: &str) -> String {
    version.chars().take(10).collect()
}

fn difference(diff: Result<GraphDiff, platform::ports::CallError>) -> Markup {
    let Ok(diff) = diff else {
        return html! { section.panel { h2 { "What changed" } p.empty { "These two versions cannot be compared." } } };
    };
    let list = |name: &str, lines: &[String]| html! { @if !lines.is_empty() { h3 { (name) } ul { @for line in lines { li { (line) } } } } };
    let nothing = diff.agents_changed.is_empty()
        && [
            &diff.agents_added,
            &diff.agents_removed,
            &diff.files_added,
            &diff.files_removed,
            &diff.files_changed,
        ]
        .iter()
        .all(|list| list.is_empty());
    html! {
        section.panel aria-label="What changed" {
            h2 { "What changed from " code { (short(diff.from.as_str())) } " to " code { (short(diff.to.as_str())) } }
            @if nothing { p.empty { "Nothing." } }
            (list("Agents added", &diff.agents_added))
            (list("Agents removed", &diff.agents_removed))
            @for agent in &diff.agents_changed {
                h3 { (agent.agent) @if !agent.other.is_empty() { span.quiet { " · " (agent.other.join(", ")) } } }
                ul {
                    @for line in &agent.examples_added { li { ins { (line) } } }
                    @for line in &agent.examples_removed { li { del { (line) } } }
                }
            }
            (list("Files added", &diff.files_added))
            (list("Files removed", &diff.files_removed))
            (list("Files changed", &diff.files_changed))
        }
    }
}

/// `POST /dashboard/graph/rollback`.
pub async fn rollback(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    let version = form.field("version").to_owned();
    owner.require(&form, &change(&version))?;
    owners::rollback(&deps, &version).await?;
    Ok(see(&deps.config.url("/dashboard/graph?note=rolled_back")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_snippet_marks_matches_and_escapes_everything_else() {
        assert_eq!(
            marked("a <b> cdé", &[[2, 5], [6, 8]]).into_string(),
            "a <mark>&lt;b&gt;</mark> <mark>cd</mark>é"
        );
        assert_eq!(marked("ab", &[[1, 90], [0, 1]]).into_string(), "a<mark>b</mark><mark></mark>");
        assert_eq!(marked("ab", &[]).into_string(), "ab");
    }

    #[test]
    fn report_names_the_file_or_the_whole_graph() {
        let finding = |path: &str, line| Finding {
            severity: Severity::Hint,
            code: "c".to_owned(),
            path: path.to_owned(),
            line,
            message: "m".to_owned(),
            fix: "f".to_owned(),
        };
        let page = findings(Ok(vec![
            finding("", 0),
            finding("agents/a.md", 0),
            finding("agents/b.md", 7),
        ]))
        .into_string();
        for part in
            [" the whole graph</p>", "<code>agents/a.md</code>", "<code>agents/b.md:7</code>"]
        {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("<code></code>"), "{page}");
    }
}
