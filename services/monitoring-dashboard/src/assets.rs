//! The style sheet, the script and the icon. Their names contain a digest of their content, so
//! browsers cache them forever.

use crate::Config;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use contracts::ErrorCode;
use http::header;
use platform::secret::digest_hex;
use std::sync::LazyLock;

use crate::refusal::Friendly;

struct Asset {
    stem: &'static str,
    extension: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const STYLE: Asset = Asset {
    stem: "dashboard",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    text: include_str!("assets/dashboard.css"),
};
const SCRIPT: Asset = Asset {
    stem: "dashboard",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("assets/dashboard.js"),
};
const DOOR: Asset = Asset {
    stem: "door",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("assets/door.js"),
};
const ICON: Asset = Asset {
    stem: "icon",
    extension: "svg",
    content_type: "image/svg+xml",
    text: include_str!("assets/icon.svg"),
};

static STYLE_NAME: LazyLock<String> = LazyLock::new(|| STYLE.name());
static SCRIPT_NAME: LazyLock<String> = LazyLock::new(|| SCRIPT.name());
static DOOR_NAME: LazyLock<String> = LazyLock::new(|| DOOR.name());
static ICON_NAME: LazyLock<String> = LazyLock::new(|| ICON.name());

impl Asset {
    fn name(&self) -> String {
        let digest = digest_hex(self.text.as_bytes());
        format!("{}-{}.{}", self.stem, digest.get(..12).unwrap_or_default(), self.extension)
    }
}

/// URL of the style sheet.
pub fn style(config: &Config) -> String {
    config.url(&format!("/assets/{}", *STYLE_NAME))
}

/// URL of the script that fetches a page with the key.
pub fn door(config: &Config) -> String {
    config.url(&format!("/assets/{}", *DOOR_NAME))
}

/// URL of the script.
pub fn script(config: &Config) -> String {
    config.url(&format!("/assets/{}", *SCRIPT_NAME))
}

/// URL of the icon.
pub fn icon(config: &Config) -> String {
    config.url(&format!("/assets/{}", *ICON_NAME))
}

/// `GET /assets/{file}`.
pub async fn show(Path(file): Path<String>) -> Response {
    let known =
        [(&*STYLE_NAME, STYLE), (&*SCRIPT_NAME, SCRIPT), (&*DOOR_NAME, DOOR), (&*ICON_NAME, ICON)];
    let Some((_, asset)) = known.into_iter().find(|(name, _)| **name == file) else {
        return Friendly::new(ErrorCode::NotFound, "There is no such file.").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.text).into_response()
}
