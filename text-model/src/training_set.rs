//! The training set: labelled lines from a skill graph or from a file of examples.

use crate::lexical::{About, Field};
use contracts::graph::{Agent, Graph, Skill};

/// Seed of every published model, so that a graph's version determines its model.
pub const SEED: u64 = 0x5175_696e;
/// Maximum agents of a model.
pub const AGENTS_MAX: usize = 2000;
/// Weight of keywords, descriptions and bullets, relative to an example.
const STATEMENT_WEIGHT: f32 = 0.5;
/// Statements of an agent among the training lines, if it has fewer examples than that. Published
/// agents have two hundred bullets and no example: as lines they would take a hundred times longer
/// than the lexical score, and mislead more often.
const STATEMENTS_MIN: usize = 8;
/// Front matter keys that list an agent's tools.
const TOOLS: [&str; 2] = ["tools", "allowed-tools"];

/// A graph of more agents than a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the graph has {0} agents, and a model takes {AGENTS_MAX}")]
pub struct TooManyAgents(usize);

impl TooManyAgents {
    /// The refusal of this graph, if it has too many.
    pub fn of(graph: &Graph) -> Option<Self> {
        Some(graph.agents.len()).filter(|count| *count > AGENTS_MAX).map(Self)
    }
    /// The change that lets it pass.
    pub const fn fix(self) -> &'static str {
        "Remove agents, or write `type: skill` into the files of some."
    }
}

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
    /// Statements of the labels' files, for the lexical score.
    pub about: Vec<About>,
    /// Out-of-scope lines.
    pub out_of_scope: Vec<String>,
    pub seed: u64,
    /// Disables character n-grams, for texts with few important words.
    pub without_letters: bool,
}

impl TrainingSet {
    /// The lines of a graph. Every agent's name, description, headings, tools and bullets are for
    /// the lexical score. Agents with examples come first; their examples are learnt, with as many
    /// of their statements at half weight and their exclusions. The fallback agent is a label only
    /// if it has examples.
    pub fn from_graph(graph: &Graph) -> Self {
        let fallback = graph.fallback_agent().map(|agent| &agent.id);
        let (taught, mute): (Vec<&Agent>, Vec<&Agent>) =
            graph.agents.iter().partition(|agent| !agent.examples.is_empty());
        let mute = mute.into_iter().filter(|agent| Some(&agent.id) != fallback);
        let mut set = Self { seed: SEED, ..Self::default() };
        for agent in taught.into_iter().chain(mute) {
            let label = set.labels.len();
            set.labels.push(agent.id.as_str().to_owned());
            set.examples.extend(lines_of(agent, label));
            set.about.extend(about(agent, graph.skill(&agent.skill), label));
        }
        set
    }

    /// Whether there is nothing to learn from.
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty() && self.about.is_empty()
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
    if agent.examples.is_empty() {
        return Vec::new();
    }
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
        .take(agent.examples.len().max(STATEMENTS_MIN))
        .map(|text| of_weight(text, STATEMENT_WEIGHT));
    agent
        .examples
        .iter()
        .map(|text| of_weight(text, 1.0))
        .chain(statements)
        .chain(against)
        .collect()
}

/// The statements of an agent and its file.
fn about(agent: &Agent, file: Option<&Skill>, label: usize) -> Vec<About> {
    let of = |field: Field| move |text: String| About { label, field, text };
    let id = agent.id.as_str();
    let title = Some(&agent.title).filter(|title| !title.eq_ignore_ascii_case(id));
    let names = title.into_iter().chain(&agent.aliases).cloned().chain([id.to_owned()]);
    let descriptions = agent.keywords.iter().chain([&agent.description]).cloned();
    let headings =
        file.into_iter().flat_map(|file| file.headings.iter().cloned().chain(tools(file)));
    let all = names.map(of(Field::Name)).chain(descriptions.map(of(Field::Description)));
    let all = all.chain(headings.map(of(Field::Heading)));
    all.chain(agent.bullets.iter().cloned().map(of(Field::Statement)))
        .filter(|about| !about.text.trim().is_empty())
        .collect()
}

/// The tools that a file lists, as text.
fn tools(file: &Skill) -> Vec<String> {
    let texts = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => vec![text.clone()],
        serde_json::Value::Array(list) => {
            list.iter().filter_map(serde_json::Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    TOOLS.iter().filter_map(|key| file.extra.get(*key)).flat_map(texts).collect()
}
