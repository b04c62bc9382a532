//! Work after the response with `waitUntil`: for at most 30 s, then it is aborted.

use futures_util::future::BoxFuture;
use platform::ports::Background;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;

#[wasm_bindgen(module = "cloudflare:workers")]
extern "C" {
    #[wasm_bindgen(js_name = waitUntil)]
    fn wait_until(promise: &js_sys::Promise);
}

/// `waitUntil` of the current request or alarm.
pub struct WaitUntil;

impl Background for WaitUntil {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        wait_until(&future_to_promise(async move {
            work.await;
            Ok(JsValue::UNDEFINED)
        }));
    }
}
