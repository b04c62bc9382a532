//! `[agents.<id>]`: how each agent of the graph is run, and what that means for money, lost runs
//! and tokens.
//!
//! This is the only reader of the table. The gateway reads it with [`Agents::read_each`], adds the
//! keys of each runner and reports every problem. The other services read the same agents with
//! [`Agents::read`] and report nothing. The rest of a value that cannot be read is strict: its
//! price is unknown, its run may have effects, its daily budget is 0.

mod asked;
mod kinds;
mod price;

pub use kinds::{DEFAULT, KINDS, RunnerKind};
pub use price::Price;

use crate::config::{Report, Section};
use crate::models::{Model, Models, Use};
use contracts::{AgentId, Micros, TokenPrices};
use serde_json::Value;
use std::collections::BTreeMap;

/// One agent: the keys that every runner has.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Spelled as in the file.
    pub id: String,
    /// `None`: the file names a runner that this version does not have.
    pub runner: Option<RunnerKind>,
    pub price: Price,
    /// `daily_budget`, dollars: a limit for this agent inside the owner's own.
    pub daily_budget: Option<Micros>,
    /// `max_cost`, dollars: no run of this agent goes above it, whatever the rules approve.
    pub max_cost: Option<Micros>,
    /// `session = "conversation"`: its program's own session is resumed by the next message.
    pub keeps_session: bool,
    /// `history`: earlier turns of the conversation that a run is handed.
    pub history: u32,
    /// Prices of the list for the model that its program is handed, where the owner states none.
    /// They say what a run has cost, and never that it may begin.
    pub listed: Option<TokenPrices>,
    /// The model that its runs ask, for a runner that is calls to one; after it its fallback.
    pub models: Vec<Model>,
}

/// Default of `history`.
const HISTORY: u32 = 10;
/// Maximum of `history`.
const HISTORY_MAX: i64 = 100;

impl Agent {
    /// An agent without a table: the model for such agents runs it, else [`DEFAULT`] for nothing.
    fn unlisted(id: &str, models: &[Model]) -> Self {
        let model = models.first();
        let runner = model.map_or(DEFAULT, |model| asked::runner_of(model.api));
        Self {
            id: id.to_owned(),
            runner: Some(runner),
            price: runner.price(None, model.map(|model| model.prices.highest())),
            listed: None,
            models: models.to_vec(),
            daily_budget: None,
            max_cost: None,
            keeps_session: true,
            history: HISTORY,
        }
    }
    /// Whether a run may change something, so that a lost run is not repeated without the owner.
    pub fn may_have_effects(&self) -> bool {
        self.runner.is_none_or(|kind| kind.may_have_effects)
    }
    /// Whether a run may use a model, so that tokens mean something.
    pub fn uses_model(&self) -> bool {
        self.runner.is_none_or(|kind| kind.uses_model)
    }
    /// Whether a run starts a program on the gateway's machine.
    pub fn is_program(&self) -> bool {
        self.runner.is_none_or(|kind| kind.is_program)
    }

    fn read(id: &str, kinds: &[RunnerKind], models: &Models, section: &mut Section<'_>) -> Self {
        let for_agents = models.used_for(Use::Agents);
        let runner = runner(kinds, for_agents, section);
        let model = match runner.and_then(|kind| kind.asks) {
            Some(_) if !section.has("runner") => for_agents.cloned(),
            Some(api) => asked::read(api, models, section),
            None => None,
        };
        let price = price(runner, model.as_ref(), section);
        let fallback = model.as_ref().and_then(|model| models.fallback(model));
        let asked = model.map(|model| asked::priced(model, price));
        let daily_budget = section.dollars("daily_budget");
        let unreadable = section.has("daily_budget").then_some(Micros::ZERO);
        let max_cost = max_cost(price, section);
        let keeps_session =
            section.one_of("session", &[("conversation", true), ("none", false)]).unwrap_or(true);
        let turns = section.whole("history", 0, HISTORY_MAX).and_then(|n| u32::try_from(n).ok());
        Self {
            id: id.to_owned(),
            runner,
            price,
            daily_budget: daily_budget.or(unreadable),
            max_cost,
            keeps_session,
            // Each message by itself, unless the owner says more.
            history: turns.unwrap_or(if keeps_session { HISTORY } else { 0 }),
            listed: None,
            models: asked.into_iter().chain(fallback.cloned()).collect(),
        }
    }
}

/// All agents of the file. Ids are compared without case, so that no spelling finds a cheaper
/// runner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agents {
    listed: BTreeMap<String, Agent>,
    /// The model for agents that are not listed, and its fallback.
    models: Vec<Model>,
}

