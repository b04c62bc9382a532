//! How a program comes to post to us.

use super::signature::Scheme;

/// An example endpoint of this channel for `quintet.toml`.
pub(super) const EXAMPLE: &str = "[endpoints.hook.github]
secret = \"…\"               # whsec_… of the program that posts
# previous_secret = \"…\"    # the one before, while it is changed
# scheme = \"github\"        # for GitHub's own signature; secret is then any text
# text = \"New issue: {/issue/title}\"   # or \"/message\"; default: the whole body
# sender = \"github\"        # the name that its messages have
# conversation = \"/issue/number\"       # default: one for the endpoint
# reply_to = \"telegram.main:…\"         # the chat for the answers";

const STANDARD: &str = "In the program that posts, enter the address {address} and the secret of this endpoint (Standard Webhooks, JSON). Then let it send a test.";
const GITHUB: &str = "On GitHub, open Settings, Webhooks, Add webhook. Payload URL: {address}. Content type: application/json. Secret: the one of this endpoint. Choose the events and save; its ping is answered with 200.";

/// The steps for a person.
pub(super) const fn steps(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Standard => STANDARD,
        Scheme::GitHub => GITHUB,
    }
}
