//! E-mail: a mailbox by IMAP in, SMTP out, both behind a port that only the native runtime has.

mod desk;
mod incoming;
mod outgoing;
mod proof;
mod sample;
mod setup;
mod words;

use super::{
    Addressed, Aim, Attempt, Channel, Connection, Fetch, Inbound, Incoming, Length, Mailbox, Mode,
    SendResult, Setup, header, hub, secret,
};
use bytes::Bytes;
use desk::{Desk, is_address};
use http::HeaderMap;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use platform::config::Section;
use platform::ports::mail::{Received, Server};
use platform::ports::{MailAccount, OutboundResponse};
use std::sync::Arc;

/// The channel.
pub struct Mail;

const MAILBOX: Mode = Mode::Fetched {
    name: "mailbox",
    webhook_fix: "Remove this endpoint here; run Quintet on a machine of your own for e-mail (docs/channels/mail.md).",
};
const ADDRESS: &str = "Write the address of the mailbox, such as \"desk@example.org\".";
const IMAP: &str = "Write the server with TLS, such as \"imaps://imap.example.org:993\".";
const SMTP: &str = "Write the server with TLS, such as \"smtps://smtp.example.org:465\" or \"smtp+starttls://smtp.example.org:587\".";
const PASSWORD: &str = "Copy the password of the mailbox; for Gmail and others, an app password.";
const PERSON: &str = "Write addresses in lower case, such as \"ines@example.org\".";
const TRUSTS: &str = "Write trusts = \"mx.example.org\": the name by which your server begins the header Authentication-Results of a received message (docs/channels/mail.md). Without it, name senders alone.";
/// A letter with a file, which is a third longer on its way.
const FILE_BYTES_MAX: u64 = 17 << 20;

impl Channel for Mail {
    /// Everybody has servers of one's own.
    fn default_api_base(&self) -> &'static str {
        ""
    }

    fn connect(
        &self,
        _: &str,
        section: &mut Section<'_>,
        _: String,
    ) -> Option<Arc<dyn Connection>> {
        let is_local = section.flag("local").unwrap_or(false);
        let address = section.text("address").map(|address| address.to_lowercase());
        let address = section.required("address", address, ADDRESS);
        if address.as_deref().is_some_and(|address| !is_address(address)) {
            section.wrong("address", "is no address of mail.", ADDRESS);
        }
        let imap = server(section, "imap", Server::imap, (is_local, IMAP));
        let smtp = server(section, "smtp", Server::smtp, (is_local, SMTP));
        let user = section.text("user").or_else(|| address.clone());
        let password = secret(section, "password", PASSWORD);
        let folder = section.text("folder").unwrap_or_else(|| "INBOX".to_owned());
        let aliases = section.texts("aliases").unwrap_or_default();
        let aliases: Vec<String> = aliases.iter().map(|alias| alias.to_lowercase()).collect();
        if !aliases.iter().all(|alias| is_address(alias)) {
            section.wrong("aliases", "has an entry that is no address of mail.", ADDRESS);
        }
        let trusts = section.text("trusts").map(|name| name.to_lowercase());
        for list in ["approvers", "senders"] {
            let people = section.texts(list).unwrap_or_default();
            let is_person = |id: &String| id == "*" || is_address(id) && *id == id.to_lowercase();
            if !people.iter().all(is_person) {
                section.wrong(list, "has an id that is no address in lower case.", PERSON);
            }
            if list == "approvers" && !people.is_empty() && trusts.is_none() {
                section.wrong(list, "cannot be proven by e-mail without `trusts`.", TRUSTS);
            }
        }
        let (address, password) = (address?, password?);
        let local_key = is_local.then(|| password.clone());
        let account = match (imap, smtp) {
            _ if is_local => None,
            (Some(imap), Some(smtp)) => {
                let address = address.clone();
                Some(MailAccount { address, imap, smtp, user: user?, password, folder })
            }
            _ => return None,
        };
        Some(Arc::new(Desk { address, aliases, account, local_key, trusts }))
    }

    fn example(&self) -> &'static str {
        setup::EXAMPLE
    }
}

fn server(
    section: &mut Section<'_>,
    key: &str,
    read: fn(&str) -> Option<Server>,
    (is_local, fix): (bool, &str),
) -> Option<Server> {
    let text = section.text(key);
    if is_local {
        return None;
    }
    let text = section.required(key, text, fix)?;
    let server = read(&text);
    if server.is_none() {
        section.wrong(key, "is not the address of a server with TLS.", fix);
    }
    server
}

impl Connection for Desk {
    /// Nobody posts mail, but `quintet send` to the mailbox of this machine.
    fn verify(&self, headers: &HeaderMap, body: &[u8], _: i64) -> bool {
        let Some(key) = &self.local_key else { return false };
        let signed = hub::signature(key.reveal().as_bytes(), body);
        header(headers, hub::HEADER).is_some_and(|sent| {
            subtle::ConstantTimeEq::ct_eq(sent.as_bytes(), signed.as_bytes()).into()
        })
    }
    fn read(&self, _: &HeaderMap, body: &[u8], _: i64) -> Incoming {
        let read: Received = serde_json::from_slice(body).unwrap_or_else(|_| Received {
            digest: platform::secret::digest_hex(body),
            broken: Some(String::new()),
            ..Received::default()
        });
        Incoming::Event(Box::new(incoming::read(self, &read)))
    }
    fn press_of(&self, row: &OutboxRow, word: &str) -> Option<String> {
        words::pressed(row.buttons.as_ref()?, word)
    }
    fn next(&self, _: &OutboxRow, _: i64) -> Option<Attempt> {
        None
    }
    /// A letter has room for everything.
    fn length(&self, _: &OutboxRow) -> Length {
        Length { messages: 1, left_out: 0 }
    }
    fn edits(&self) -> bool {
        false
    }
    fn judge(&self, _: &Aim, _: &OutboundResponse) -> SendResult {
        SendResult::Never { error: "mail is not sent by requests".to_owned() }
    }
    fn mode(&self) -> Mode {
        if self.local_key.is_some() { Mode::Webhook } else { MAILBOX }
    }
    fn fetch(&self, file: &OfferedFile, _: Option<&OutboundResponse>) -> Fetch {
        let place = incoming::place(&file.source);
        place.map_or_else(|| Fetch::Never("it is not in the mailbox".to_owned()), Fetch::Mailbox)
    }
    fn file_bytes_max(&self) -> u64 {
        FILE_BYTES_MAX
    }
    fn next_file(&self, _: &OutboxRow, _: &KeptFile, _: &Bytes, _: i64) -> Option<Attempt> {
        None
    }
    fn mailbox(&self) -> Option<&dyn Mailbox> {
        Some(self)
    }
    fn set_up(&self, _: &str, _: Option<&str>) -> Setup {
        Setup::Refused(setup::NO_WEBHOOK.to_owned())
    }
}

impl Mailbox for Desk {
    fn account(&self) -> Option<&MailAccount> {
        self.account.as_ref()
    }
    fn read_mail(&self, message: &Received) -> Inbound {
        incoming::read(self, message)
    }
    fn letter(&self, row: &OutboxRow, file: Option<(&KeptFile, &Bytes)>) -> Option<Addressed> {
        outgoing::letter(self, row, file)
    }
}
