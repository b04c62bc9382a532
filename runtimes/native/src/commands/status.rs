//! `quintet status`: one screen that says whether all is well, and what needs the owner.

mod ask;
mod needs;
mod shown;
mod state;

use crate::data_dir::DataDir;
use crate::exit::{No, Unreachable};
use crate::terminal::{counted, say, say_json};
use anyhow::Result;
use state::Running;

/// Prints the state of the installation.
///
/// # Errors
/// [`Unreachable`] when no server runs or answers, [`No`] when something needs the owner; after
/// everything was printed.
pub async fn status(data: &DataDir, server: Option<&str>, as_json: bool) -> Result<()> {
    let mut status = ask::everything(data, server).await;
    status.needs = needs::of(&status);
    if as_json {
        say_json(&status);
    } else {
        say(&shown::screen(&status));
    }
    let at = status.server.address.as_deref().unwrap_or_default();
    match status.server.running {
        Running::Yes if status.needs.is_empty() => Ok(()),
        Running::Yes => {
            Err(No(format!("{} to look at", counted(status.needs.len(), "thing"))).into())
        }
        Running::No => Err(Unreachable("no server is running".to_owned()).into()),
        Running::Silent | Running::Unreachable => {
            Err(Unreachable(format!("the server does not answer {at}").trim_end().to_owned())
                .into())
        }
    }
}
