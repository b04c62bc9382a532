//! `quintet service`: the unit's text, and what install and remove write and run. systemd itself is
//! a script that notes its arguments.

use crate::bed::{Done, Home, skipped};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

const UNIT: &str = "home/.config/systemd/user/quintet.service";

/// A home with `systemctl` and `journalctl` that note their arguments in the file `ran`.
fn with_systemd() -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path("bin")).unwrap();
    home.script(
        "bin/systemctl",
        "echo \"systemctl $*\" >> \"$HOME/ran\"\ncase \"$*\" in\n*Version*) [ ! -e \"$HOME/away\" ];;\n\
         *\"show quintet\"*) cat \"$HOME/shown\" 2>/dev/null || echo ActiveState=inactive;;\nesac",
    );
    home.script("bin/journalctl", "echo \"journalctl $*\"");
    let path = format!("{}:/usr/bin:/bin", home.path("bin").display());
    home.and("PATH", &path)
}

/// The commands that change something, and forgets them.
fn ran(home: &Home) -> Vec<String> {
    let file = home.path("home/ran");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let _ = std::fs::remove_file(file);
    text.lines().filter(|line| !line.contains(" show ")).map(str::to_owned).collect()
}

fn print(home: &Home, format: &[&str]) -> Done {
    home.run(&[&["service", "install", "--print"], format].concat())
}

#[test]
fn service_install_writes_enables_and_starts_once_and_says_so() {
    let home = with_systemd();
    let out = home.run(&["service", "install"]).ok();
    let unit = std::fs::read_to_string(home.path(UNIT)).unwrap();
    assert!(out.contains(&format!("wrote {}", home.path(UNIT).display())), "{out}");
    let mode = std::fs::metadata(home.path(UNIT)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o644);
    let all = ["daemon-reload", "enable quintet.service", "start quintet.service"];
    assert_eq!(ran(&home), all.map(|words| format!("systemctl --user {words}")));
    for words in all {
        assert!(out.contains(&format!("ran systemctl --user {words}\n")), "{words} in {out}");
    }
    assert!(out.contains("loginctl enable-linger"), "{out}");
    let status = home.run(&["status"]).out;
    assert!(status.contains("`systemctl --user start quintet` starts it"), "{status}");
    std::fs::write(home.path("home/shown"), "ActiveState=active\n").unwrap();
    let out = home.run(&["service", "install"]).ok();
    assert!(out.contains("is up to date") && out.contains("The service runs."), "{out}");
    assert_eq!(ran(&home), ["systemctl --user enable quintet.service"]);
    assert_eq!(std::fs::read_to_string(home.path(UNIT)).unwrap(), unit);
    let out = home.run(&["service", "install", "--listen", "127.0.0.1:9999"]).ok();
    assert!(out.contains("take up the new unit with: systemctl --user restart"), "{out}");
    assert!(std::fs::read_to_string(home.path(UNIT)).unwrap().contains("\"127.0.0.1:9999\""));
}

#[test]
fn service_install_never_overwrites_the_unit_of_another_without_replace() {
    let home = with_systemd();
    home.run(&["service", "install"]).ok();
    let unit = std::fs::read_to_string(home.path(UNIT)).unwrap();
    for foreign in [format!("{unit}# mine\n"), "[Unit]\n".to_owned()] {
        std::fs::write(home.path(UNIT), &foreign).unwrap();
        ran(&home);
        for command in [["service", "install"], ["service", "remove"]] {
            let done = home.run(&command);
            assert_eq!(done.code, 1, "{done:?}");
            assert!(done.err.contains("was edited, or not written by quintet"), "{done:?}");
        }
        assert_eq!(std::fs::read_to_string(home.path(UNIT)).unwrap(), foreign);
        assert_eq!(ran(&home), [""; 0]);
    }
    home.run(&["service", "install", "--replace"]).ok();
    assert_eq!(std::fs::read_to_string(home.path(UNIT)).unwrap(), unit);
}