impl Agents {
    /// Reads `[agents]` of the whole configuration (the file as JSON). The gateway reports the
    /// problems.
    pub fn read(root: &Value) -> Self {
        Self::read_as(KINDS, root)
    }
    /// The same with other runners than this version's.
    pub fn read_as(kinds: &[RunnerKind], root: &Value) -> Self {
        Self::read_each(kinds, root, &Report::default(), |_, _| ())
    }
    /// The same with every problem in the report. `each` gets an agent with its table, reads the
    /// keys of its runner and finishes the table.
    pub fn read_each<'a>(
        kinds: &[RunnerKind],
        root: &'a Value,
        report: &'a Report,
        mut each: impl FnMut(&Agent, Section<'a>),
    ) -> Self {
        let mut table = Section::new(root.get("agents"), "agents", report);
        // The assistant reports the problems of models.
        let models = Models::read(root, &Report::default());
        let for_agents = models.chain_for(Use::Agents).into_iter().cloned().collect();
        let mut agents = Self { listed: BTreeMap::new(), models: for_agents };
        for id in table.names() {
            let is_table = table.value(&id).is_some_and(Value::is_object);
            let mut section = table.section(&id);
            let mut agent = Agent::read(&id, kinds, &models, &mut section);
            if agent.price == Price::Unknown && agent.is_program() {
                let model = root.pointer(&format!("/agents/{id}/model")).and_then(Value::as_str);
                agent.listed =
                    model.and_then(|model| models.list().of(model)).map(|of| of.highest());
            }
            if !is_table {
                agent = Agent { runner: None, price: Price::Unknown, ..agent };
            }
            if let Some(other) = agents.listed.get(&id.to_lowercase()) {
                let message = format!("differs from {} in capitals only.", other.id);
                table.wrong(&id, &message, "Keep one of the two: ids are compared without case.");
            }
            each(&agent, section);
            agents.listed.insert(id.to_lowercase(), agent);
        }
        agents
    }
    /// The agent of this id, in any case.
    pub fn get(&self, id: &str) -> Option<&Agent> {
        self.listed.get(&id.to_lowercase())
    }
    /// The agent of this id. One that the file does not list is run by the model for such agents,
    /// else by [`DEFAULT`] for nothing.
    pub fn agent(&self, id: &AgentId) -> Agent {
        let unlisted = || Agent::unlisted(id.as_str(), &self.models);
        self.get(id.as_str()).cloned().unwrap_or_else(unlisted)
    }
    /// All agents of the file, in the order of their ids in lower case.
    pub fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.listed.values()
    }
}

/// The runner that the table names. When it names none, that of the model for agents, else
/// [`DEFAULT`].
fn runner(
    kinds: &[RunnerKind],
    for_agents: Option<&Model>,
    section: &mut Section<'_>,
) -> Option<RunnerKind> {
    let Some(name) = section.text("runner") else {
        let unnamed = for_agents.map_or(DEFAULT, |model| asked::runner_of(model.api));
        return (!section.has("runner")).then_some(unnamed);
    };
    let known = kinds.iter().copied().find(|kind| kind.name == name);
    if known.is_none() {
        refuse(&name, kinds, section);
    }
    known
}

fn refuse(name: &str, kinds: &[RunnerKind], section: &Section<'_>) {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
    section.wrong(
        "runner",
        &format!("\"{name}\" is no runner."),
        &format!("The runners are: {}.", names.join(", ")),
    );
}

fn price(runner: Option<RunnerKind>, model: Option<&Model>, section: &mut Section<'_>) -> Price {
    let stated = section.dollars("estimated_cost");
    let tokens = section.token_prices();
    if stated.is_some() && tokens.is_some() {
        section.wrong(
            "estimated_cost",
            "stands beside prices of tokens, and only one can count.",
            "Remove it, or remove input_price and output_price.",
        );
    }
    let unreadable = stated.is_none() && section.has("estimated_cost");
    let tokens = tokens.or_else(|| model.map(|model| model.prices.highest()));
    match runner.filter(|_| !unreadable) {
        Some(kind) => kind.price(stated, tokens),
        None => Price::Unknown,
    }
}

