//! The unit of systemd, and how to know whether a unit is as it was written here.

use super::Plan;
use crate::data_dir::variable;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Name of the unit.
pub const UNIT: &str = "quintet.service";
/// Beginning of the first line, which ends with the digest of the rest.
const MARK: &str = "# Written by `quintet service install`; digest of the rest: ";

/// Directives that both kinds of units have.
const HARDENING: &str = "\
# Agents have a sandbox of their own. This keeps the server itself in, and agents with sandbox = \"off\".
NoNewPrivileges=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
";
/// Those of a unit for the whole machine.
const HARDENING_OF_A_SYSTEM: &str = "\
CapabilityBoundingSet=
ProtectSystem=full
ProtectControlGroups=yes
";
/// The reasons for directives that look missing, for those who read the unit.
const LEFT_OUT: &str = "\
# Left out, because the sandbox of agents would no longer start:
# RestrictNamespaces=, SystemCallFilter=: it makes user, mount, process and network namespaces.
# ProtectKernelTunables=, ProtectKernelLogs=, ProtectHostname=, ProtectProc=, ProcSubset=: they cover
#   parts of /proc, and the kernel then refuses the sandbox a /proc of its own.
# RestrictSUIDSGID=: it also refuses openat2, with which the sandbox opens paths without links.
# Left out, because agents need what they take away:
# ProtectHome=, ProtectSystem=strict, PrivateTmp=: their workspaces may lie anywhere.
# MemoryDenyWriteExecute=, SystemCallArchitectures=, LockPersonality=: Node.js, 32-bit programs, debuggers.
# PrivateDevices=, DevicePolicy=: graphics cards and other devices of agents with sandbox = \"off\".
# PrivateNetwork=, IPAddressDeny=: the platforms and the providers of models.
";
const LEFT_OUT_OF_A_USER: &str = "\
# Left out of a user's unit: everything that mounts. It would imply PrivateUsers=, and with it the files
#   of all other users would belong to nobody.
";

/// The place of our unit, of the machine or of the user; none for a user without a home.
pub fn place(system: bool) -> Option<PathBuf> {
    if system {
        return Some(Path::new("/etc/systemd/system").join(UNIT));
    }
    let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder =
        folder.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")))?;
    Some(folder.join("systemd/user").join(UNIT))
}

/// The command that starts the server, as this machine is set up.
pub fn start_command() -> &'static str {
    let is_there = |system| place(system).is_some_and(|path| path.exists());
    if is_there(false) {
        "systemctl --user start quintet"
    } else if is_there(true) {
        "sudo systemctl start quintet"
    } else {
        "quintet up"
    }
}

/// The text of the unit.
pub fn unit(plan: &Plan) -> String {
    let body = [about(plan), service(plan), install(plan)].concat();
    format!("{MARK}{}\n{body}", digest(&body))
}

/// Whether a unit's text is as it was written here, by this version or another.
pub fn is_ours(text: &str) -> bool {
    let Some((first, body)) = text.split_once('\n') else { return false };
    first.strip_prefix(MARK).is_some_and(|named| named == digest(body))
}

fn digest(body: &str) -> String {
    hex::encode(Sha256::digest(body.as_bytes()))
}

fn about(plan: &Plan) -> String {
    let network = match plan.user {
        Some(_) => "Wants=network-online.target\nAfter=network-online.target\n",
        // The units of a user know none of the machine's.
        None => "",
    };
    format!(
        "# An edited unit is yours: `quintet service install --replace` writes it anew.\n\
         [Unit]\nDescription=Quintet, the control plane between your chats and your AI agents\n\
         {network}\n"
    )
}

fn service(plan: &Plan) -> String {
    let words: Vec<String> = plan.arguments().iter().map(|text| argument(text)).collect();
    let user = plan.user.as_ref().map(|user| format!("User={user}\n")).unwrap_or_default();
    let (more, left_out) = match plan.user {
        Some(_) => (HARDENING_OF_A_SYSTEM, ""),
        None => ("", LEFT_OUT_OF_A_USER),
    };
    format!(
        "[Service]\nType=exec\n{user}\
         ExecStart={program} {arguments}\n\
         ExecReload=/bin/kill -HUP $MAINPID\n\
         Environment={path}\n\
         # Lines of NAME=value, such as the API keys of agents; chmod 600.\n\
         EnvironmentFile=-{variables}\n\
         Restart=on-failure\nRestartSec=5\n\
         # A mistake in the configuration or in ExecStart: another start would not mend it.\n\
         RestartPreventExitStatus=2\n\
         # The server ends its agents itself, within 30 s.\n\
         KillMode=mixed\nTimeoutStopSec=45\nUMask=0077\n\n\
         {HARDENING}{more}{LEFT_OUT}{left_out}\n",
        program = quoted(&plan.program),
        arguments = words.join(" "),
        path = quoted(&format!("PATH={}", plan.path)),
        variables = specifiers(&plan.variables()),
    )
}

fn install(plan: &Plan) -> String {
    let target = if plan.user.is_some() { "multi-user.target" } else { "default.target" };
    format!("[Install]\nWantedBy={target}\n")
}

/// A word of `ExecStart=` after the program: systemd replaces variables in it.
fn argument(text: &str) -> String {
    quoted(&text.replace('$', "$$"))
}

/// A word in quotes. The program itself and `Environment=` know no variables.
fn quoted(text: &str) -> String {
    format!("\"{}\"", specifiers(&text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// systemd replaces `%h` and the like everywhere.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_that_was_edited_is_not_ours() {
        let body = "[Unit]\n";
        let text = format!("{MARK}{}\n{body}", digest(body));
        assert!(is_ours(&text));
        assert!(!is_ours(&format!("{text}# mine\n")));
        assert!(!is_ours(body) && !is_ours(""));
    }

    #[test]
    fn words_keep_spaces_quotes_percents_and_dollars() {
        assert_eq!(argument(r#"/a b/100%/$x/"q"\"#), r#""/a b/100%%/$$x/\"q\"\\""#);
        assert_eq!(quoted("/a b/$x"), r#""/a b/$x""#);
    }
}
