//! The model that an agent's runs ask, where its runner is calls to one.

use super::kinds::{DEFAULT, KINDS, RunnerKind};
use super::price::Price;
use crate::config::Section;
use crate::models::{Api, Model, ModelPrices, Models};

/// The runner of a protocol.
pub fn runner_of(api: Api) -> RunnerKind {
    KINDS.iter().copied().find(|kind| kind.asks == Some(api)).unwrap_or(DEFAULT)
}

/// Reads `model_ref` and `model`. Without `model_ref` the only model of the protocol is meant.
pub fn read(api: Api, models: &Models, section: &mut Section<'_>) -> Option<Model> {
    let named = section.text("model_ref");
    let own = section.text("model");
    let base = match named {
        Some(name) => referred(&name, api, models, section),
        None => only(api, models, section),
    }?;
    let Some(own) = own.filter(|own| *own != base.model) else { return Some(base.clone()) };
    let has_price = section.has("input_price");
    let prices = models.list().of(&own).or_else(|| has_price.then(|| base.prices.clone()));
    if prices.is_none() {
        section.wrong(
            "model",
            &format!("is \"{own}\", which the list of prices does not have."),
            "Write input_price and output_price beside it, in dollars per million tokens.",
        );
    }
    Some(Model { model: own, prices: prices?, ..base.clone() })
}

fn referred<'a>(
    name: &str,
    api: Api,
    models: &'a Models,
    section: &Section<'_>,
) -> Option<&'a Model> {
    let found = models.get(name);
    match found {
        Some(model) if model.api == api => return found,
        Some(model) => section.wrong(
            "model_ref",
            &format!("is \"{name}\", a model with api = \"{}\".", model.api.name()),
            &format!("Write runner = \"{}\", or name another model.", model.api.name()),
        ),
        // Its own problems are told.
        None if models.has(name) => {}
        None => section.wrong(
            "model_ref",
            &format!("is \"{name}\", which is no model of this file."),
            &format!("Add [models.{name}], or name one of: {}.", names(api, models)),
        ),
    }
    None
}

fn only<'a>(api: Api, models: &'a Models, section: &Section<'_>) -> Option<&'a Model> {
    let mut fitting = models.iter().filter(|model| model.api == api);
    match (fitting.next(), fitting.next()) {
        (Some(model), None) => Some(model),
        (Some(_), Some(_)) => {
            let fix = format!("Write one of: {}.", names(api, models));
            section.wrong("model_ref", "is missing, and there are several models.", &fix);
            None
        }
        (None, _) => {
            section.wrong(
                "runner",
                &format!("needs a model with api = \"{}\".", api.name()),
                &format!("Add [models.{}] with model and api_key.", api.name()),
            );
            None
        }
    }
}

fn names(api: Api, models: &Models) -> String {
    let names = models.iter().filter(|model| model.api == api).map(|model| model.name.as_str());
    names.collect::<Vec<_>>().join(", ")
}

/// The model with the prices that the agent's own table states.
pub fn priced(model: Model, price: Price) -> Model {
    match price {
        Price::Tokens(tokens) if tokens != model.prices.highest() => {
            Model { prices: ModelPrices::stated(tokens, (None, None)), ..model }
        }
        _ => model,
    }
}
