//! `quintet models`: the models of the configuration, and what models cost.

use crate::cli::{Models, OfModels};
use crate::config_file;
use crate::data_dir::{self, DataDir};
use crate::exit::{Unreachable, Usage, Wrong};
use crate::terminal::{counted, say, say_json, table};
use anyhow::{Context, Result};
use contracts::Micros;
use platform::config::Report;
use platform::models::{Model, PriceList, Row, price_list};
use serde_json::{Value, json};
use std::path::Path;

/// Runs the subcommand; without one it lists the models.
///
/// # Errors
/// When the configuration cannot be read or is invalid, or the new list is none.
pub fn models(asked: Models, data: &DataDir, as_json: bool) -> Result<()> {
    let file = config_file::path(asked.config.as_deref(), data);
    let tree = config_file::read_tree(file.as_deref())?.value;
    match asked.command.unwrap_or(OfModels::List) {
        OfModels::List => list(&tree, as_json),
        OfModels::Prices { update: Some(new), .. } => {
            let place = config_file::prices_beside(file.as_deref(), data);
            update(&tree, &new, &place)
        }
        OfModels::Prices { model, update: None } => prices(&tree, model.as_deref(), as_json),
    }
}

fn list(tree: &Value, as_json: bool) -> Result<()> {
    let report = Report::default();
    let models = platform::models::Models::read(tree, &report);
    let problems = report.into_problems();
    if !problems.is_empty() {
        return Err(Wrong(problems).into());
    }
    if as_json {
        let models: Vec<Value> = models.iter().map(told).collect();
        say_json(&json!({ "models": models }));
        return Ok(());
    }
    if models.iter().next().is_none() {
        say("no model is configured: docs/models.md shows a table [models.claude] in five lines");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = models.iter().map(row).collect();
    say(&table(&["NAME", "API", "MODEL", "USES", "IN/MTOK", "OUT/MTOK", "KEY", "FALLBACK"], &rows));
    Ok(())
}

fn uses(model: &Model) -> Vec<&'static str> {
    model.uses.iter().map(|what| what.name()).collect()
}

fn told(model: &Model) -> Value {
    let highest = model.prices.highest();
    json!({
        "name": model.name,
        "api": model.api.name(),
        "baseUrl": model.base_url,
        "model": model.model,
        "uses": uses(model),
        "inputPrice": highest.input,
        "outputPrice": highest.output,
        "hasKey": model.api_key.is_some(),
        "fallback": model.fallback,
    })
}

fn row(model: &Model) -> Vec<String> {
    let highest = model.prices.highest();
    let uses = uses(model);
    let uses = if uses.is_empty() { "agents that name it".to_owned() } else { uses.join(", ") };
    vec![
        model.name.clone(),
        model.api.name().to_owned(),
        model.model.clone(),
        uses,
        highest.input.to_string(),
        highest.output.to_string(),
        if model.api_key.is_some() { "yes" } else { "none" }.to_owned(),
        model.fallback.clone().unwrap_or_default(),
    ]
}

fn prices(tree: &Value, part: Option<&str>, as_json: bool) -> Result<()> {
    let report = Report::default();
    let mut list = price_list(tree, &report);
    let problems = report.into_problems();
    if !problems.is_empty() {
        return Err(Wrong(problems).into());
    }
    list.models.retain(|row| part.is_none_or(|part| row.model.contains(part)));
    if as_json {
        say_json(&list);
        return Ok(());
    }
    let amount = |price: Option<Micros>| price.map_or_else(String::new, |price| price.to_string());
    let cells = |row: &Row| {
        vec![
            row.model.clone(),
            row.from.clone().unwrap_or_default(),
            if row.above == 0 { String::new() } else { row.above.to_string() },
            row.input.to_string(),
            row.output.to_string(),
            amount(row.cache_read),
            amount(row.cache_write),
        ]
    };
    let rows: Vec<Vec<String>> = list.models.iter().map(cells).collect();
    let head = ["MODEL", "FROM", "ABOVE TOKENS", "IN", "OUT", "CACHE READ", "CACHE WRITE"];
    say(&format!(
        "{}\nDollars per million tokens, checked on {}.",
        table(&head, &rows),
        list.checked
    ));
    Ok(())
}

fn update(tree: &Value, new: &Path, place: &Path) -> Result<()> {
    let text = std::fs::read_to_string(new)
        .map_err(|error| Unreachable(format!("cannot read {}: {error}", new.display())))?;
    let list = PriceList::parse(&text).map_err(|why| Usage(format!("{} {why}", new.display())))?;
    let now = price_list(tree, &Report::default());
    if list.checked < now.checked {
        let (old, newer) = (&list.checked, &now.checked);
        let why = format!(
            "{} was checked on {old}, and the list in use on {newer}; nothing was changed. Put the \
             day of your check into \"checked\".",
            new.display()
        );
        return Err(Usage(why).into());
    }
    data_dir::write_private(place, text.as_bytes())
        .with_context(|| format!("cannot write {}", place.display()))?;
    say(&format!(
        "{} of {} are in {}. A running server takes them when it starts again.",
        counted(list.models.len(), "price"),
        list.checked,
        place.display()
    ));
    Ok(())
}
