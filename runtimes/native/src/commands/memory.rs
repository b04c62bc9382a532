//! `quintet memory` and `quintet chat`: the assistant's memory, and a talk with it.

use crate::cli::{self, Memory};
use crate::client::Client;
use crate::exit::Usage;
use crate::terminal::{say, say_json, table};
use anyhow::Result;
use contracts::FactId;
use contracts::calls::personal_assistant::{
    AddFact, Chat, EditFact, ForgetFact, ListFacts, ReadFact,
};
use contracts::chat::ChatRequest;
use contracts::memory::{Fact, FactList, FactMaker, FactOrigin, FactUpdate, MemoryQuery, NewFact};
use platform::text::{honest, printable, short};

/// Characters of a fact in a list; `--json` prints all of it.
const SHOWN_CHARS: usize = 80;

/// Runs the subcommand.
///
/// # Errors
/// When the server refuses, such as for an unknown fact.
pub async fn memory(client: &Client, command: Memory, as_json: bool) -> Result<()> {
    match command {
        Memory::List { all } => {
            let query = MemoryQuery { q: None, all: Some(all) };
            list(&client.ask::<ListFacts>(&(), &query).await?, as_json);
        }
        Memory::Search { query } => {
            let query = MemoryQuery { q: Some(query), all: None };
            list(&client.ask::<ListFacts>(&(), &query).await?, as_json);
        }
        Memory::Add { subject, text, pin } => {
            let new = NewFact { subject, text, pinned: pin };
            one(&client.ask::<AddFact>(&(), &new).await?, "written down", as_json);
        }
        Memory::Edit { id, text, pin, unpin } => {
            let pinned = (pin || unpin).then_some(pin);
            if text.is_none() && pinned.is_none() {
                let why = "nothing to change. Give the new text, --pin or --unpin.";
                return Err(Usage(why.to_owned()).into());
            }
            let update = FactUpdate { text, pinned };
            one(&client.ask::<EditFact>(&known(&id)?, &update).await?, "changed", as_json);
        }
        Memory::Forget { id } => {
            one(&client.ask::<ForgetFact>(&known(&id)?, &()).await?, "forgotten", as_json);
        }
        Memory::Why { id } => why(&client.ask::<ReadFact>(&known(&id)?, &()).await?, as_json),
    }
    Ok(())
}

/// Asks the assistant once.
///
/// # Errors
/// When the server refuses, such as over budget.
pub async fn chat(client: &Client, asked: cli::Chat, as_json: bool) -> Result<()> {
    let request = ChatRequest { message: asked.message, session_key: asked.session };
    let answer = client.ask::<Chat>(&(), &request).await?;
    if as_json {
        say_json(&answer);
    } else {
        say(&honest(&answer.message));
    }
    Ok(())
}

fn known(id: &str) -> Result<FactId> {
    if id.starts_with("mem_") && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(FactId::new(id));
    }
    let why =
        format!("{} is not the id of a fact. `quintet memory list` shows them.", printable(id));
    Err(Usage(why).into())
}

fn maker(fact: &Fact) -> &'static str {
    match fact.made_by {
        FactMaker::Owner => "your hand",
        FactMaker::Words => "your words",
        FactMaker::Model => "a model",
    }
}

fn list(list: &FactList, as_json: bool) {
    if as_json {
        say_json(list);
        return;
    }
    if list.facts.is_empty() {
        say("the assistant remembers nothing of this about you");
        return;
    }
    let row = |fact: &Fact| {
        let state = match (&fact.valid_to, fact.pinned) {
            (Some(_), _) => "superseded",
            (None, true) => "pinned",
            (None, false) => "",
        };
        vec![
            fact.id.clone(),
            printable(&fact.subject),
            short(&printable(&fact.text), SHOWN_CHARS),
            fact.valid_from.chars().take(10).collect(),
            maker(fact).to_owned(),
            state.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = list.facts.iter().map(row).collect();
    say(&table(&["ID", "ABOUT", "FACT", "SINCE", "FROM", ""], &rows));
}

fn one(fact: &Fact, done: &str, as_json: bool) {
    if as_json {
        say_json(fact);
    } else {
        say(&format!("{done}: {} ({})", printable(&fact.text), fact.id));
    }
}

fn why(origin: &FactOrigin, as_json: bool) {
    if as_json {
        say_json(origin);
        return;
    }
    let mut lines = vec![format!("{} ({})", printable(&origin.fact.text), origin.fact.subject)];
    lines.push(match (&origin.said, &origin.said_at) {
        (Some(said), Some(at)) => format!("from {at}: “{}”", printable(said)),
        _ => format!("from {} on {}", maker(&origin.fact), origin.fact.valid_from),
    });
    lines.extend(
        origin.before.iter().map(|before| {
            format!("before, since {}: {}", before.valid_from, printable(&before.text))
        }),
    );
    say(&lines.join("\n"));
}
