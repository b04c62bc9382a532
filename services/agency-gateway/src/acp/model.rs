//! The choice of a model, by the two ways that agents offer.

use serde_json::{Value, json};

/// Maximum names of models in an error.
const SHOWN_MAX: usize = 20;

/// The request that chooses the model, or why there is none.
pub(super) fn choose(
    session: &str,
    model: &str,
    state: &Value,
) -> Result<(&'static str, Value), String> {
    let options = state["configOptions"].as_array();
    let option = options.into_iter().flatten().find(|option| option["category"] == "model");
    let mut known = Vec::new();
    if let Some(option) = option {
        known = values(&option["options"]);
        if known.iter().any(|value| value == model) {
            let params = json!({ "sessionId": session, "configId": option["id"], "value": model });
            return Ok(("session/set_config_option", params));
        }
    }
    let listed = state.pointer("/models/availableModels").and_then(Value::as_array);
    let listed: Vec<String> = listed
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["modelId"].as_str().map(str::to_owned))
        .collect();
    if listed.iter().any(|id| id == model) {
        return Ok(("session/set_model", json!({ "sessionId": session, "modelId": model })));
    }
    known.extend(listed);
    known.truncate(SHOWN_MAX);
    if known.is_empty() {
        return Err(
            "does not let its model be chosen. Remove the key model, and choose it in the settings of the program."
                .to_owned(),
        );
    }
    Err(format!("has no model {model}. It has: {}.", known.join(", ")))
}

/// The values of a choice, which may be in groups.
fn values(options: &Value) -> Vec<String> {
    let options = options.as_array().into_iter().flatten();
    let mut found = Vec::new();
    for option in options {
        match option["value"].as_str() {
            Some(value) => found.push(value.to_owned()),
            None => found.extend(values(&option["options"])),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_chosen_by_the_way_that_the_agent_offers() {
        let option = json!({"configOptions": [{"id": "m", "category": "model", "options": [
            {"value": "one"}, {"group": "big", "options": [{"value": "two"}]}]}]});
        let listed = json!({"models": {"availableModels": [{"modelId": "three"}]}});
        let chosen = |model: &str, state: &Value| {
            choose("s", model, state).map(|(method, params)| {
                (method, params.get("value").or_else(|| params.get("modelId")).cloned().unwrap())
            })
        };
        assert_eq!(chosen("two", &option), Ok(("session/set_config_option", json!("two"))));
        assert_eq!(chosen("three", &listed), Ok(("session/set_model", json!("three"))));
        assert_eq!(chosen("x", &option), Err("has no model x. It has: one, two.".to_owned()));
        assert!(chosen("x", &json!({})).unwrap_err().contains("Remove the key model"));
    }
}
