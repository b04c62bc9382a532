//! The processes of a program, by their parents in `/proc`.

use nix::unistd::Pid;
use std::collections::BTreeSet;

/// Every process below this one; none without `/proc`.
pub fn below(top: Pid) -> BTreeSet<Pid> {
    parents().map(|parents| below_in(&parents, top)).unwrap_or_default()
}

pub(super) fn below_in(parents: &[(Pid, Pid)], top: Pid) -> BTreeSet<Pid> {
    let mut below = BTreeSet::new();
    let mut above = vec![top];
    while let Some(parent) = above.pop() {
        for (pid, _) in parents.iter().filter(|(_, its_parent)| *its_parent == parent) {
            if below.insert(*pid) {
                above.push(*pid);
            }
        }
    }
    below
}

/// Process and parent ids from `/proc`; none without it.
pub(super) fn parents() -> Option<Vec<(Pid, Pid)>> {
    let entries = std::fs::read_dir("/proc").ok().filter(|_| cfg!(target_os = "linux"))?;
    let pids =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    Some(pids.filter_map(|pid| Some((Pid::from_raw(pid), parent_of(pid)?))).collect())
}

fn parent_of(pid: i32) -> Option<Pid> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The name in parentheses may contain parentheses; the state and the parent follow the last
    // one.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok().map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn supervisor_reads_the_parent_from_proc() {
        assert_eq!(parent_of(Pid::this().as_raw()), Some(nix::unistd::getppid()));
        assert_eq!(parent_of(-1), None);
    }
}