/// `max_cost`; one that cannot be read allows nothing.
fn max_cost(price: Price, section: &mut Section<'_>) -> Option<Micros> {
    let most = section.dollars("max_cost");
    if let (Some(most), Price::Known(price)) = (most, price)
        && most < price
    {
        section.wrong(
            "max_cost",
            &format!("is {most}, less than the {price} of estimated_cost."),
            "Raise it, or lower estimated_cost.",
        );
    }
    most.or_else(|| section.has("max_cost").then_some(Micros::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::TokenPrices;
    use serde_json::json;

    fn read(agents: &Value) -> (Agents, Vec<String>) {
        let report = Report::default();
        let root = json!({ "agents": agents });
        let agents = Agents::read_each(KINDS, &root, &report, |_, _| ());
        let line = |p: crate::config::ConfigProblem| format!("{}: {}", p.path, p.message);
        (agents, report.into_problems().into_iter().map(line).collect())
    }

    #[test]
    fn a_price_is_stated_or_by_tokens_or_that_of_the_runner() {
        let (agents, problems) = read(&json!({
            "Codegen": {"runner": "command"},
            "tests": {"runner": "command", "estimated_cost": 0.5, "daily_budget": 20},
            "metered": {"runner": "command", "input_price": 3, "output_price": 15},
            "local": {"runner": "command", "input_price": 0, "output_price": 0},
            "docs": {"input_price": 3, "output_price": 15},
            "paid": {"runner": "knowledge", "estimated_cost": 0.1},
        }));
        assert_eq!(problems, Vec::<String>::new());
        let price = |id: &str| agents.agent(&AgentId::from(id)).price;
        assert_eq!(price("codeGEN"), Price::Unknown);
        assert_eq!(price("TESTS"), Price::Known(Micros(500_000)));
        let prices = TokenPrices { input: Micros(3_000_000), output: Micros(15_000_000) };
        assert_eq!(price("metered"), Price::Tokens(prices));
        assert_eq!(price("local"), Price::Known(Micros::ZERO));
        assert_eq!(price("docs"), Price::Known(Micros::ZERO), "it uses no model");
        assert_eq!(price("paid"), Price::Known(Micros(100_000)));
        assert_eq!(price("unlisted"), Price::Known(Micros::ZERO));
        assert_eq!(agents.get("Tests").unwrap().daily_budget, Some(Micros(20_000_000)));
    }

    #[test]
    fn price_of_the_list_says_what_a_run_has_cost_and_never_that_it_may_begin() {
        let (agents, _) = read(&json!({
            "a": {"runner": "codex", "model": "gpt-5"},
            "b": {"runner": "codex", "model": "gpt-5", "estimated_cost": 0.5},
            "c": {"runner": "codex"},
        }));
        let of = |id: &str| agents.agent(&AgentId::from(id));
        assert_eq!((of("a").price, of("a").listed.is_some()), (Price::Unknown, true));
        assert_eq!((of("b").listed, of("c").listed), (None, None));
    }

    #[test]
    fn an_unreadable_agent_is_read_strictly() {
        for bad in
            [json!({"runner": "gemini"}), json!({"runner": "shell"}), json!({"runner": true})]
        {
            let (agents, problems) = read(&json!({ "a": bad }));
            let agent = agents.get("a").unwrap();
            assert_eq!((agent.price, agent.runner, problems.len()), (Price::Unknown, None, 1));
            assert!(agent.may_have_effects() && agent.uses_model() && agent.is_program());
        }
        let (agents, problems) = read(&json!({"a": "command"}));
        assert_eq!(agents.get("a").unwrap().price, Price::Unknown, "{problems:?}");
        let (agents, problems) = read(&json!({"a": {"estimated_cost": "x", "daily_budget": "y"}}));
        let agent = agents.get("a").unwrap();
        assert_eq!((agent.price, problems.len()), (Price::Unknown, 2));
        assert_eq!(agent.daily_budget, Some(Micros::ZERO), "an unreadable limit allows nothing");
    }

    #[test]
    fn a_maximum_below_the_estimate_is_refused_and_an_unreadable_one_allows_nothing() {
        let run = |more: Value| {
            let mut agent = json!({"runner": "command", "estimated_cost": 1});
            agent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let (agents, problems) = read(&json!({ "a": agent }));
            (agents.get("a").unwrap().max_cost, problems)
        };
        assert_eq!(run(json!({})), (None, vec![]));
        assert_eq!(run(json!({"max_cost": 1})), (Some(Micros(1_000_000)), vec![]));
        assert_eq!(
            run(json!({"max_cost": 0.5})).1,
            ["agents.a.max_cost: is $0.50, less than the $1.00 of estimated_cost."]
        );
        let (most, problems) = run(json!({"max_cost": "much"}));
        assert_eq!((most, problems.len()), (Some(Micros::ZERO), 1));
    }

    #[test]
    fn ids_that_differ_in_capitals_only_are_refused() {
        let (_, problems) = read(&json!({"A": {"runner": "command"}, "a": {}}));
        assert_eq!(problems, ["agents.a: differs from A in capitals only."]);
    }
}
