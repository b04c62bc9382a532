//! placeholder
use crate::Deps;
use axum::extract::State;
use platform::edge::ApiError;
pub async fn chat(State(_deps): State<Deps>) -> ApiError { crate::later().await }
