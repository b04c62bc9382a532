//! A configured number checked: whether the token opens it, and where its webhook leads.

use super::{WhatsApp, refusal};
use crate::channels::enrol::{Account, Api, Checked, Examine, Note};
use crate::channels::text_at;
use async_trait::async_trait;
use http::Method;
use serde_json::Value;

const TOKEN: &str = "Make a token of a system user that has the app and the WhatsApp account, with the rights whatsapp_business_messaging and whatsapp_business_management, and write it as access_token (https://business.facebook.com/settings/system-users).";
const SET: &str = "Run `quintet setup whatsapp --url https://…` with this server's public address, while it runs.";
const FIELDS: &str = "display_phone_number,verified_name,webhook_configuration";

#[async_trait]
impl Examine for WhatsApp {
    async fn examine(&self, account: &Account<'_>, checked: &Checked) -> Vec<Note> {
        let api = Api { title: "Meta", account };
        let id = checked.key("phone_number_id").unwrap_or(&checked.name);
        let authorization = format!("Bearer {}", account.bot_token.reveal());
        let path = format!("{id}?fields={FIELDS}");
        let asked = api.ask(Method::GET, &path, Some(authorization), None).await;
        let number = match asked {
            Ok((answer, number)) if answer.status == 200 => number,
            Ok((_, body)) => {
                let why = refusal::said(&body["error"]);
                let what =
                    format!("Meta does not show the number {id} to this access token: {why}");
                return vec![Note::error(what, TOKEN)];
            }
            Err(trouble) => return vec![trouble.into()],
        };
        let shown = |key| text_at(&number, key).unwrap_or("?");
        let what = format!(
            "Meta knows it as {} ({})",
            shown("display_phone_number"),
            shown("verified_name")
        );
        std::iter::once(Note::fine(what)).chain(about_webhook(&number, &checked.name)).collect()
    }
}

/// The address of the number itself goes before that of its account, and that before the app's.
fn about_webhook(number: &Value, name: &str) -> Option<Note> {
    let all = &number["webhook_configuration"];
    let places = ["phone_number", "whatsapp_business_account", "application"];
    let url = places.iter().find_map(|place| text_at(all, place));
    match url {
        None => Some(Note::warning("Meta names no webhook for it, so no message may arrive", SET)),
        Some(url) if !url.ends_with(&format!("/whatsapp/{name}")) => {
            Some(Note::error(format!("the webhook leads to {url}, not to this endpoint"), SET))
        }
        Some(_) => None,
    }
}
