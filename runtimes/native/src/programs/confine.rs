//! The reach of a program in the sandbox: system folders, the programs on PATH, its own work
//! folder, and the paths that its owner names. Nothing else of the home, and nothing that holds a
//! secret of ours.

use super::installed::{files_of, install_trees, on_path};
use super::named::{Resolved, in_home};
use platform::ports::{ProgramNetwork, ProgramSpec};
use sandbox::{Access, Bind, Identity, LeavesOut, Limits, Network, Plan, Protected};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Read-only, where they exist.
const SYSTEM: [&str; 14] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix",
    "/gnu",
    "/snap",
    "/var/lib/ca-certificates",
    "/sys/devices/system/cpu",
];
/// Files of the system that name passwords or keys, which no path that the owner names may show;
/// root may read them even without capabilities.
const SYSTEM_SECRETS: [&str; 7] = [
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssl/private",
];
/// Folders of the home that hold tool chains and no secrets.
const TOOL_CHAINS: [&str; 9] = [
    ".rustup",
    ".nvm/versions",
    ".pyenv",
    ".asdf",
    ".local/share/mise",
    ".volta",
    ".bun/bin",
    ".deno/bin",
    "go/bin",
];

/// Where a program runs.
pub(super) struct Location<'a> {
    pub(super) program: &'a Path,
    /// Its work folder.
    pub(super) folder: &'a Path,
    /// Where it starts.
    pub(super) directory: &'a Path,
    pub(super) identity: Identity,
    /// Paths of its workspace.
    pub(super) workspace: &'a [Bind],
    /// The socket of its relay, with `network = "internet"`.
    pub(super) relay: Option<&'a Path>,
    /// The socket of its keys, unless it has the network of the machine.
    pub(super) secrets: Option<&'a Path>,
    pub(super) path: Option<&'a OsStr>,
    pub(super) home: Option<&'a Path>,
    /// The data directory, and every file with secrets elsewhere.
    pub(super) protected: &'a [Protected],
    pub(super) data: &'a Path,
    /// Links that lead the server to its files.
    pub(super) guarded: Vec<PathBuf>,
    /// Where paths lead.
    pub(super) resolved: &'a Resolved,
    /// Empty folders of its workspace to cover.
    pub(super) covered: Vec<PathBuf>,
    /// Maximum private memory of one process, bytes.
    pub(super) memory_bytes: u64,
}

/// The plan of one run.
pub(super) fn plan(spec: &ProgramSpec, place: &Location<'_>) -> Plan {
    let mut binds: Vec<Bind> = SYSTEM.into_iter().map(of_system).collect();
    binds.extend(on_path(place.path).map(Bind::read_only));
    binds.extend(install_trees(place.program).map(Bind::read_only));
    if let Some(home) = place.home {
        binds.extend(TOOL_CHAINS.iter().map(|name| Bind::read_only(home.join(name))));
    }
    // Often a link to a file below /run.
    binds.extend(std::fs::canonicalize("/etc/resolv.conf").ok().map(Bind::read_only));
    // An agent may have put links to other folders in their places.
    binds.retain_mut(|bind| {
        bind.leads_to = place.resolved.of(&bind.path);
        is_system(&bind.path) || bind.leads_to.is_some()
    });
    // Before the owner's own paths, so that `writable` can open what is closed here.
    binds.extend(place.workspace.iter().cloned());
    let named = |path: &String, access| {
        let path = in_home(path, place.home);
        let leads_to = place.resolved.named(&path);
        Bind { access, leads_to, ..Bind::writable(path) }
    };
    binds.extend(spec.reach.readable.iter().map(|path| named(path, Access::ReadOnly)));
    binds.extend(spec.reach.writable.iter().map(|path| named(path, Access::Writable)));
    binds.extend(spec.reach.state.iter().map(|state| named(&state.folder, Access::Writable)));
    let sockets = place.relay.into_iter().chain(place.secrets);
    binds.extend(sockets.map(|path| Bind::read_only(path).of_run()));
    let own = Bind { identity: Some(place.identity), ..Bind::writable(place.folder) };
    binds.push(own.of_run());
    let mut protected: Vec<_> = place.protected.to_vec();
    if spec.data_visible {
        protected.retain(|secret| secret.path != place.data);
        binds.push(Bind::writable(place.data));
    }
    protected.extend(SYSTEM_SECRETS.iter().filter_map(|path| Protected::at(Path::new(path)).ok()));
    let in_system = |bind: &Bind| {
        !is_system(&bind.path) && SYSTEM.iter().any(|path| bind.path.starts_with(path))
    };
    // Below `/bin` and the like, which may be links, the system's own binds show it already.
    binds.retain(|bind| bind.required || !in_system(bind));
    keep_one_each(&mut binds);
    leave_out_secrets(&mut binds, &protected);
    binds.extend(program_alone(place, &binds));
    Plan {
        binds,
        home: place.home.filter(|home| home.parent().is_some()).map(Path::to_path_buf),
        protected,
        guarded: place.guarded.clone(),
        covered: place.covered.clone(),
        directory: place.directory.to_path_buf(),
        network: match spec.reach.network {
            ProgramNetwork::None => Network::None,
            ProgramNetwork::Internet => Network::Internet,
            ProgramNetwork::All => Network::All,
        },
        relay: place.relay.map(Path::to_path_buf),
        secrets: place.secrets.map(Path::to_path_buf),
        limits: Limits { memory_bytes: place.memory_bytes, ..Limits::default() },
    }
}

/// A configuration may lie in a folder of the system, and root may read every file of `/etc`.
fn of_system(path: &str) -> Bind {
    let leaves_out = if path == "/etc" { LeavesOut::Private } else { LeavesOut::Protected };
    Bind { leaves_out, ..Bind::read_only(path) }
}

/// A later bind of the same path counts: the owner's word after our own.
fn keep_one_each(binds: &mut Vec<Bind>) {
    let mut seen = std::collections::BTreeSet::new();
    binds.reverse();
    binds.retain(|bind| seen.insert(bind.path.clone()));
    binds.reverse();
}

/// Paths that we add by ourselves give way where a secret lies in them or around them; those that
/// the owner named are refused later, with the reason.
fn leave_out_secrets(binds: &mut Vec<Bind>, protected: &[Protected]) {
    binds.retain(|bind| {
        bind.required
            || is_system(&bind.path)
            || !protected.iter().any(|secret| {
                let path = bind.path.canonicalize().unwrap_or_else(|_| bind.path.clone());
                secret.path.starts_with(&path) || path.starts_with(&secret.path)
            })
    });
}

fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|system| path == Path::new(system))
}

/// The files of the program that no folder shows already, without what lies beside them.
fn program_alone(place: &Location<'_>, binds: &[Bind]) -> Vec<Bind> {
    let is_shown = |file: &Path| {
        let mut folders = binds.iter().map(|bind| bind.path.as_path());
        folders.any(|folder| file.starts_with(folder) && folder.exists())
    };
    let files = files_of(place.program).into_iter().filter(|file| !is_shown(file));
    files
        .filter_map(|file| {
            let leads_to = Some(place.resolved.of(&file)?);
            Some(Bind { leads_to, ..Bind::read_only(file) })
        })
        .collect()
}
