//! The page in place of one whose session is bound to a key: its script asks for the page again,
//! with the key, and puts it in.

use crate::answer::html as answer;
use crate::{Config, assets};
use axum::response::Response;
use http::StatusCode;
use maud::{DOCTYPE, html};

/// The page; it holds nothing of the owner's.
pub fn page(config: &Config) -> Response {
    let sign_in = config.url("/sign-in");
    answer(
        StatusCode::OK,
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    noscript { p { "This session needs scripts. Allow them, or "
                        a href=(sign_in) { "sign in again" } " without." } }
                    script src=(assets::door(config)) {}
                }
            }
        },
    )
}
