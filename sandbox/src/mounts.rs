//! The file system of a sandbox: a tmpfs of our own, with the plan's paths bound into it, as the
//! new root.

pub(crate) mod lineage;
mod locked;
mod parts;
mod shown;
mod target;

use crate::error::{Error, Result};
use crate::loopback;
use crate::plan::{Access, Network, Plan};
use lineage::{Line, Opened};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::pivot_root;
use shown::{Shown, Source};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// The new root is built here; the host's own folder of that name is covered meanwhile, for this
/// process alone.
const BASE: &str = "/tmp";
/// Where the host's root stands for a moment.
const OLD_ROOT: &str = ".host";
/// Device files that do no harm. No `/dev/tty`: a program has no terminal of ours.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Folders in memory that every program may write, with their modes.
const MEMORY_FOLDERS: [(&str, &str); 3] =
    [("/tmp", "1777"), ("/run", "0755"), ("/var/tmp", "1777")];
/// Parts of `/proc` that root of the host may write, also without capabilities.
const PROC_READ_ONLY: [&str; 5] = ["sys", "sysrq-trigger", "irq", "bus", "fs"];
/// Parts of `/proc` that tell of the kernel or of others.
const PROC_COVERED: [&str; 4] = ["kcore", "keys", "timer_list", "kallsyms"];

/// Builds the root and moves into it.
pub(crate) fn build(plan: &Plan) -> Result<()> {
    let network = match plan.network {
        Network::All => CloneFlags::empty(),
        Network::None | Network::Internet => CloneFlags::CLONE_NEWNET,
    };
    unshare(CloneFlags::CLONE_NEWNS | network)
        .map_err(|error| Error::refused("a mount namespace", error.desc()))?;
    if !network.is_empty() {
        loopback::up()?;
    }
    mounted(None, Path::new("/"), None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)?;
    // Opened before the base is covered: a source may lie in /tmp.
    let lines = lineage::of_protected(&plan.protected)?;
    let sources = open_sources(plan, &lines)?;
    let base = Path::new(BASE);
    memory_folder(base, "mode=0755,size=1m")?;
    let root = File::open(base).map_err(|error| Error::refused(BASE, error))?;
    let home = plan.home.as_deref().map(|home| (home, "0700"));
    for (folder, mode) in MEMORY_FOLDERS.map(|(f, m)| (Path::new(f), m)).into_iter().chain(home) {
        let target = target::directory(root.as_fd(), folder)?;
        memory_folder(&by_fd(target.as_fd()), &memory_options(plan, mode))?;
    }
    let (of_run, others): (Vec<_>, Vec<_>) = sources.iter().partition(|shown| shown.bind.of_run);
    others.iter().try_for_each(|shown| show(root.as_fd(), shown))?;
    cover(root.as_fd(), &others, &lines)?;
    // Over the covers, which become read-only with the bind that they lie in.
    of_run.iter().try_for_each(|shown| show(root.as_fd(), shown))?;
    cover_empty(root.as_fd(), plan)?;
    locked::restrict(base, &sources_of(&sources))?;
    devices(base, plan)?;
    processes(base, plan)?;
    pivot(base)
}

/// Opens what exists, parents before children, and refuses what would reach a secret.
fn open_sources<'a>(plan: &'a Plan, lines: &[Line<'_>]) -> Result<Vec<Shown<'a>>> {
    let mut sources = Vec::new();
    for bind in &plan.binds {
        let shown = |source| Shown { bind, path: bind.path.clone(), source };
        let at_top = bind.path.parent() == Some(Path::new("/"));
        if let Some(to) = std::fs::read_link(&bind.path).ok().filter(|_| at_top) {
            sources.push(shown(Source::Link(to)));
            continue;
        }
        let Some(opened) = Opened::of(bind)? else { continue };
        match parts::of(bind, &opened, lines) {
            Some(parts) => sources.extend(parts),
            None => {
                lineage::check(bind, &opened, lines)?;
                lineage::check_links(bind, &opened, &plan.guarded)?;
                sources.push(shown(Source::Opened(opened)));
            }
        }
    }
    sources.sort_by_key(|shown| shown.path.components().count());
    Ok(sources)
}

fn sources_of<'a>(sources: &'a [Shown<'_>]) -> Vec<(&'a Path, Access)> {
    sources.iter().map(|shown| (shown.path.as_path(), shown.bind.access)).collect()
}

fn show(root: BorrowedFd<'_>, shown: &Shown<'_>) -> Result<()> {
    match &shown.source {
        Source::Link(to) => target::link(root, &shown.path, to),
        Source::Opened(opened) => bind_one(root, &shown.path, opened),
    }
}

fn bind_one(root: BorrowedFd<'_>, path: &Path, opened: &Opened) -> Result<()> {
    let target = if opened.is_directory {
        target::directory(root, path)?
    } else {
        target::file(root, path)?
    };
    let from = by_fd(opened.descriptor.as_fd());
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mounted(Some(&from), &by_fd(target.as_fd()), None, flags, None)
        .map_err(|error| Error::refused(format!("bind {}", path.display()), error))
}

/// Puts an empty folder over each folder of secrets below a bind. No file of secrets lies there.
fn cover(root: BorrowedFd<'_>, sources: &[&Shown<'_>], lines: &[Line<'_>]) -> Result<()> {
    for line in lines.iter().filter(|line| line.is_directory) {
        for shown in sources {
            let Some(below) = opened_below(&shown.source, &line.secret.path) else { continue };
            let target = target::existing(root, &shown.path.join(below))?;
            hide(&by_fd(target.as_fd()), true)?;
        }
    }
    Ok(())
}

/// Puts an empty folder over each that the program is not to make anything in.
fn cover_empty(root: BorrowedFd<'_>, plan: &Plan) -> Result<()> {
    let is_bound = |path: &PathBuf| plan.binds.iter().any(|bind| bind.path == *path);
    for path in plan.covered.iter().filter(|path| !is_bound(path)) {
        let target = target::existing(root, path)?;
        let target = by_fd(target.as_fd());
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let options = Some("size=4k,mode=0500");
        mounted(
            Some(Path::new("none")),
            &target,
            Some("tmpfs"),
            flags | MsFlags::MS_RDONLY,
            options,
        )?;
    }
    Ok(())
}

fn opened_below<'a>(source: &Source, secret: &'a Path) -> Option<&'a Path> {
    match source {
        Source::Opened(opened) => secret.strip_prefix(&opened.path).ok(),
        Source::Link(_) => None,
    }
}

