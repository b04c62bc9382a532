//! The command line and the environment of a service.

use crate::data_dir::DataDir;
use crate::exit::Usage;
use anyhow::Result;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// File with the variables of the service, such as agents' API keys.
pub const VARIABLES: &str = "service.env";
/// Folder of that file for a service of the whole machine: its manager reads it as root, and the
/// owner of the data directory could make a link of it there.
const FOLDER_OF_A_SYSTEM: &str = "/etc/quintet";
/// File in the data directory that takes the log where there is no journal.
pub const LOG: &str = "service.log";

/// Everything that the file of a service says of this installation. All paths are absolute.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) program: String,
    pub(super) data: String,
    pub(super) config: Option<String>,
    pub(super) listen: Option<SocketAddr>,
    /// The folders in which agents' programs are looked for.
    pub(super) path: String,
    /// For the whole machine, as this user; none: for the user who signs in.
    pub(super) user: Option<String>,
}

impl Plan {
    /// A service that runs this program on the data directory.
    ///
    /// # Errors
    /// [`Usage`] for a path that no file of a service can hold.
    pub fn new(
        program: &Path,
        data: &DataDir,
        config: Option<&Path>,
        listen: Option<SocketAddr>,
        path: String,
        user: Option<String>,
    ) -> Result<Self> {
        let config = config.map(std::path::absolute).transpose()?;
        Ok(Self {
            program: text(program)?,
            data: text(data.path())?,
            config: config.as_deref().map(text).transpose()?,
            listen,
            path: text(Path::new(&path))?,
            user,
        })
    }
    /// The arguments after the program.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut words = vec!["up".to_owned(), "--data".to_owned(), self.data.clone()];
        if let Some(config) = &self.config {
            words.extend(["--config".to_owned(), config.clone()]);
        }
        if let Some(listen) = self.listen {
            words.extend(["--listen".to_owned(), listen.to_string()]);
        }
        words
    }
    /// The file with the variables.
    pub fn variables(&self) -> String {
        match self.user {
            Some(_) => format!("{FOLDER_OF_A_SYSTEM}/{VARIABLES}"),
            None => self.in_data(VARIABLES),
        }
    }
    /// A file in the data directory.
    pub(super) fn in_data(&self, name: &str) -> String {
        PathBuf::from(&self.data).join(name).display().to_string()
    }
}

/// A path as text. A line break would end its line in the file, and begin another one.
fn text(path: &Path) -> Result<String> {
    let sound = path.to_str().filter(|text| {
        !text.chars().any(char::is_control) && text.trim() == *text && !text.is_empty()
    });
    let refused = || {
        Usage(format!(
            "{} cannot stand in the file of a service: rename it without control characters and \
             spaces at its ends",
            platform::text::printable(&path.display().to_string())
        ))
    };
    Ok(sound.ok_or_else(refused)?.to_owned())
}
