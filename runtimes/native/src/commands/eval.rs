//! `quintet eval`: routing accuracy.

use crate::cli::Eval;
use crate::finding::read_or_default;
use crate::terminal::{progress, say, say_json, table};
use anyhow::{Context, Result, anyhow};
use contracts::graph::Graph;
use skill_graph_loader::Reading;
use std::path::Path;
use text_model::evaluate::{self, Case, Report, Surroundings, Trials};

/// Evaluates and prints; exits 0 for any score.
///
/// # Errors
/// When a file cannot be read, or the training set is empty.
pub fn eval(asked: &Eval, as_json: bool) -> Result<()> {
    let folder = asked.reading.of(asked.graph.as_deref());
    let label_field = asked.label_field.as_str();
    let bar = progress();
    let mut advance = |done: usize, all: usize| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let clock = crate::services::stopwatch();
    let seconds = || clock() / 1000.0;
    let mut around = Surroundings { seconds: &seconds, progress: &mut advance };
    let report = match (asked.test.as_deref(), asked.train.as_deref()) {
        (None, Some(_)) => {
            return Err(crate::exit::Usage(
                "--train FILE needs a TEST file. Run quintet eval TEST --train FILE.".to_owned(),
            )
            .into());
        }
        (None, None) => evaluate::cross_validate(&graph(folder)?, &mut around),
        (Some(test), Some(train)) => evaluate::trials(
            &cases(train, label_field)?,
            &cases(test, label_field)?,
            Trials {
                seeds: asked.seeds,
                per_label: asked.per_label.map(|count| count as usize),
                without_oos: asked.without_oos,
            },
            &mut around,
        ),
        (Some(test), None) => {
            let graph = graph(folder)?;
            let fallback = graph.fallback_agent().map(|agent| agent.id.as_str().to_owned());
            evaluate::evaluate(
                &text_model::TrainingSet::from_graph(&graph),
                &cases(test, label_field)?,
                fallback.as_deref(),
                &mut around,
            )
        }
    };
    bar.finish_and_clear();
    let report = report.ok_or_else(|| {
        anyhow!("there are no examples to learn from. Add `## Examples` to the agent files.")
    })?;
    if as_json {
        say_json(&report);
    } else {
        say(&readable(&report));
    }
    Ok(())
}

fn graph(folder: Option<(&Path, Reading)>) -> Result<Graph> {
    let (files, reading) = read_or_default(folder)?;
    Ok(skill_graph_loader::check_folder(files, reading).graph)
}

fn cases(path: &Path, label_field: &str) -> Result<Vec<Case>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // Windows editors start files with a byte order mark.
    evaluate::read_cases(text.trim_start_matches('\u{feff}'), label_field)
        .map_err(|e| anyhow!("{}: {e}", path.display()))
}

fn readable(report: &Report) -> String {
    let percent = |rate: Option<f64>| {
        rate.map_or_else(|| "–".to_owned(), |rate| format!("{:.1} %", rate * 100.0))
    };
    let micros = |micros: Option<f64>| {
        micros.map_or_else(|| "–".to_owned(), |micros| format!("{micros:.1} µs"))
    };
    let trainings = match report.accuracy_spread {
        Some(spread) => format!(
            "{}, accuracy from {} to {}",
            report.trainings,
            percent(Some(spread.least)),
            percent(Some(spread.most))
        ),
        None => report.trainings.to_string(),
    };
    let rows: Vec<Vec<String>> = [
        ("accuracy (in scope)", percent(report.accuracy)),
        ("macro-F1", percent(report.macro_f1)),
        ("out of scope: recall", percent(report.oos_recall)),
        ("out of scope: AUROC", percent(report.oos_auroc)),
        ("calibration error", percent(report.ece)),
        ("a route, p50", micros(report.route_micros.p50)),
        ("a route, p99", micros(report.route_micros.p99)),
        ("model", format!("{} KB", report.model_bytes / 1024)),
        ("training", format!("{:.2} s", report.train_seconds)),
        (
            "coverage at 95 / 98 / 99 % precision",
            [report.coverage.at_95, report.coverage.at_98, report.coverage.at_99]
                .map(percent)
                .join(" / "),
        ),
        ("trainings", trainings),
        (
            "lines",
            format!(
                "{} + {} out of scope, {} labels",
                report.lines, report.oos_lines, report.labels
            ),
        ),
    ]
    .into_iter()
    .map(|(name, value)| vec![name.to_owned(), value])
    .collect();
    let mut out = table(&["figure", "value"], &rows);
    let confusion: Vec<Vec<String>> = serde_rows(&report.confusion);
    if !confusion.is_empty() {
        out.push_str("\n\nmost frequent mistakes\n");
        out.push_str(
            &confusion
                .iter()
                .take(10)
                .map(|row| format!("  {}", row.join("  ")))
                .collect::<Vec<_>>()
                .join("\n"),
        );
    }
    let worst: Vec<Vec<String>> = serde_rows(&report.worst_errors);
    if !worst.is_empty() {
        out.push_str("\n\nworst errors\n");
        out.push_str(
            &worst
                .iter()
                .take(10)
                .map(|row| format!("  {}", platform::text::short(&row.join("  "), 160)))
                .collect::<Vec<_>>()
                .join("\n"),
        );
    }
    out
}

/// Fields of each row as `name value`.
fn serde_rows(rows: &impl serde::Serialize) -> Vec<Vec<String>> {
    let value = serde_json::to_value(rows).unwrap_or_default();
    let cell = |(name, value): (&String, &serde_json::Value)| {
        format!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row.as_object())
        .map(|row| row.iter().map(cell).collect())
        .collect()
}
