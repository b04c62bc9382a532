//! The property list of launchd.

use super::{LOG, Plan, xml};
use crate::terminal::shell_word;

/// Name of the job.
pub const LABEL: &str = "quintet";

/// The text of the property list.
pub fn list(plan: &Plan) -> String {
    let word = |text: &str| format!("    <string>{}</string>\n", xml::text(text));
    let words: String =
        std::iter::once(&plan.program).chain(&plan.arguments()).map(|text| word(text)).collect();
    let log = xml::text(&plan.in_data(LOG));
    let user = plan.user.as_ref().map(|user| pair("UserName", user)).unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\
         {label}{user}  <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n\
         \x20 <!-- Add the API keys of agents here, and let only yourself read this file. -->\n\
         \x20 <key>EnvironmentVariables</key>\n  <dict>\n  {path}  </dict>\n\
         \x20 <key>RunAtLoad</key>\n  <true/>\n\
         \x20 <!-- Started again unless it ended by itself without an error. -->\n\
         \x20 <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n\
         \x20 <key>ExitTimeOut</key>\n  <integer>45</integer>\n\
         \x20 <!-- 077: what it writes is its user's alone. -->\n\
         \x20 <key>Umask</key>\n  <integer>63</integer>\n\
         \x20 <key>StandardOutPath</key>\n  <string>{log}</string>\n\
         \x20 <key>StandardErrorPath</key>\n  <string>{log}</string>\n\
         </dict>\n</plist>\n",
        label = pair("Label", LABEL),
        path = pair("PATH", &plan.path),
    )
}

fn pair(key: &str, value: &str) -> String {
    format!("  <key>{key}</key>\n  <string>{}</string>\n", xml::text(value))
}

/// The commands that take the file into use.
pub fn commands(plan: &Plan) -> Vec<String> {
    let (folder, domain) = match plan.user {
        Some(_) => ("/Library/LaunchDaemons", "system"),
        None => ("~/Library/LaunchAgents", "gui/$(id -u)"),
    };
    vec![
        format!("save the file as {folder}/{LABEL}.plist"),
        format!("mkdir -m 700 -p {}", shell_word(&plan.data)),
        format!("launchctl bootstrap {domain} {folder}/{LABEL}.plist"),
    ]
}
