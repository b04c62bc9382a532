//! How Meta comes to send a number's messages to us.

use super::number::Number;
use super::refusal;
use crate::channels::{Setup, lenient};
use http::Method;
use platform::ports::OutboundResponse;
use serde_json::json;

/// An example endpoint of this channel for `quintet.toml`.
pub(super) const EXAMPLE: &str = "[endpoints.whatsapp.main]
phone_number_id = \"…\"    # WhatsApp, API Setup; not needed where it names the endpoint
app_secret = \"…\"         # App settings, Basic
verify_token = \"…\"       # any text of your own
access_token = \"…\"       # of a system user: whatsapp_business_messaging, whatsapp_business_management
approvers = [\"…\"]        # your number with country code, digits alone";

const STEPS: &str = "Start the server behind a public https address; Meta asks it at once. Then, at https://developers.facebook.com/apps, in your app:
1. WhatsApp, Configuration: Callback URL {address}, Verify token: the one of this endpoint
2. There, Webhook fields: subscribe to messages
For a number of an app that has another webhook, run this again with --url https://… instead: it sets the address for this number alone.";

/// Meta asks the address for the verify token before it agrees.
pub(super) fn set_up(number: &Number, path: &str, public: Option<&str>) -> Setup {
    let Some(public) = public else { return Setup::steps(STEPS, path, public) };
    if !public.starts_with("https://") {
        return Setup::Refused("Meta takes https addresses only".to_owned());
    }
    let address = format!("{public}{path}");
    let webhook = json!({
        "override_callback_uri": address, "verify_token": number.verify_token.reveal(),
    });
    let body = json!({ "webhook_configuration": webhook });
    Setup::Request {
        request: Box::new(number.call(Method::POST, &number.id, Some(&body))),
        agrees,
        done: format!(
            "Meta now sends the messages of this number to {address}, once the app's webhook is subscribed to the field messages (WhatsApp, Configuration). Write to the number to try it."
        ),
    }
}

fn agrees(answer: &OutboundResponse) -> Result<(), String> {
    let body = lenient::json(&answer.body);
    if body["success"] == true {
        return Ok(());
    }
    Err(format!("Meta says: {}", refusal::said(&body["error"])))
}
