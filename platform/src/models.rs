//! `[models.<name>]`: the models that the owner has, their uses and their prices.
//!
//! This is the only reader of the table. The assistant reads it with a report and so tells every
//! problem; the other services read the same models and report nothing.

mod prices;

pub use prices::{LIST_KEY, ModelPrices, PriceList, Row};

use crate::config::{Report, Section};
use crate::secret::Secret;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The protocol of a model's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Anthropic's Messages API.
    Anthropic,
    /// `OpenAI`'s chat completions, as Ollama, `LiteLLM`, `OpenRouter`, vLLM and others speak them.
    OpenAi,
}

impl Api {
    /// The value of `api = "…"`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
        }
    }
    const fn default_url(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::OpenAi => "https://api.openai.com/v1",
        }
    }
}

/// Something that a model may be used for without being named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// The owner's chat.
    Chat,
    /// A look at approvals before the owner is asked.
    Review,
    /// The choice between two agents that are equally likely.
    Ties,
    /// Summaries of long conversations.
    Summary,
    /// Agents of the graph that have no table of their own.
    Agents,
}

impl Use {
    /// The word in `uses = […]`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, what)| *what == self).map_or("", |(name, _)| name)
    }
    const ALL: [(&'static str, Self); 5] = [
        ("chat", Self::Chat),
        ("review", Self::Review),
        ("ties", Self::Ties),
        ("summary", Self::Summary),
        ("agents", Self::Agents),
    ];
}

/// A model.
#[derive(Clone, Debug)]
pub struct Model {
    /// The name of its table.
    pub name: String,
    pub api: Api,
    /// Without a slash at its end.
    pub base_url: String,
    pub api_key: Option<Secret>,
    /// The model's id on its server.
    pub model: String,
    pub uses: BTreeSet<Use>,
    /// The model to ask when this one cannot be reached.
    pub fallback: Option<String>,
    pub prices: ModelPrices,
    /// The header `anthropic-version`.
    pub version: String,
    /// Maximum tokens of one answer.
    pub output_max: u64,
    pub sees_images: bool,
    /// Maximum wait for the first part of an answer and between two parts.
    pub timeout_ms: u64,
}

/// Default of `max_tokens`.
const OUTPUT_MAX: i64 = 4_096;
/// Default of `timeout_s`. A local server may load the model first.
const TIMEOUT_S: i64 = 120;
/// Default of `version`.
const VERSION: &str = "2023-06-01";

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.base_url, &self.model, &self.prices)
            == (&other.name, &other.base_url, &other.model, &other.prices)
    }
}

impl Model {
    /// The same server with another model. `None`: the list has no price for it.
    pub fn with_model(&self, model: &str, list: &PriceList) -> Option<Self> {
        let prices = if model == self.model { Some(self.prices.clone()) } else { list.of(model) }?;
        Some(Self { model: model.to_owned(), prices, ..self.clone() })
    }
    /// Whether it may be used for this.
    pub fn is_for(&self, what: Use) -> bool {
        self.uses.contains(&what)
    }

    fn read(name: &str, list: &PriceList, mut section: Section<'_>) -> Option<Self> {
        let api = read_api(name, &mut section);
        let base_url = section.url("base_url");
        let bad_url = base_url.is_none() && section.has("base_url");
        let model = section.text("model");
        let model = section.required("model", model, "Write the model's name on its server.");
        let api_key = section.secret("api_key");
        let uses = read_uses(&mut section);
        let fallback = section.text("fallback");
        let tokens = section.token_prices();
        let cache = (section.dollars("cache_read_price"), section.dollars("cache_write_price"));
        let stated = tokens.map(|tokens| ModelPrices::stated(tokens, cache));
        let listed = model.as_deref().and_then(|model| list.of(model));
        let has_stated = section.has("input_price") || section.has("output_price");
        let prices = if has_stated { stated } else { listed };
        if let (false, None, Some(model)) = (has_stated, &prices, &model) {
            section.wrong(
                "input_price",
                &format!("is missing, and the list of prices does not have \"{model}\"."),
                "Write input_price and output_price in dollars per million tokens; 0 for a model of your own.",
            );
        }
        let version = section.text("version").unwrap_or_else(|| VERSION.to_owned());
        let output_max = section.whole("max_tokens", 16, 1_000_000).unwrap_or(OUTPUT_MAX);
        let sees_images = section.flag("images");
        let timeout_s = section.whole("timeout_s", 1, 600).unwrap_or(TIMEOUT_S);
        section.finish();
        let api = api?;
        let base_url = base_url.unwrap_or_else(|| api.default_url().to_owned());
        Some(Self {
            name: name.to_owned(),
            api,
            base_url: (!bad_url).then_some(base_url)?,
            api_key,
            model: model?,
            uses,
            fallback,
            prices: prices?,
            version,
            output_max: output_max.unsigned_abs(),
            sees_images: sees_images.unwrap_or(api == Api::Anthropic),
            timeout_ms: timeout_s.unsigned_abs() * 1000,
        })
    }
}

