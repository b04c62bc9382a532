//! The secrets of a set-up: typed without being shown, from standard input, from variables, or from
//! the command line. They are never printed.

use crate::cli::SetupArgs;
use crate::connect;
use crate::data_dir::variable;
use crate::exit::Usage;
use crate::terminal::{ask_or_end, is_typed, remark};
use anyhow::Result;
use contracts::ChannelKind;
use platform::secret::Secret;
use webhook_aggregator::channels::enrol::Asked;

/// The variables that hold the secrets, for set-ups without a person.
const TOKEN: &str = "QUINTET_SETUP_TOKEN";
const APP_TOKEN: &str = "QUINTET_SETUP_APP_TOKEN";
/// How often a mistyped secret may be corrected.
const TRIES: usize = 3;

/// Whether the secrets come without a person.
pub(super) fn are_given(args: &SetupArgs) -> bool {
    args.token.is_some() || args.token_stdin || variable(TOKEN).is_some()
}

/// All secrets of a channel, in the order of its list.
///
/// # Errors
/// [`Usage`] for a secret that is missing, or none.
pub(super) fn read(args: &SetupArgs, channel: ChannelKind) -> Result<Vec<(&'static str, Secret)>> {
    let enrol = connect::enrol(channel)?;
    let asked = enrol.secrets();
    let mut found = Vec::new();
    if !are_given(args) {
        remark(&format!("{}\n", enrol.guide(None)));
    }
    for (at, one) in asked.iter().enumerate() {
        let given = if at == 0 { args.token.clone() } else { args.app_token.clone() };
        let given = given.or_else(|| variable(if at == 0 { TOKEN } else { APP_TOKEN }));
        let given = match given {
            Some(text) => Some(text),
            None if args.token_stdin => ask_or_end("")?,
            None => None,
        };
        let secret = match given {
            Some(text) => sound(one, &text)?,
            None => typed(one)?,
        };
        found.push((one.key, secret));
    }
    Ok(found)
}

fn sound(asked: &Asked, text: &str) -> Result<Secret> {
    let text = text.trim();
    (asked.sound)(text).map_err(|why| Usage(format!("{why} Nothing was changed.")))?;
    Ok(Secret::new(text))
}

fn typed(asked: &Asked) -> Result<Secret> {
    let missing = || {
        Usage(format!(
            "the {} is missing, so nothing was changed. Copy it from: {}.",
            asked.title, asked.place
        ))
    };
    if !is_typed() {
        return Err(missing().into());
    }
    for _ in 0..TRIES {
        let text =
            rpassword::prompt_password(format!("Paste the {} (it is not shown): ", asked.title))?;
        match sound(asked, &text) {
            Ok(secret) => return Ok(secret),
            Err(error) => remark(&format!("{error:#}")),
        }
    }
    Err(missing().into())
}
