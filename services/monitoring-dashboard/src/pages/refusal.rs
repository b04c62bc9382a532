//! Refusals as pages: what happened, and what to do, in words.

use super::layout;
use crate::Config;
use crate::refusal::Friendly;
use contracts::ErrorCode;
use maud::{Markup, html};

/// The page of a refusal.
pub fn page(refusal: &Friendly, config: &Config) -> Markup {
    layout::bare(
        config,
        &refusal.title,
        html! {
            h1 { (refusal.title) }
            p { (refusal.detail) }
            p.quiet { (refusal.fix) }
            p { a.button href=(config.url(refusal.way_on.path)) { (refusal.way_on.words) } }
        },
    )
}

/// Every unknown path below `/dashboard/`.
pub async fn no_such_page() -> Friendly {
    Friendly::new(ErrorCode::NotFound, "There is no such page.")
        .fix("Check the address, or start from the dashboard.")
}
