//! For each endpoint of the configuration: whether its platform takes its credentials, and what
//! keeps messages from arriving.

use super::finding::{Finding, error, ok, warning};
use crate::config_file;
use crate::data_dir::DataDir;
use crate::ports::mail::TlsMail;
use crate::ports::outbound::ReqwestOutbound;
use futures_util::future::join_all;
use platform::config::Report;
use platform::ports::mail::Server;
use platform::ports::{Mail, MailAccount, PortErrorKind, PortResult};
use platform::secret::Secret;
use serde_json::Value;
use std::path::Path;
use webhook_aggregator::Config;
use webhook_aggregator::channels::{
    self, Mode, enrol::Account, enrol::Checked, enrol::Note, enrol::Weight,
};
use webhook_aggregator::config::Endpoint;

/// Keys that the platforms know as well.
const KNOWN_THERE: [&str; 7] =
    ["bot_username", "team", "application_id", "public_key", "messages", "user", "phone_number_id"];

/// All endpoints, side by side.
pub(super) async fn check(data: &DataDir, config: Option<&Path>) -> Vec<Finding> {
    let file = config_file::path(config, data);
    // `configuration` says what is wrong with the file.
    let Ok(tree) = config_file::read_tree(file.as_deref()) else { return Vec::new() };
    let outbound = match ReqwestOutbound::new() {
        Ok(outbound) => outbound,
        Err(e) => {
            let what = format!("no endpoint was tried: {e}");
            return vec![warning(what, "install the system's certificates")];
        }
    };
    let read = Config::read(&tree.value, &Report::default());
    let checks = read.endpoints.iter().map(|endpoint| one(endpoint, &tree.value, &outbound));
    join_all(checks).await.into_iter().flatten().collect()
}

async fn one(endpoint: &Endpoint, tree: &Value, outbound: &ReqwestOutbound) -> Vec<Finding> {
    let Endpoint { channel, name, .. } = endpoint;
    if let Some(account) = endpoint.connection.as_ref().and_then(|it| it.mailbox()?.account()) {
        return of_mailbox(&format!("endpoint {channel}.{name}"), account).await;
    }
    let table = tree.pointer(&format!("/endpoints/{channel}/{name}"));
    let text = |key: &str| table?.get(key)?.as_str().filter(|text| !text.is_empty());
    let token = text("bot_token").or_else(|| text("access_token"));
    let (Some(connection), Some(platform), Some(token)) =
        (endpoint.connection.as_ref(), channels::examine(*channel), token)
    else {
        return Vec::new();
    };
    let default = channels::channel(*channel).map_or("", |channel| channel.default_api_base());
    let account = Account {
        outbound,
        api_base: text("api_base").unwrap_or(default).trim_end_matches('/').to_owned(),
        bot_token: Secret::new(token),
        app_token: text("app_token").map(Secret::new),
    };
    let own = KNOWN_THERE.iter().filter_map(|key| Some((*key, text(key)?.to_owned())));
    let checked = Checked {
        name: name.clone(),
        without_address: connection.mode() != Mode::Webhook,
        keys: own.collect(),
    };
    let notes = platform.examine(&account, &checked).await;
    notes.into_iter().map(|note| finding(&format!("endpoint {channel}.{name}"), note)).collect()
}

/// Tries the sign-in at both servers of a mailbox.
async fn of_mailbox(place: &str, account: &MailAccount) -> Vec<Finding> {
    let mail = match TlsMail::new() {
        Ok(mail) => mail,
        Err(e) => {
            let what = format!("{place}: it was not tried: {e}");
            return vec![warning(what, "install the system's certificates")];
        }
    };
    let tried = mail.sign_in(account).await;
    let servers = [("IMAP", &account.imap), ("SMTP", &account.smtp)];
    let finding = |((title, server), tried): ((&str, &Server), PortResult<()>)| {
        let at = format!("{place}: {title} at {}:{}", server.host, server.port);
        match tried {
            Ok(()) => ok(format!("{at} takes the sign-in of {}", account.user)),
            Err(failed) if failed.kind == PortErrorKind::Invalid => {
                error(format!("{at}: {}", failed.detail), "correct user, password or folder")
            }
            Err(failed) => {
                let fix = "check the address of the server and the network of this machine";
                warning(format!("{at} does not answer ({})", failed.detail), fix)
            }
        }
    };
    servers.into_iter().zip(tried).map(finding).collect()
}

fn finding(place: &str, note: Note) -> Finding {
    let what = format!("{place}: {}", note.what);
    match note.weight {
        Weight::Fine => ok(what),
        Weight::Warning => warning(what, note.fix),
        Weight::Error => error(what, note.fix),
    }
}
