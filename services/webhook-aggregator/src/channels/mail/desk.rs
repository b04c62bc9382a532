//! One address with its mailbox, and the ids of its letters.

use platform::ports::MailAccount;
use platform::secret::{Secret, digest_hex};

/// Begins the ids of our letters, and of our questions.
const OURS: &str = "quintet.";
const QUESTION: &str = "quintet.q.";
/// Maximum bytes of an id.
const ID_BYTES_MAX: usize = 250;

/// One address.
#[derive(Debug)]
pub(super) struct Desk {
    /// In lower case.
    pub(super) address: String,
    /// Other addresses that lead here, in lower case.
    pub(super) aliases: Vec<String>,
    /// `None` for the mailbox of this machine.
    pub(super) account: Option<MailAccount>,
    /// Signs the messages of `quintet send`.
    pub(super) local_key: Option<Secret>,
    /// The server that says who a message is from, in lower case.
    pub(super) trusts: Option<String>,
}

impl Desk {
    /// Whether this address leads here: ours, an alias, or either with `+` and a word before the
    /// `@`.
    pub(super) fn is_me(&self, reader: &str) -> bool {
        let (name, domain) = reader.rsplit_once('@').unwrap_or_default();
        let bare = format!("{}@{domain}", name.split('+').next().unwrap_or_default());
        let mut own = self.aliases.iter().chain([&self.address]);
        own.any(|own| own == reader || *own == bare)
    }
    /// The id of a letter: the same for the same content, so that a repeated one is known.
    pub(super) fn id(&self, row: &str, shows: &str, is_question: bool) -> String {
        let kind = if is_question { QUESTION } else { OURS };
        let digest: String =
            digest_hex(format!("{row}\n{shows}").as_bytes()).chars().take(32).collect();
        format!("{kind}{digest}@{}", domain_of(&self.address))
    }
    /// Whether an id has the form of ours.
    pub(super) fn is_ours(&self, id: &str) -> bool {
        id.starts_with(OURS) && domain_of(id).eq_ignore_ascii_case(domain_of(&self.address))
    }
    /// The same of a question.
    pub(super) fn is_question(&self, id: &str) -> bool {
        self.is_ours(id) && id.starts_with(QUESTION)
    }
}

/// The part behind the `@`.
pub(super) fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Whether this is an address that can stand in a command and in a header as it is.
pub(super) fn is_address(text: &str) -> bool {
    let is_part = |ch: char| ch.is_ascii_graphic() && !"<>()[]\\,;:\"@".contains(ch);
    text.len() <= 254
        && text.split_once('@').is_some_and(|(name, domain)| {
            !name.is_empty()
                && !domain.is_empty()
                && name.chars().chain(domain.chars()).all(is_part)
        })
}

/// Whether this is an id that can stand in a header as it is.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ID_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte))
}
