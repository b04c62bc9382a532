//! How a mailbox comes to be read.

/// An example endpoint of this channel for `quintet.toml`.
pub(super) const EXAMPLE: &str = "[endpoints.mail.desk]
address = \"…\"                          # of the mailbox that Quintet reads, and writes from
imap = \"imaps://…:993\"
smtp = \"smtps://…:465\"                 # or smtp+starttls://…:587
# user = \"…\"                           # default: the address
password = \"…\"                         # for Gmail and others, an app password
# folder = \"…\"                         # default: INBOX
trusts = \"…\"                           # your server, as the header Authentication-Results names it
approvers = [\"…\"]                      # your address; needs trusts";

/// Why there is no webhook.
pub(super) const NO_WEBHOOK: &str = "e-mail has no webhook: Quintet reads the mailbox itself. Write the endpoint into quintet.toml (docs/channels/mail.md), then run `quintet doctor`";