/// `api`; a table called as one of them speaks it.
fn read_api(name: &str, section: &mut Section<'_>) -> Option<Api> {
    let apis = [Api::Anthropic, Api::OpenAi];
    if section.has("api") {
        return section.one_of("api", &apis.map(|api| (api.name(), api)));
    }
    let by_name = apis.into_iter().find(|api| api.name() == name);
    section.required("api", by_name, "Write api = \"anthropic\" or \"openai\".")
}

fn read_uses(section: &mut Section<'_>) -> BTreeSet<Use> {
    let given = section.texts("uses").unwrap_or_default();
    let mut uses = BTreeSet::new();
    for word in given {
        match Use::ALL.iter().find(|(name, _)| *name == word) {
            Some((_, what)) => {
                uses.insert(*what);
            }
            None => {
                let names = Use::ALL.map(|(name, _)| name).join(", ");
                section.wrong(
                    "uses",
                    &format!("has \"{word}\", which is no use of a model."),
                    &format!("The uses are: {names}."),
                );
            }
        }
    }
    // The key of the first version.
    if section.flag("breaks_ties") == Some(true) {
        uses.insert(Use::Ties);
    }
    uses
}

/// All models of the file.
#[derive(Clone, Debug, Default)]
pub struct Models {
    by_name: BTreeMap<String, Model>,
    /// Also of tables that cannot be read.
    names: Vec<String>,
    list: PriceList,
}

impl Models {
    /// Reads `[models]` of the whole configuration (the file as JSON), with every problem in the
    /// report.
    pub fn read(root: &Value, report: &Report) -> Self {
        let mut table = Section::new(root.get("models"), "models", report);
        let names = table.names();
        let mut models = Self { by_name: BTreeMap::new(), names, list: price_list(root, report) };
        for name in &models.names {
            if let Some(model) = Model::read(name, &models.list, table.section(name)) {
                models.by_name.insert(name.clone(), model);
            }
        }
        for model in models.by_name.values() {
            let Some(fallback) = &model.fallback else { continue };
            if !models.has(fallback) || *fallback == model.name {
                report.add(
                    format!("models.{}.fallback", model.name),
                    format!("is \"{fallback}\", which is no other model of this file."),
                    "Write the name of another [models.<name>], or remove the key.",
                );
            }
        }
        for (word, what) in Use::ALL {
            let several: Vec<&str> = models.all_for(what).map(|one| one.name.as_str()).collect();
            if several.len() > 1 {
                report.add(
                    "models",
                    format!("has {} for \"{word}\".", several.join(" and ")),
                    format!("Keep \"{word}\" in the uses of one of them."),
                );
            }
        }
        models
    }
    /// The model of this name.
    pub fn get(&self, name: &str) -> Option<&Model> {
        self.by_name.get(name)
    }
    /// Whether the file has a table of this name, even if it cannot be read.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
    /// The prices of models that the file does not name.
    pub fn list(&self) -> &PriceList {
        &self.list
    }
    /// The model for a use.
    pub fn used_for(&self, what: Use) -> Option<&Model> {
        self.all_for(what).next()
    }
    /// The model for a use, and after it its fallback.
    pub fn chain_for(&self, what: Use) -> Vec<&Model> {
        let model = self.used_for(what);
        model.into_iter().chain(model.and_then(|model| self.fallback(model))).collect()
    }
    /// The model to ask when this one cannot be reached.
    pub fn fallback(&self, model: &Model) -> Option<&Model> {
        self.get(model.fallback.as_deref()?)
    }
    /// All models, by their names.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.by_name.values()
    }
    fn all_for(&self, what: Use) -> impl Iterator<Item = &Model> {
        self.by_name.values().filter(move |model| model.is_for(what))
    }
}

