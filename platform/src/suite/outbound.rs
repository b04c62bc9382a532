//! Requests to the world. `echo` is the address of a server on this machine that answers
//!
//! * `/echo` with 201, the request's body, and its method and `x-given` header as `x-method` and
//!   `x-given`,
//! * `/redirect` with 302 to `/echo`,
//! * `/large` with more than [`ANSWER_BYTES_MAX`] bytes,
//! * `/parts` with 200 and two parts, the second of them only after the first was read long ago,
//! * `/begins` with 200 and a part, and nothing after it,
//! * `/silent` never.

use crate::ports::outbound::ANSWER_BYTES_MAX;
use crate::ports::{Outbound, OutboundRequest, PortErrorKind};
use contracts::Effect;
use futures_util::StreamExt;

fn to(url: String, timeout_ms: u64) -> OutboundRequest {
    let headers = vec![("x-given", "a word".to_owned()), ("content-type", "text/plain".to_owned())];
    OutboundRequest {
        method: http::Method::PUT,
        url,
        headers,
        body: "à la carte".into(),
        timeout_ms,
    }
}

/// Responses are complete with any status; redirects are not followed; time, size and safe
/// addresses are enforced.
pub async fn check(outbound: &dyn Outbound, echo: &str) {
    const PATIENCE_MS: u64 = 20_000;
    let answer = outbound.send(to(format!("{echo}/echo"), PATIENCE_MS)).await.unwrap();
    assert_eq!(
        (answer.status, answer.header("x-method"), answer.header("x-given")),
        (201, Some("PUT"), Some("a word"))
    );
    assert_eq!(answer.body, "à la carte".as_bytes());
    let answer = outbound.send(to(format!("{echo}/redirect"), PATIENCE_MS)).await.unwrap();
    assert_eq!(answer.status, 302, "a redirect is an answer");
    let late = outbound.send(to(format!("{echo}/silent"), 300)).await.unwrap_err();
    assert_eq!((late.kind, late.effect), (PortErrorKind::Timeout, Effect::Unknown), "{late}");
    let large = outbound.send(to(format!("{echo}/large"), PATIENCE_MS)).await.unwrap_err();
    assert_eq!(large.kind, PortErrorKind::Invalid, "more than {ANSWER_BYTES_MAX} bytes: {large}");
    parts(outbound, echo).await;
    for url in ["http://example.com/", "ftp://127.0.0.1/", "no address", ""] {
        let refused = outbound.send(to(url.to_owned(), PATIENCE_MS)).await.unwrap_err();
        assert_eq!(
            (refused.kind, refused.effect),
            (PortErrorKind::Invalid, Effect::None),
            "{url}: {refused}"
        );
    }
    // Port 1 has no listener. The error must not contain the URL, which may contain a token.
    let nobody = outbound
        .send(to("http://127.0.0.1:1/bot1234:SECRET/x".to_owned(), PATIENCE_MS))
        .await
        .unwrap_err();
    assert_eq!(nobody.kind, PortErrorKind::Unavailable);
    assert!(!nobody.to_string().contains("SECRET"), "{nobody}");
}

/// A response is read part by part; silence between two parts ends it.
async fn parts(outbound: &dyn Outbound, echo: &str) {
    let mut answer = outbound.open(to(format!("{echo}/parts"), 20_000)).await.unwrap();
    assert_eq!((answer.status, answer.header("x-given")), (200, Some("kept")));
    let first = answer.body.next().await.unwrap().unwrap();
    assert_eq!(first, "one ".as_bytes(), "it is there before the second is sent");
    let mut rest = Vec::new();
    while let Some(part) = answer.body.next().await {
        rest.extend_from_slice(&part.unwrap());
    }
    assert_eq!(rest, b"two");

    let mut begun = outbound.open(to(format!("{echo}/begins"), 500)).await.unwrap();
    assert_eq!(begun.body.next().await.unwrap().unwrap(), "one ".as_bytes());
    let late = begun.body.next().await.unwrap().unwrap_err();
    assert_eq!((late.kind, late.effect), (PortErrorKind::Timeout, Effect::Unknown), "{late}");
    assert!(begun.body.next().await.is_none(), "it ends after an error");

    let late = outbound.open(to(format!("{echo}/silent"), 300)).await.err().unwrap();
    assert_eq!(late.kind, PortErrorKind::Timeout);
    let refused = outbound.open(to("http://example.com/".to_owned(), 300)).await.err().unwrap();
    assert_eq!((refused.kind, refused.effect), (PortErrorKind::Invalid, Effect::None));
}
