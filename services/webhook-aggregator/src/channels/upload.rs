//! Files on the wire: a form with one file in it, and addresses that only a platform's own hosts
//! may have.

use bytes::Bytes;
use inbox::KeptFile;
use platform::secret::digest_hex;

/// How long fetching or sending a file may take, within the lease of a step.
pub(super) const FILE_TIMEOUT_MS: u64 = 45_000;

/// A `multipart/form-data` body with these fields, then the file. Returns its content type.
pub(super) fn form(
    fields: &[(&str, String)],
    file_field: &str,
    file: &KeptFile,
    content: &Bytes,
) -> (String, Bytes) {
    // The digest of everything in it cannot be in it.
    let seed: String = fields.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let boundary = format!("quintet-{}", digest_hex(format!("{seed}{}", file.sha256).as_bytes()));
    let mut body = Vec::with_capacity(content.len() + 1024);
    for (name, value) in fields {
        let part = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    // A safe name has no quote and no line end.
    let head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"{file_field}\"; filename=\"{}\"\r\ncontent-type: {}\r\n\r\n",
        file.name, file.kind
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), Bytes::from(body))
}

/// The address, if it is https on one of these hosts, or has the origin of the configured API.
/// Anybody may write an address into a message; only the platform's own are ever requested.
pub(super) fn on_platform(address: &str, api_base: &str, hosts: &[&str]) -> Option<String> {
    let uri: http::Uri = address.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?.as_str());
    let base: http::Uri = api_base.parse().ok()?;
    let of_api = base.scheme_str() == Some(scheme)
        && base.authority().is_some_and(|own| own.as_str() == authority);
    let of_host = scheme == "https" && hosts.contains(&authority);
    (of_api || of_host).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_platform_are_requested() {
        let base = "http://127.0.0.1:9/api";
        let asked = |address| on_platform(address, base, &["files.slack.com"]).is_some();
        assert!(asked("https://files.slack.com/files-pri/T1-F1/a.png?x=1"));
        assert!(asked("http://127.0.0.1:9/files/a"));
        for address in [
            "http://files.slack.com/a",
            "https://files.slack.com@evil.example/a",
            "https://files.slack.com.evil.example/a",
            "https://files.slack.com:8443/a",
            "https://evil.example/files.slack.com",
            "http://127.0.0.1:10/a",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "",
        ] {
            assert!(!asked(address), "{address}");
        }
    }
}
