//! The folders that agents work in, held against this machine before anything starts.

use crate::config_file;
use crate::data_dir::{self, DataDir};
use crate::programs::NativePrograms;
use crate::programs::named::in_home;
use platform::config::ConfigProblem;
use std::path::{Path, PathBuf};

impl NativePrograms {
    /// Starts the programs of these agents: in the work directory of this machine, without a view
    /// of the data directory and of this configuration file.
    pub fn of(data: &DataDir, file: Option<PathBuf>, config: &agency_gateway::Config) -> Self {
        let workspaces = config.programs().filter_map(|(_, program)| program.workspace.clone());
        Self::new(data_dir::work_dir(), data.path())
            .protecting(file)
            .agents_writing(config.writable_paths())
            .agents_working(workspaces)
    }
}

/// Everything about the agents that does not fit this machine: keys that are not set, and
/// workspaces.
pub fn of_machine(
    gateway: &agency_gateway::Config,
    data: &DataDir,
    file: Option<&Path>,
) -> Vec<ConfigProblem> {
    let keys = config_file::key_problems(gateway).into_iter();
    keys.chain(problems(gateway, data, file)).collect()
}

/// Workspaces that are missing, lie outside the roots, or would show an agent our own files: the
/// data directory, the work directory, the configuration file.
pub fn problems(
    gateway: &agency_gateway::Config,
    data: &DataDir,
    file: Option<&Path>,
) -> Vec<ConfigProblem> {
    let home = data_dir::variable("HOME").map(PathBuf::from);
    let home = home.as_deref();
    let mut problems = Vec::new();
    let roots = roots(gateway, home, &mut problems);
    let work = data_dir::work_dir();
    let own = [Some(data.path()), Some(work.as_path()), file];
    let own: Vec<PathBuf> = own.into_iter().flatten().map(resolved).collect();
    for (agent, program) in gateway.programs() {
        let Some(workspace) = program.workspace.as_deref() else { continue };
        let found = folder(workspace, home)
            .and_then(|folder| within(&folder, &roots).map(|()| folder))
            .and_then(|folder| apart(&folder, &own).map(|()| folder))
            .and_then(|folder| if program.has_worktrees { in_repository(&folder) } else { Ok(()) });
        if let Err((key, message, fix)) = found {
            let path = format!("agents.{agent}.{key}");
            let message = format!("\"{workspace}\" {message}");
            problems.push(ConfigProblem { path, message, fix });
        }
    }
    problems
}

/// The key, what is wrong and the fix.
type Refusal = (&'static str, String, String);

fn refusal(message: impl Into<String>, fix: impl Into<String>) -> Refusal {
    ("workspace", message.into(), fix.into())
}

/// The roots without symbolic links; the home unless the key names others.
fn roots(
    gateway: &agency_gateway::Config,
    home: Option<&Path>,
    problems: &mut Vec<ConfigProblem>,
) -> Vec<PathBuf> {
    if gateway.workspace_roots.is_empty() {
        return home.and_then(|home| home.canonicalize().ok()).into_iter().collect();
    }
    let mut roots = Vec::new();
    for root in &gateway.workspace_roots {
        match in_home(root, home).canonicalize() {
            Ok(found) if found.is_dir() => roots.push(found),
            _ => problems.push(ConfigProblem {
                path: "gateway.workspace_roots".to_owned(),
                message: format!("names \"{root}\", which is no folder of this machine."),
                fix: "Make the folder, or correct the path.".to_owned(),
            }),
        }
    }
    roots
}

fn folder(workspace: &str, home: Option<&Path>) -> Result<PathBuf, Refusal> {
    match in_home(workspace, home).canonicalize() {
        Ok(found) if found.is_dir() => Ok(found),
        Ok(_) => Err(refusal("is a file.", "Name the folder that the agent works in.")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(refusal(
            "does not exist.",
            "Make the folder, correct the path, or remove the key: then each conversation gets \
             a folder of its own.",
        )),
        Err(error) => Err(refusal(
            format!("cannot be read: {error}."),
            "Give the user that runs this access to it, or name another folder.",
        )),
    }
}

fn within(folder: &Path, roots: &[PathBuf]) -> Result<(), Refusal> {
    if roots.iter().any(|root| folder.starts_with(root)) {
        return Ok(());
    }
    let listed: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
    let listed = if listed.is_empty() { "no folder".to_owned() } else { listed.join(", ") };
    Err(refusal(
        format!("is {}, outside the folders that agents may work in ({listed}).", folder.display()),
        format!(
            "Add a folder above it to workspace_roots of [gateway], such as \
             workspace_roots = [\"{}\"], or name another workspace.",
            folder.parent().unwrap_or(folder).display()
        ),
    ))
}

fn apart(folder: &Path, own: &[PathBuf]) -> Result<(), Refusal> {
    let touches = |path: &&PathBuf| path.starts_with(folder) || folder.starts_with(path);
    match own.iter().find(touches) {
        None => Ok(()),
        Some(path) => Err(refusal(
            format!(
                "holds or lies in {}, which is Quintet's own and which no agent may change.",
                path.display()
            ),
            "Name another folder, or move Quintet's files out of it (--data, --config).",
        )),
    }
}

/// `isolation = "worktree"` needs a commit to begin from.
fn in_repository(folder: &Path) -> Result<(), Refusal> {
    crate::programs::git::Repository::of(folder).and_then(|found| found.head()).map(|_| ()).map_err(
        |why| {
            (
                "isolation",
                format!("cannot have worktrees: {why}."),
                format!(
                    "Run `git init` and commit once in {}, or remove isolation.",
                    folder.display()
                ),
            )
        },
    )
}

/// Without symbolic links as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    path.ancestors()
        .find_map(|above| {
            let rest = path.strip_prefix(above).ok()?;
            Some(above.canonicalize().ok()?.join(rest))
        })
        .unwrap_or_else(|| path.to_path_buf())
}
