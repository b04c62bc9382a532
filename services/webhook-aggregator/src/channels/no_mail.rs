//! E-mail where there is no port for it: its endpoints are refused, as `Config::refuse_polling`
//! does where the configuration is checked before a Worker gets it.

use super::{Channel, Connection};
use platform::config::Section;
use std::sync::Arc;

/// The channel, refused.
pub struct NoMail;

impl Channel for NoMail {
    fn default_api_base(&self) -> &'static str {
        ""
    }
    fn connect(
        &self,
        _: &str,
        section: &mut Section<'_>,
        _: String,
    ) -> Option<Arc<dyn Connection>> {
        // Each key of its own would be a mistake beside this one.
        section.names();
        section.wrong(
            "address",
            "is a mailbox, which a Worker cannot read.",
            "Remove this endpoint here; run Quintet on a machine of your own for e-mail.",
        );
        None
    }
    fn example(&self) -> &'static str {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::config::Report;
    use serde_json::json;

    #[test]
    fn mailbox_is_refused_with_one_sentence_where_there_is_no_port() {
        let report = Report::default();
        let keys = json!({ "address": "desk@example.org", "password": "x", "trusts": "mx" });
        let mut section = Section::new(Some(&keys), "endpoints.mail.desk", &report);
        assert!(NoMail.connect("desk", &mut section, String::new()).is_none());
        section.finish();
        let problems = report.into_problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path, "endpoints.mail.desk.address");
    }
}
