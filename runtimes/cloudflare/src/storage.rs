//! Shared conversions for D1 and Durable Objects' SQL: parameters as JavaScript numbers and texts,
//! rows as JSON.

use platform::ports::SqlValue;
use wasm_bindgen::JsValue;

/// A parameter. Both accept JavaScript numbers only, so integers beyond 2^53 would be rounded; the
/// contract of the `sql` port forbids them.
pub fn parameter(value: &SqlValue) -> JsValue {
    match value {
        SqlValue::Null => JsValue::NULL,
        SqlValue::Int(number) => JsValue::from_f64(*number as f64),
        SqlValue::Real(number) => JsValue::from_f64(*number),
        SqlValue::Text(text) => JsValue::from_str(text),
    }
}
