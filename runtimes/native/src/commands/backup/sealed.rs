//! Encrypted backups: files in the age format, for recipients with keys or for a passphrase, so
//! that the programs `age` and `rage` open them too.

use crate::data_dir::variable;
use crate::exit::{No, Unreachable, Usage};
use age::secrecy::{ExposeSecret, SecretString};
use age::{DecryptError, Decryptor, Encryptor, Identity, IdentityFile, scrypt, x25519};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

/// The variable that holds the passphrase, for backups without a person.
const PASSPHRASE: &str = "QUINTET_BACKUP_PASSPHRASE";
/// Minimum characters of a passphrase that encrypts.
const PASSPHRASE_CHARS_MIN: usize = 12;
/// Every such file begins like this.
const BEGINNING: &[u8] = b"age-encryption.org/";
/// The same as text, which `quintet backup` never writes.
const BEGINNING_ARMORED: &[u8] = b"-----BEGIN AGE ";
/// Cost of trying one passphrase: 2^18 steps of scrypt, about a second and 256 MiB, as the program
/// `age` has it. Fixed, because a measured one is weak on a busy machine.
const WORK_FACTOR: u8 = 18;
/// Maximum accepted cost: 1 GiB. A hostile file could name any.
const WORK_FACTOR_MAX: u8 = 20;

/// The key of a new backup.
pub enum Lock {
    Passphrase(SecretString),
    Recipients(Vec<x25519::Recipient>),
}

impl Lock {
    /// Reads the recipients; without any, asks for a passphrase.
    ///
    /// # Errors
    /// [`Usage`] for a recipient that is none, and a passphrase that is weak or missing.
    pub fn choose(recipients: &[String]) -> Result<Self> {
        if recipients.is_empty() {
            return new_passphrase().map(Self::Passphrase);
        }
        let read = |text: &String| {
            text.trim().parse::<x25519::Recipient>().map_err(|reason| {
                Usage(format!(
                    "{text} is not a recipient ({reason}), so nothing was written. Write the \
                     public key age1… that `age-keygen` prints."
                ))
            })
        };
        Ok(Self::Recipients(recipients.iter().map(read).collect::<Result<_, _>>()?))
    }
    /// Wraps the file; the writer must be finished at the end.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn close(self, out: File) -> Result<age::stream::StreamWriter<File>> {
        let encryptor = match self {
            Self::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(passphrase);
                recipient.set_work_factor(WORK_FACTOR);
                Encryptor::with_recipients(std::iter::once(&recipient as _))
            }
            Self::Recipients(recipients) => {
                Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as _))
            }
        };
        Ok(encryptor.context("cannot encrypt")?.wrap_output(out)?)
    }
}

fn new_passphrase() -> Result<SecretString> {
    let passphrase = match variable(PASSPHRASE) {
        Some(text) => SecretString::from(text),
        None => {
            let first = ask("Passphrase of the backup: ")?;
            let again = ask("The same again: ")?;
            if first.expose_secret() != again.expose_secret() {
                let differ = "the two differ, so nothing was written. Try again.";
                return Err(Usage(differ.to_owned()).into());
            }
            first
        }
    };
    if passphrase.expose_secret().chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(Usage(format!(
            "the passphrase has fewer than {PASSPHRASE_CHARS_MIN} characters and could be guessed, \
             so nothing was written. Choose a longer one, such as five or six words."
        ))
        .into());
    }
    Ok(passphrase)
}

/// Asks at the terminal, without showing what is typed.
fn ask(question: &str) -> Result<SecretString> {
    match rpassword::prompt_password(question) {
        Ok(text) => Ok(SecretString::from(text)),
        Err(_) => Err(Usage(format!(
            "there is no terminal to ask for the passphrase. Set {PASSPHRASE}, or use keys \
             (--recipient for a backup, --identity for a restore)."
        ))
        .into()),
    }
}

/// The archive inside a backup, decrypted where it is encrypted.
///
/// # Errors
/// [`No`] for the wrong key, [`Usage`] for a missing or needless one.
pub fn open(file: &Path, identity: Option<&Path>) -> Result<Box<dyn Read>> {
    let cannot_read =
        |error: std::io::Error| Unreachable(format!("cannot read {}: {error}", file.display()));
    let mut input = File::open(file).map_err(cannot_read)?;
    let mut beginning = Vec::new();
    input.by_ref().take(BEGINNING.len() as u64).read_to_end(&mut beginning).map_err(cannot_read)?;
    input.rewind().map_err(cannot_read)?;
    if beginning.starts_with(BEGINNING_ARMORED) {
        return Err(Usage(format!(
            "{} is encrypted as text. Decrypt it with `age -d` first.",
            file.display()
        ))
        .into());
    }
    if beginning != BEGINNING {
        return match identity {
            None => Ok(Box::new(input)),
            Some(_) => {
                Err(Usage(format!("{} is not encrypted. Leave --identity out.", file.display()))
                    .into())
            }
        };
    }
    let decryptor = Decryptor::new_buffered(BufReader::new(input)).map_err(explain)?;
    let identities: Vec<Box<dyn Identity + Send + Sync>> = match (decryptor.is_scrypt(), identity) {
        (true, Some(_)) => {
            return Err(Usage(format!(
                "{} is encrypted with a passphrase. Leave --identity out.",
                file.display()
            ))
            .into());
        }
        (true, None) => {
            let passphrase = match variable(PASSPHRASE) {
                Some(text) => SecretString::from(text),
                None => ask("Passphrase of the backup: ")?,
            };
            let mut identity = scrypt::Identity::new(passphrase);
            identity.set_max_work_factor(WORK_FACTOR_MAX);
            vec![Box::new(identity)]
        }
        (false, None) => {
            return Err(Usage(format!(
                "{} is encrypted for a key. Name the file with the secret key with --identity \
                 FILE.",
                file.display()
            ))
            .into());
        }
        (false, Some(path)) => identities(path)?,
    };
    let keys = identities.iter().map(|identity| &**identity as &dyn Identity);
    Ok(Box::new(decryptor.decrypt(keys).map_err(explain)?))
}

fn identities(path: &Path) -> Result<Vec<Box<dyn Identity + Send + Sync>>> {
    let unusable = |reason: String| {
        Unreachable(format!(
            "cannot read the keys in {}: {reason}. It should be a file that `age-keygen` wrote.",
            path.display()
        ))
    };
    let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let file = IdentityFile::from_buffer(&*text).map_err(|error| unusable(error.to_string()))?;
    let found = file.into_identities().map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() { Err(unusable("it has none".to_owned()).into()) } else { Ok(found) }
}

fn explain(error: DecryptError) -> anyhow::Error {
    match error {
        DecryptError::DecryptionFailed
        | DecryptError::KeyDecryptionFailed
        | DecryptError::NoMatchingKeys => {
            No("the passphrase or the key is not the one of this backup, so nothing was restored. \
             Try another."
                .to_owned())
            .into()
        }
        DecryptError::ExcessiveWork { required, .. } => No(format!(
            "the backup asks for too much work to try a passphrase (2^{required} steps, at most \
             2^{WORK_FACTOR_MAX}), so nothing was restored. `quintet backup` wrote no such file."
        ))
        .into(),
        other => anyhow::anyhow!(
            "the encrypted backup is damaged or truncated ({other}), so nothing was restored"
        ),
    }
}