#[test]
fn service_install_without_systemd_writes_nothing_and_prints_the_unit() {
    let home = with_systemd();
    std::fs::write(home.path("home/away"), "").unwrap();
    let done = home.run(&["service", "install"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.out.contains("ExecStart="), "{}", done.out);
    for words in ["save the file as", "daemon-reload", "enable --now", "nothing was written"] {
        assert!(done.err.contains(words), "{words} in {}", done.err);
    }
    assert!(!home.path("home/.config").exists() && !home.data().exists());
    assert_eq!(ran(&home), [""; 0]);
}

#[test]
fn service_install_beside_a_running_server_does_not_start_a_second_one() {
    let home = with_systemd();
    let _server = home.up();
    let out = home.run(&["service", "install"]).ok();
    assert!(out.contains("Another `quintet up` uses"), "{out}");
    assert!(!ran(&home).iter().any(|line| line.contains(" start ")));
}

#[test]
fn service_remove_stops_it_and_leaves_the_data() {
    let home = with_systemd();
    home.run(&["service", "remove"]).ok();
    std::fs::create_dir(home.data()).unwrap();
    home.run(&["service", "install"]).ok();
    ran(&home);
    let done = home.run(&["service", "remove", "--json"]).json();
    assert_eq!(done["done"][0], "ran systemctl --user disable --now quintet.service", "{done}");
    assert_eq!(
        ran(&home),
        ["systemctl --user disable --now quintet.service", "systemctl --user daemon-reload"]
    );
    assert!(!home.path(UNIT).exists() && home.data().exists());
}

#[test]
fn service_status_has_an_exit_code_for_each_answer() {
    let home = with_systemd();
    let done = home.run(&["service", "status"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.contains("not installed"), "{}", done.out);
    let shown = "ActiveState=active\nUnitFileState=enabled\nMainPID=4711\n";
    std::fs::write(home.path("home/shown"), shown).unwrap();
    home.run(&["service", "install"]).ok();
    let done = home.run(&["service", "status", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    let state = done.json();
    assert_eq!((&state["active"], &state["pid"]), (&"active".into(), &"4711".into()), "{state}");
    assert_eq!((&state["installed"], &state["edited"]), (&true.into(), &false.into()), "{state}");
    let done = home.command(&["service", "status"]).env("PATH", "/nowhere").output().unwrap();
    assert_eq!(done.status.code(), Some(3), "{done:?}");
}

#[test]
fn service_logs_come_from_the_journal_or_from_the_file() {
    let home = with_systemd();
    let out = home.run(&["service", "logs", "--follow", "-n", "7"]).ok();
    assert_eq!(out, "journalctl --user --unit quintet.service --lines 7 --follow\n");
    let out = home.run(&["service", "logs", "--system"]).ok();
    assert_eq!(out, "journalctl --unit quintet.service --lines 100\n");
    std::fs::create_dir(home.data()).unwrap();
    std::fs::write(home.data().join("service.log"), "one\ntwo\n").unwrap();
    assert_eq!(home.run(&["service", "logs", "-n", "1"]).ok(), "two\n");
}

#[test]
fn unit_has_absolute_paths_and_the_hardening_that_the_sandbox_bears() {
    let home = Home::with_config("");
    let unit = print(&home, &["--config", "quintet.toml"]).ok();
    let program = env!("CARGO_BIN_EXE_quintet");
    let (data, config) = (home.data(), home.path("quintet.toml"));
    for line in [
        &format!(
            "ExecStart=\"{program}\" \"up\" \"--data\" \"{}\" \"--config\" \"{}\"",
            data.display(),
            config.display()
        ),
        &format!("EnvironmentFile=-{}/service.env", data.display()),
        "ExecReload=/bin/kill -HUP $MAINPID",
        "Restart=on-failure",
        "RestartPreventExitStatus=2",
        "NoNewPrivileges=yes",
        "WantedBy=default.target",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line} in {unit}");
    }
    let is_set = |name: &str| unit.lines().any(|line| line.starts_with(name));
    for name in [
        "RestrictNamespaces=",
        "SystemCallFilter=",
        "ProtectKernelTunables=",
        "ProtectKernelLogs=",
        "ProtectHostname=",
        "ProtectProc=",
        "RestrictSUIDSGID=",
        "MemoryDenyWriteExecute=",
        "PrivateUsers=",
    ] {
        assert!(!is_set(name), "{name}");
        assert!(unit.contains(name), "{name} is left out without a reason");
    }
    std::fs::create_dir(home.data()).unwrap();
    let system = print(&home, &["systemd", "--system"]).ok();
    for line in [
        "User=",
        "CapabilityBoundingSet=\n",
        "ProtectSystem=full\n",
        "WantedBy=multi-user.target\n",
        // Read as root: the owner of the data directory could link it to a file of root's.
        "EnvironmentFile=-/etc/quintet/service.env\n",
    ] {
        assert!(system.contains(&format!("\n{line}")), "{line} in {system}");
    }
}

#[test]
fn service_of_the_machine_needs_an_owner_of_its_data() {
    let done = print(&Home::new(), &["systemd", "--system"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("install -d -m 700"), "{}", done.err);
}

/// The binary under another path; the current directory of the command stays the home's.
fn moved(home: &Home, folder: &str) -> PathBuf {
    let folder = home.path(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("quintet");
    std::fs::copy(env!("CARGO_BIN_EXE_quintet"), &program).unwrap();
    program
}

#[test]
fn unit_escapes_spaces_percents_quotes_and_dollars() {
    let home = Home::new();
    let program = moved(&home, "pro gram 100%");
    let plain = home.command(&[]);
    let mut command = Command::new(&program);
    command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(home.path("")).args(["service", "install", "--print", "systemd"]);
    command.arg("--data").arg(home.path("da ta/5%h $x \"q\""));
    let output = command.output().unwrap();
    let unit = String::from_utf8(output.stdout).unwrap();
    let root = home.path("").canonicalize().unwrap();
    let root = root.to_str().unwrap().trim_end_matches('/');
    let start = format!(
        "ExecStart=\"{root}/pro gram 100%%/quintet\" \"up\" \"--data\" \"{root}/da ta/5%%h $$x \\\"q\\\"\""
    );
    let variables = format!("EnvironmentFile=-{root}/da ta/5%%h $x \"q\"/service.env");
    for line in [start, variables] {
        assert!(unit.lines().any(|found| found == line), "{line} in {unit}");
    }
    verify(&home, &unit);
}

#[test]
fn units_satisfy_systemd() {
    let home = Home::new();
    std::fs::create_dir(home.data()).unwrap();
    verify(&home, &print(&home, &["systemd"]).ok());
    verify(&home, &print(&home, &["systemd", "--system"]).ok());
}

/// Has systemd check a unit. It also looks for the program, so that a wrong escape of its path
/// shows.
fn verify(home: &Home, unit: &str) {
    let file = home.path("quintet.service");
    std::fs::write(&file, unit).unwrap();
    match Command::new("systemd-analyze").arg("verify").arg(&file).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !said.contains("quintet"), "{said}\n{unit}");
        }
        Err(error) => skipped(&format!("systemd-analyze does not start here ({error})")),
    }
}

/// The directives that can be tried without systemd: no new privileges, and no capabilities.
#[test]
fn agent_in_its_sandbox_runs_below_the_hardening_of_the_unit() {
    let home = Home::with_config(
        "[agents.codegen]\nrunner = \"command\"\ncommand = [\"sh\", \"-c\", \"grep NoNewPrivs /proc/$PPID/status; id -u\"]\n\
         estimated_cost = 0.0\n",
    );
    let limits = "setpriv --no-new-privs --inh-caps=-all";
    if !Command::new("sh").args(["-c", &format!("{limits} true")]).status().unwrap().success() {
        skipped("setpriv does not start here");
        return;
    }
    let server = home.up_within(&["/bin/sh", "-c"], &format!("exec {limits} \"$0\" \"$@\""));
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    let event = server.event_in(&server.say("@codegen fix the login"), "done");
    assert_eq!(event["agent"], "codegen", "{event}");
}

#[test]
fn path_that_no_unit_can_hold_is_refused() {
    let home = Home::new();
    let done = home.run(&["service", "install", "--print", "--data", "a\nExecStartPre=evil"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done:?}");
}

#[test]
fn files_for_macos_and_windows_are_printed_with_their_commands() {
    let home = Home::new();
    let data = home.path("a & b");
    let data = data.to_str().unwrap();
    let done = print(&home, &["launchd", "--data", data]);
    let plist = done.out;
    for part in [
        "<key>Label</key>\n  <string>quintet</string>",
        "a &amp; b</string>",
        "a &amp; b/service.log</string>",
        "<key>SuccessfulExit</key>\n    <false/>",
    ] {
        assert!(plist.contains(part), "{part} in {plist}");
    }
    assert!(done.err.contains("launchctl bootstrap"), "{}", done.err);
    let done = print(&home, &["windows", "--data", data]);
    for part in [
        "<Command>wsl.exe</Command>",
        "--exec ",
        " up --data &quot;",
        "a &amp; b&quot;</Arguments>",
    ] {
        assert!(done.out.contains(part), "{part} in {}", done.out);
    }
    assert!(done.err.contains("Register-ScheduledTask"), "{}", done.err);
    let done = print(&home, &["windows", "--data", "/100%PATH%"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done:?}");
}

#[test]
fn backup_holds_the_variables_of_the_service() {
    let home = Home::new();
    home.up().stop();
    std::fs::write(home.data().join("service.env"), "ANTHROPIC_API_KEY=hush\n").unwrap();
    home.run(&["backup", "all.tar.gz"]).ok();
    home.run(&["restore", "all.tar.gz", "--data", "other"]).ok();
    let file = home.path("other/service.env");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "ANTHROPIC_API_KEY=hush\n");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o077, 0);
}
