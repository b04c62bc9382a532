//! Writes a letter in the format of mail.

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use platform::ports::mail::{Letter, MailAccount};

/// The bytes of a letter. Its headers keep programs from answering it.
pub(super) fn message(account: &MailAccount, letter: &Letter) -> std::io::Result<Vec<u8>> {
    let mut message = MessageBuilder::new()
        .from(Address::new_address(None::<&str>, account.address.as_str()))
        .to(Address::new_address(None::<&str>, letter.to.as_str()))
        .message_id(letter.message_id.as_str())
        .subject(letter.subject.as_str())
        .header("Auto-Submitted", Raw::new("auto-replied"))
        .header("X-Auto-Response-Suppress", Raw::new("All"))
        .text_body(letter.text.as_str());
    if let Some(id) = &letter.in_reply_to {
        message = message.in_reply_to(id.as_str());
    }
    if !letter.references.is_empty() {
        let ids: Vec<&str> = letter.references.iter().map(String::as_str).collect();
        message = message.references(ids);
    }
    if let Some(html) = &letter.html {
        message = message.html_body(html.as_str());
    }
    if let Some(file) = &letter.file {
        message = message.attachment(file.kind.as_str(), file.name.as_str(), file.content.to_vec());
    }
    message.write_to_vec()
}
