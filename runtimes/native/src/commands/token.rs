//! `quintet token`: lists the tokens, and replaces one while the server runs.

use crate::cli::Token;
use crate::client::Client;
use crate::data_dir::{DataDir, token_variable, variable};
use crate::exit::{Unreachable, Usage};
use crate::ports::clock::SystemClock;
use crate::terminal::{is_read_live, remark, say, say_json, table};
use crate::tokens::{self, PATH, Row};
use anyhow::{Context, Result};
use contracts::Scope;
use platform::ports::Clock;
use platform::secret::Secret;
use platform::time::rfc3339;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

/// Runs the subcommand.
///
/// # Errors
/// When there is no data directory, the server refuses, or a variable sets the token.
pub async fn token(
    command: Token,
    data: &DataDir,
    server: Option<&str>,
    as_json: bool,
) -> Result<()> {
    match command {
        Token::List => list(data, server, as_json).await,
        Token::Rotate { .. } if server.is_some() => Err(Usage(
            "a token is replaced on its server's own machine, in its data directory, so nothing \
             was changed. Run this there without --server."
                .to_owned(),
        )
        .into()),
        Token::Rotate { scope, grace, name } => rotate(data, scope, grace, name, as_json).await,
    }
}

async fn list(data: &DataDir, server: Option<&str>, as_json: bool) -> Result<()> {
    if server.is_none() {
        require_tokens(data)?;
    }
    let lock = if server.is_none() { data.try_lock()? } else { None };
    let rows: Vec<Row> = if lock.is_some() {
        tokens::read(data)?.rows
    } else {
        Client::new(server, data)?.ask_server(Method::GET, PATH).await?
    };
    if as_json {
        say_json(&json!({ "tokens": rows }));
        return Ok(());
    }
    let or =
        |value: &Option<String>, other: &str| value.clone().unwrap_or_else(|| other.to_owned());
    let cells = |row: &Row| {
        vec![
            row.scope.as_str().to_owned(),
            row.name.clone(),
            or(&row.created, "set by a variable"),
            or(&row.last_used, unused(row.scope)),
            or(&row.previous_until, "-"),
        ]
    };
    say(&table(
        &["SCOPE", "NAME", "CREATED", "LAST USED", "OLD ONE VALID UNTIL"],
        &rows.iter().map(cells).collect::<Vec<_>>(),
    ));
    Ok(())
}

/// A token that no request has carried. The built-in gateway is part of the server and carries
/// none.
const fn unused(scope: Scope) -> &'static str {
    match scope {
        Scope::Gateway => "built-in gateway only",
        Scope::Operator | Scope::Viewer | Scope::Agent => "never",
    }
}

fn require_tokens(data: &DataDir) -> Result<()> {
    if data.join("tokens").is_dir() {
        return Ok(());
    }
    Err(Unreachable(format!(
        "{} has no tokens yet. `quintet up` makes them, or name another directory with --data.",
        data.path().display()
    ))
    .into())
}

fn refuse_variable(scope: Scope) -> anyhow::Error {
    let variable = token_variable(scope);
    Usage(format!(
        "the {} token is set by {variable} and kept nowhere else, so nothing was changed. Give \
         {variable} a new value (`openssl rand -hex 32`) where the server starts, and restart it.",
        scope.as_str()
    ))
    .into()
}

async fn rotate(
    data: &DataDir,
    scope: Scope,
    grace: Option<Duration>,
    name: Option<String>,
    as_json: bool,
) -> Result<()> {
    require_tokens(data)?;
    if variable(&token_variable(scope)).is_some() {
        return Err(refuse_variable(scope));
    }
    let grace_ms = grace.and_then(|grace| i64::try_from(grace.as_millis()).ok());
    let lock = data.try_lock()?;
    let token = if lock.is_some() {
        tokens::replace(data, scope, name, grace_ms)?
    } else {
        replace_of_server(data, scope, name, grace_ms).await?
    };
    let until = grace_ms.map(|grace_ms| rfc3339(SystemClock.now_ms().saturating_add(grace_ms)));
    tell(data, scope, &token, until, as_json);
    Ok(())
}

/// Replaces it in the files, and has the running server take it up.
async fn replace_of_server(
    data: &DataDir,
    scope: Scope,
    name: Option<String>,
    grace_ms: Option<i64>,
) -> Result<Secret> {
    if data.server().is_none() {
        return Err(Unreachable(format!(
            "another process uses {} and does not read new tokens, so nothing was changed. Stop it, \
             run this again, and start it.",
            data.path().display()
        ))
        .into());
    }
    let client = Client::new(None, data)?;
    let rows: Vec<Row> = client.ask_server(Method::GET, PATH).await?;
    if rows.iter().any(|row| row.scope == scope && row.variable.is_some()) {
        return Err(refuse_variable(scope));
    }
    let token = tokens::replace(data, scope, name, grace_ms)?;
    let _: Vec<Row> = client.ask_server(Method::POST, PATH).await.with_context(|| {
        format!(
            "the new token is in {}, but the running server may still accept the old one: restart \
             the server",
            file_of(data, scope)
        )
    })?;
    Ok(token)
}

fn file_of(data: &DataDir, scope: Scope) -> String {
    data.join("tokens").join(scope.as_str()).display().to_string()
}

/// Prints the token where it is read at once; a file or a journal would keep it.
fn tell(data: &DataDir, scope: Scope, token: &Secret, until: Option<String>, as_json: bool) {
    let file = file_of(data, scope);
    let shown = is_read_live().then(|| token.reveal());
    if as_json {
        say_json(&json!({
            "scope": scope, "token": shown, "file": file, "previousUntil": until,
        }));
        return;
    }
    let old = match until {
        Some(until) => format!("The old one is valid until {until}."),
        None => "The old one is refused from now on.".to_owned(),
    };
    let also = match scope {
        Scope::Operator => " Sessions of the dashboard have ended.",
        Scope::Gateway => " Gateways on other machines need it as QUINTET_GATEWAY_TOKEN.",
        Scope::Viewer | Scope::Agent => "",
    };
    remark(&format!("The new {} token is in {file}. {old}{also}", scope.as_str()));
    if let Some(token) = shown {
        say(token);
    }
}
