//! Advice on additions to the claim files, so that more messages reach their agent.

use super::report::{LabelFigures, Report};
use serde::Serialize;

/// Enough examples for an agent. With fewer it is mostly guessed: on CLINC150, 10 per label give 82
/// %, 100 give 94 %.
const EXAMPLES_ENOUGH: usize = 20;
/// Accuracy below which an agent gets advice.
const GOOD: f64 = 0.95;

/// One piece of advice.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    pub agent: String,
    pub examples: usize,
    /// Share of its held-out examples that reached it; none without any.
    pub accuracy: Option<f64>,
    pub write: String,
}

/// Advice for each agent that could improve, the worst first. `agents` are all agents of the graph,
/// including those without examples.
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
            "`## Examples` with {EXAMPLES_ENOUGH} messages that people would send to it: it has \
             none, so a message must share words with its file, or begin with @{agent}"
        );
        return Some(Advice { agent: agent.to_owned(), examples: 0, accuracy: None, write });
    };
    let accuracy = *right as f64 / *lines as f64;
    let write = if *lines < EXAMPLES_ENOUGH {
        let missing = EXAMPLES_ENOUGH - lines;
        format!(
            "{missing} more example{}, each with different wording: it has {lines}",
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
            "more examples that distinguish it from {other}, which takes {} of its {lines}{such}",
            taken.count
        )
    } else {
        return None;
    };
    Some(Advice { agent: agent.to_owned(), examples: *lines, accuracy: Some(accuracy), write })
}

#[cfg(test)]
mod tests {
    use super::super::report::{ConfusionPair, WorstError};
    use super::*;

    #[test]
    fn advice_covers_every_weak_agent_and_no_good_one() {
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
            "more examples that distinguish it from good, which takes 7 of its 50, like “do the \
             thing”"
        );
    }
}
