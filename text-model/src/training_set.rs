//! The training set: labelled lines from a skill graph or from a file of examples.

use contracts::graph::{Agent, Graph};

/// Seed of every published model, so that a graph's version determines its model.
pub const SEED: u64 = 0x5175_696e;
/// Weight of keywords, descriptions and bullets, relative to an example.
const STATEMENT_WEIGHT: f32 = 0.5;

/// One training line.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    pub text: String,
    /// Index in [`TrainingSet::labels`].
    pub label: usize,
    /// 1 for an example, less for a description of the label.
    pub weight: f32,
    /// Whether it is an exclusion of the label.
    pub against: bool,
}

/// Whether a line of this weight is a message that should reach its label, and neither a
/// description nor an exclusion.
pub fn should_find(weight: f32, against: bool) -> bool {
    weight >= 1.0 && !against
}

/// All lines of a training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingSet {
    pub labels: Vec<String>,
    pub examples: Vec<Example>,
    /// Out-of-scope lines.
    pub out_of_scope: Vec<String>,
    pub seed: u64,
    /// Disables character n-grams, for texts with few important words.
    pub without_letters: bool,
}

impl TrainingSet {
    /// The lines of a graph: each agent's examples; its title, description, keywords, aliases and
    /// bullets at half weight; and its exclusions. The fallback agent is a class only if it has
    /// examples.
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

    /// Labelled lines of a file; `none` is the out-of-scope label.
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