/// The list in force: a newer one of the owner, else that of this version.
pub fn price_list(root: &Value, report: &Report) -> PriceList {
    let shipped = PriceList::shipped();
    let Some(own) = root.get(LIST_KEY) else { return shipped };
    match PriceList::parse(&own.to_string()) {
        // A program that is upgraded later may bring newer prices.
        Ok(own) if own.checked >= shipped.checked => own,
        Ok(_) => shipped,
        Err(why) => {
            report.add(LIST_KEY, why, "Run `quintet models prices --update FILE` again.");
            shipped
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{Micros, TokenPrices, TokenUsage};
    use serde_json::json;

    fn read(models: &Value) -> (Models, Vec<String>) {
        let report = Report::default();
        let models = Models::read(&json!({ "models": models }), &report);
        let line = |p: crate::config::ConfigProblem| format!("{}: {}", p.path, p.message);
        (models, report.into_problems().into_iter().map(line).collect())
    }

    #[test]
    fn model_with_a_known_name_needs_no_price_and_no_address() {
        let (models, problems) = read(&json!({
            "claude": {"api": "anthropic", "api_key": "k", "model": "claude-opus-5-5", "uses": ["chat", "review"]},
            "anthropic": {"api_key": "k", "model": "claude-haiku-5-5"},
        }));
        assert_eq!(problems, Vec::<String>::new());
        let claude = models.used_for(Use::Chat).unwrap();
        assert_eq!(
            (claude.name.as_str(), claude.base_url.as_str()),
            ("claude", "https://api.anthropic.com")
        );
        assert_eq!(
            claude.prices.highest(),
            TokenPrices { input: Micros(4_000_000), output: Micros(20_000_000) }
        );
        assert!(claude.sees_images && models.used_for(Use::Ties).is_none());
        assert_eq!(models.get("anthropic").unwrap().api, Api::Anthropic);
    }

    #[test]
    fn unpriced_model_is_refused_and_is_never_free() {
        let (models, problems) = read(
            &json!({"local": {"api": "openai", "base_url": "http://127.0.0.1:11434/v1", "model": "llama4"}}),
        );
        assert!(models.get("local").is_none());
        assert_eq!(
            problems,
            [
                "models.local.input_price: is missing, and the list of prices does not have \"llama4\"."
            ]
        );
        let (models, problems) = read(
            &json!({"local": {"api": "openai", "model": "llama4", "input_price": 0, "output_price": 0}}),
        );
        assert_eq!(problems, Vec::<String>::new());
        assert!(models.get("local").unwrap().prices.are_free());
    }

    #[test]
    fn stated_prices_go_over_the_list_and_cached_tokens_cost_what_is_stated() {
        let (models, _) = read(
            &json!({"anthropic": {"model": "claude-opus-5-5", "input_price": 2, "output_price": 10, "cache_read_price": 0.1}}),
        );
        let prices = &models.get("anthropic").unwrap().prices;
        let usage = TokenUsage {
            input: 1_000_000,
            output: 1_000_000,
            cache_read: 1_000_000,
            cache_write: 1_000_000,
            ..TokenUsage::default()
        };
        assert_eq!(prices.cost(&usage, 0), Micros(2_000_000 + 10_000_000 + 100_000 + 2_000_000));
    }

    #[test]
    fn problems_of_models_are_listed_at_once() {
        let (_, problems) = read(&json!({
            "a": {"model": "claude-opus-5-5", "base_url": "http://example.com", "colour": "red"},
            "b": {"api": "anthropic", "model": "claude-opus-5-5", "uses": ["chat", "everything"], "fallback": "c"},
            "d": {"api": "grpc", "model": "claude-opus-5-5", "uses": ["chat"], "input_price": 1},
            "e": {"api": "anthropic", "model": "claude-opus-5-5", "uses": ["chat"]},
        }));
        let paths: Vec<_> = problems.iter().map(|line| line.split(": ").next().unwrap()).collect();
        assert_eq!(
            paths,
            [
                "models.a.api",
                "models.a.base_url",
                "models.a.colour",
                "models.b.uses",
                "models.d.api",
                "models.d.output_price",
                "models.b.fallback",
                "models",
            ]
        );
    }

    #[test]
    fn newer_list_of_the_owner_counts_and_an_older_one_does_not() {
        let list = |checked: &str| {
            json!({"models": {"x": {"api": "openai", "model": "own-1"}}, LIST_KEY: {"checked": checked, "models": [
                {"model": "own-1", "input": 1, "output": 2}]}})
        };
        let has = |root: &Value| Models::read(root, &Report::default()).get("x").is_some();
        assert!(has(&list("2027-01-01")));
        assert!(!has(&list("2025-01-01")));
        let report = Report::default();
        Models::read(&json!({ LIST_KEY: {"checked": 7} }), &report);
        assert_eq!(report.into_problems().len(), 1);
    }
}
