//! What a model learns from: lines with labels, taken from a skill graph or from a file of examples.

use contracts::graph::{Agent, Graph};

/// Seed of every published model: a graph's version alone decides its model.
pub const SEED: u64 = 0x5175_696e;
/// What keywords, descriptions and bullets count beside an example.
const STATEMENT_WEIGHT: f32 = 0.5;

/// One line to learn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub text: String,
    /// Place in [`TrainingSet::labels`].
    pub label: usize,
    /// 1 for an example, less for what only describes the label.
    pub weight: f32,
    /// The label is what it is not for.
    pub against: bool,
}

/// Whether a line of this weight is a message that should find its label: neither a description of it, nor what it is not for.
pub fn should_find(weight: f32, against: bool) -> bool {
    weight >= 1.0 && !against
}

/// All lines of a training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingSet {
    pub labels: Vec<String>,
    pub examples: Vec<Example>,
    /// Lines that are for none of the labels.
    pub out_of_scope: Vec<String>,
    pub seed: u64,
    /// Letters within words are no features: for texts of which few words matter.
    pub without_letters: bool,
}

impl TrainingSet {
    /// The lines of a graph: each agent's examples, at half weight its title, description, keywords, aliases and
    /// bullets, and what it says it is not for. The fallback agent is a class only where it has examples.
    pub fn from_graph(graph: &Graph) -> Self {
        let fallback = graph.fallback_agent().map(|agent| &agent.id);
        let learnt = graph
            .agents
            .iter()
            .filter(|agent| Some(&agent.id) != fallback || !agent.examples.is_empty());
        let mut set = Self { seed: SEED, ..Self::default() };
        for agent in learnt {
            let label = set.labels.len();
            set.labels.push(agent.id.as_str().to_owned());
            set.examples.extend(lines_of(agent, label));
        }
        set
    }

    /// Labelled lines as they stand in a file; `none` is the label that means "none of these".
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>, none: &str) -> Self {
        let mut set = Self { seed: SEED, ..Self::default() };
        let mut places = std::collections::HashMap::new();
        for (text, label) in pairs {
            if label == none {
                set.out_of_scope.push(text.to_owned());
                continue;
            }
            let labels = &mut set.labels;
            let place = *places.entry(label).or_insert_with(|| {
                labels.push(label.to_owned());
                labels.len() - 1
            });
            set.examples.push(Example {
                text: text.to_owned(),
                label: place,
                weight: 1.0,
                against: false,
            });
        }
        set
    }
}

fn lines_of(agent: &Agent, label: usize) -> Vec<Example> {
    let of_weight =
        |text: &String, weight: f32| Example { text: text.clone(), label, weight, against: false };
    let against =
        agent.negatives.iter().map(|text| Example { against: true, ..of_weight(text, 1.0) });
    let statements = [&agent.title, &agent.description]
        .into_iter()
        .chain(&agent.keywords)
        .chain(&agent.aliases)
        .chain(&agent.bullets);
    let statements = statements
        .filter(|text| !text.trim().is_empty())
        .map(|text| of_weight(text, STATEMENT_WEIGHT));
    agent
        .examples
        .iter()
        .map(|text| of_weight(text, 1.0))
        .chain(statements)
        .chain(against)
        .collect()
}
