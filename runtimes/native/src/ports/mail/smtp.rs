//! SMTP with mail-send, over our own connections.

use super::build;
use super::line::{Line, Lines, invalid, unavailable, within};
use mail_send::smtp::message::Parameters;
use mail_send::{Credentials, Error, SmtpClient};
use platform::ports::mail::{Letter, MailAccount, Security, Sent};
use platform::ports::{PortError, PortErrorKind, PortResult};
use std::time::Duration;

/// Maximum time to sign in, to name the reader, and of the content; together within the minute for
/// which a message is leased.
const PREPARE: Duration = Duration::from_secs(15);
const ADDRESS: Duration = Duration::from_secs(10);
const CONTENT: Duration = Duration::from_secs(30);
const GOODBYE: Duration = Duration::from_secs(2);
/// The name that we give ourselves: a machine at home has none that others know.
const SELF: &str = "[127.0.0.1]";

type Client = SmtpClient<Line>;

/// The server's verdict, or the end of the connection.
enum Missed {
    Refused(Sent),
    Failed(PortError),
}

impl From<Error> for Missed {
    fn from(error: Error) -> Self {
        match error {
            Error::UnexpectedReply(reply) => {
                let said = platform::text::printable(reply.message());
                let why = format!("{} {}", reply.code(), platform::text::short(&said, 200));
                Self::Refused(Sent::Refused { is_final: reply.code() / 100 == 5, why })
            }
            error => Self::Failed(unavailable(error)),
        }
    }
}

impl Missed {
    /// As a failure in which nothing was sent.
    fn failure(self) -> PortError {
        match self {
            Self::Failed(error) => error,
            Self::Refused(Sent::Refused { why, .. }) => unavailable(why),
            Self::Refused(Sent::Accepted) => unavailable("an unexpected reply"),
        }
    }
}

/// Sends a letter.
pub(super) async fn send(
    lines: &Lines,
    account: &MailAccount,
    letter: &Letter,
) -> PortResult<Sent> {
    // It stands in a command.
    let is_plain = |text: &str| text.bytes().all(|byte| byte > b' ' && !b"<>\x7f".contains(&byte));
    let mut client = within(PREPARE, opened(lines, account)).await?;
    if !is_plain(&letter.to) || !is_plain(&account.address) {
        return Err(invalid("the address is no address of mail"));
    }
    let content = build::message(account, letter).map_err(|error| invalid(error.to_string()))?;
    let addressing = async {
        let none = Parameters::default();
        let named: Result<(), Missed> = async {
            client.mail_from(&account.address, &none).await?;
            client.rcpt_to(&letter.to, &none).await?;
            Ok(())
        }
        .await;
        Ok(named)
    };
    match within(ADDRESS, addressing).await? {
        Ok(()) => {}
        Err(Missed::Refused(sent)) => return Ok(sent),
        Err(Missed::Failed(error)) => return Err(error),
    }
    let sent = tokio::time::timeout(CONTENT, client.data(&content)).await;
    let sent = match sent.map_err(|_| Error::Timeout).and_then(|sent| sent) {
        Ok(_) => Sent::Accepted,
        Err(error) => match Missed::from(error) {
            Missed::Refused(sent) => sent,
            // It may be on its way.
            Missed::Failed(error) => return Err(PortError::unknown(error.kind, error.detail)),
        },
    };
    let _ = tokio::time::timeout(GOODBYE, client.quit()).await;
    Ok(sent)
}

/// Tries the sign-in.
pub(super) async fn sign_in(lines: &Lines, account: &MailAccount) -> PortResult<()> {
    let client = within(PREPARE, opened(lines, account)).await?;
    let _ = tokio::time::timeout(GOODBYE, client.quit()).await;
    Ok(())
}

/// A connection that is signed in.
async fn opened(lines: &Lines, account: &MailAccount) -> PortResult<Client> {
    let server = &account.smtp;
    let stream = lines.reach(server).await?;
    let mut client = match server.security {
        Security::Tls => client(lines.secured(server, stream).await?),
        Security::Plain => client(Box::new(stream)),
        Security::StartTls => {
            let mut plain = SmtpClient { stream, timeout: PREPARE };
            greeted(&mut plain).await.map_err(Missed::failure)?;
            plain.ehlo(SELF).await.map_err(Missed::from).map_err(Missed::failure)?;
            let answer = plain.cmd("STARTTLS\r\n").await.map_err(Missed::from);
            if answer.map_err(Missed::failure)?.code() != 220 {
                return Err(unavailable("the server has no STARTTLS"));
            }
            // Words behind the answer, which anybody may have put there, are dropped with it.
            client(lines.secured(server, plain.stream).await?)
        }
    };
    if server.security != Security::StartTls {
        greeted(&mut client).await.map_err(Missed::failure)?;
    }
    let can = client.ehlo(SELF).await.map_err(Missed::from).map_err(Missed::failure)?;
    let credentials = Credentials::new(account.user.as_str(), account.password.reveal());
    match client.authenticate(&credentials, &can).await {
        Ok(_) => {}
        Err(Error::AuthenticationFailed(reply)) => {
            let said = platform::text::short(&platform::text::printable(reply.message()), 200);
            let is_final = reply.code() / 100 == 5;
            let kind = if is_final { PortErrorKind::Invalid } else { PortErrorKind::Unavailable };
            let detail = format!("the server refuses the sign-in: {} {said}", reply.code());
            return Err(PortError::clean(kind, detail));
        }
        Err(error) => return Err(Missed::from(error).failure()),
    }
    Ok(client)
}

fn client(stream: Line) -> Client {
    SmtpClient { stream, timeout: CONTENT }
}

async fn greeted<T>(client: &mut SmtpClient<T>) -> Result<(), Missed>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let greeting = client.read().await?;
    if greeting.code() == 220 { Ok(()) } else { Err(Error::UnexpectedReply(greeting).into()) }
}
