//! Files of a message and of its answer, each with a button to download it.
//!
//! A form, not a link: a page needs the key of its session, which a link does not send.

use crate::refusal::PageResult;
use crate::session::Owner;
use crate::{Config, Deps, Form, owners};
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use contracts::event::EventDetail;
use contracts::files::Attachment;
use http::header;
use maud::{Markup, html};
use platform::files::{safe_name, size};
use platform::percent::encode;

fn change(id: &str) -> String {
    format!("file:{id}")
}

/// The files of an event; nothing where it has none.
pub fn of_event(config: &Config, owner: &Owner, detail: &EventDetail) -> Markup {
    let both = [
        ("Files of the message", &detail.attachments),
        ("Files of the answer", &detail.answer_files),
    ];
    html! {
        @for (title, files) in both { @if !files.is_empty() {
            section.panel {
                h2 { (title) }
                table { tbody { @for file in files { (row(config, owner, file)) } } }
            }
        } }
    }
}

fn row(config: &Config, owner: &Owner, file: &Attachment) -> Markup {
    let id = file.id.as_str();
    html! {
        tr {
            td.wide { (file.name) }
            td { (file.kind) }
            td.figure title=(format!("SHA-256 {}", file.sha256)) { (size(file.bytes)) }
            td { form method="post" action=(config.url(&format!("/dashboard/files/{}", encode(id)))) {
                input type="hidden" name="token" value=(owner.token(&change(id)));
                input type="hidden" name="name" value=(file.name);
                button { "Download" }
            } }
        }
    }
}

/// `POST /dashboard/files/{id}`: always saved, never shown by the browser.
pub async fn download(
    State(deps): State<Deps>,
    owner: Owner,
    Path(id): Path<String>,
    form: Form,
) -> PageResult {
    owner.require(&form, &change(&id))?;
    let content = owners::file(&deps, &id).await?;
    let name = encode(&safe_name(form.field("name")));
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{name}")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, content).into_response())
}