fn hide(target: &Path, is_directory: bool) -> Result<()> {
    if is_directory {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        return mounted(
            Some(Path::new("none")),
            target,
            Some("tmpfs"),
            flags,
            Some("size=4k,mode=0500"),
        );
    }
    mounted(Some(Path::new("/dev/null")), target, None, MsFlags::MS_BIND, None)
}

fn devices(base: &Path, plan: &Plan) -> Result<()> {
    let folder = base.join("dev");
    made(&folder)?;
    memory_folder(&folder, "mode=0755,size=64k")?;
    for name in DEVICES {
        let (from, to) = (Path::new("/dev").join(name), folder.join(name));
        File::create(&to).map_err(|error| Error::refused(to.display().to_string(), error))?;
        mounted(Some(&from), &to, None, MsFlags::MS_BIND, None)?;
    }
    for (name, to) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        std::os::unix::fs::symlink(to, folder.join(name))
            .map_err(|error| Error::refused(format!("/dev/{name}"), error))?;
    }
    made(&folder.join("shm"))?;
    memory_folder(&folder.join("shm"), &memory_options(plan, "1777"))?;
    made(&folder.join("pts"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let options = Some("newinstance,ptmxmode=0666,mode=0620");
    // Only programs that open terminals of their own need it, and some kernels lack it.
    let _ = mounted(Some(Path::new("devpts")), &folder.join("pts"), Some("devpts"), flags, options);
    Ok(())
}

fn processes(base: &Path, plan: &Plan) -> Result<()> {
    let folder = base.join("proc");
    made(&folder)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mounted(Some(Path::new("proc")), &folder, Some("proc"), flags, None)
        .map_err(|error| Error::refused("a /proc of its own", error))?;
    limit_processes(&folder, plan.limits.processes);
    for name in PROC_READ_ONLY.map(|name| folder.join(name)).iter().filter(|path| path.exists()) {
        mounted(Some(name), name, None, MsFlags::MS_BIND | MsFlags::MS_REC, None)?;
        let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | flags;
        mounted(None, name, None, read_only, None)?;
    }
    for name in PROC_COVERED.map(|name| folder.join(name)).iter().filter(|path| path.exists()) {
        hide(name, false)?;
    }
    Ok(())
}

/// Since Linux 6.14 the highest process id belongs to the PID namespace, which bounds root too,
/// whom `RLIMIT_NPROC` does not. Before that the file is the machine's, and is left alone.
fn limit_processes(proc: &Path, processes: u64) {
    let release = nix::sys::utsname::uname().ok();
    let release = release.as_ref().and_then(|name| name.release().to_str());
    let mut numbers = release.unwrap_or_default().split(['.', '-']).map(|n| n.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (6, 14) {
        // 301 is the least the kernel takes.
        let _ = std::fs::write(proc.join("sys/kernel/pid_max"), processes.max(301).to_string());
    }
}

fn pivot(base: &Path) -> Result<()> {
    let old = base.join(OLD_ROOT);
    made(&old)?;
    pivot_root(base, &old).map_err(|error| Error::refused("pivot_root", error.desc()))?;
    std::env::set_current_dir("/").map_err(|error| Error::refused("chdir", error))?;
    let old = Path::new("/").join(OLD_ROOT);
    umount2(&old, MntFlags::MNT_DETACH)
        .map_err(|error| Error::refused("leave the host's root", error.desc()))?;
    std::fs::remove_dir(&old).map_err(|error| Error::refused("leave the host's root", error))?;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    let flags = read_only | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mounted(None, Path::new("/"), None, flags, None)
}

fn memory_options(plan: &Plan, mode: &str) -> String {
    format!("mode={mode},size={},nr_inodes=200k", plan.limits.memory_folder_bytes)
}

fn memory_folder(target: &Path, options: &str) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mounted(Some(Path::new("tmpfs")), target, Some("tmpfs"), flags, Some(options))
}

fn made(folder: &Path) -> Result<()> {
    nix::unistd::mkdir(folder, Mode::from_bits_truncate(0o755))
        .map_err(|error| Error::refused(folder.display().to_string(), error.desc()))
}

fn mounted(
    source: Option<&Path>,
    target: &Path,
    kind: Option<&str>,
    flags: MsFlags,
    options: Option<&str>,
) -> Result<()> {
    mount(source, target, kind, flags, options)
        .map_err(|error| Error::refused(format!("mount {}", target.display()), error.desc()))
}

/// A name that leads to just this file, whatever becomes of its path.
fn by_fd(descriptor: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}
