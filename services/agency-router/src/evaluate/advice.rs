//! What to write into the claim files so that more messages find their agent.

use super::{LabelFigures, Report};
use serde::Serialize;

/// With fewer examples an agent is guessed at more than learned: on CLINC150, 10 a label give 82 % where 100 give 94 %.
const EXAMPLES_ENOUGH: usize = 20;
/// Agents that do worse than this get a hint.
const GOOD: f64 = 0.95;

/// One thing to write.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    pub agent: String,
    pub examples: usize,
    /// Share of its examples that found it when they were left out of the training; none where it has none.
    pub accuracy: Option<f64>,
    pub write: String,
}

/// For each agent that could do better, the worst first. `agents` are all of the graph: those without an example too.
pub fn advice(report: &Report, agents: &[String]) -> Vec<Advice> {
    let mut all: Vec<Advice> = agents.iter().filter_map(|agent| of(report, agent)).collect();
    all.sort_by(|a, b| {
        a.accuracy
            .unwrap_or(0.0)
            .total_cmp(&b.accuracy.unwrap_or(0.0))
            .then_with(|| a.agent.cmp(&b.agent))
    });
    all
}

fn of(report: &Report, agent: &str) -> Option<Advice> {
    let figures = report.per_label.iter().find(|figures| figures.label == agent);
    let Some(LabelFigures { lines, right, .. }) = figures else {
        let write = format!(
            "`## Examples` with {EXAMPLES_ENOUGH} messages that people would send to it: it has none, and only an @{agent} reaches it for sure"
        );
        return Some(Advice { agent: agent.to_owned(), examples: 0, accuracy: None, write });
    };
    let accuracy = *right as f64 / *lines as f64;
    let write = if *lines < EXAMPLES_ENOUGH {
        let missing = EXAMPLES_ENOUGH - lines;
        format!(
            "{missing} more example{}, each worded in another way: it has {lines}",
            if missing == 1 { "" } else { "s" }
        )
    } else if accuracy < GOOD {
        let taken = report.confusion.iter().find(|pair| pair.label == agent)?;
        let other = &taken.predicted;
        let such = report
            .worst_errors
            .iter()
            .find(|error| error.label == agent && error.predicted == *other);
        let such = such
            .map(|error| format!(", like “{}”", error.text.chars().take(80).collect::<String>()))
            .unwrap_or_default();
        format!(
            "more examples that tell it from {other}, which takes {} of its {lines}{such}",
            taken.count
        )
    } else {
        return None;
    };
    Some(Advice { agent: agent.to_owned(), examples: *lines, accuracy: Some(accuracy), write })
}

#[cfg(test)]
mod tests {
    use super::super::{ConfusionPair, WorstError};
    use super::*;

    #[test]
    fn every_weak_agent_is_told_what_to_write_and_a_good_one_nothing() {
        let figures =
            |label: &str, lines, right| LabelFigures { label: label.into(), lines, right };
        let report = Report {
            per_label: vec![
                figures("good", 100, 99),
                figures("mixed", 50, 40),
                figures("young", 8, 8),
            ],
            confusion: vec![ConfusionPair {
                label: "mixed".into(),
                predicted: "good".into(),
                count: 7,
            }],
            worst_errors: vec![WorstError {
                text: "do the thing".into(),
                label: "mixed".into(),
                predicted: "good".into(),
                confidence: 0.9,
                in_scope: 0.9,
                terms: Vec::new(),
            }],
            ..Report::default()
        };
        let names: Vec<String> = ["good", "mixed", "young", "mute"].map(str::to_owned).to_vec();
        let found = advice(&report, &names);
        let agents: Vec<&str> = found.iter().map(|one| one.agent.as_str()).collect();
        assert_eq!(agents, ["mute", "mixed", "young"]);
        assert!(
            found[0].write.contains("## Examples")
                && found[2].write.starts_with("12 more examples")
        );
        assert_eq!(
            found[1].write,
            "more examples that tell it from good, which takes 7 of its 50, like “do the thing”"
        );
    }
}
