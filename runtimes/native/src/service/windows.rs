//! The task of the Windows Task Scheduler. Quintet runs in the Windows Subsystem for Linux, so the
//! task starts it there.

use super::{Plan, xml};
use crate::exit::Usage;
use anyhow::Result;

/// The text of the task.
///
/// # Errors
/// [`Usage`] for a path that cannot stand in a command line of Windows.
pub fn task(plan: &Plan, distribution: Option<&str>) -> Result<String> {
    let mut words = Vec::new();
    if let Some(name) = distribution {
        words.extend(["--distribution".to_owned(), name.to_owned()]);
    }
    words.extend(["--exec".to_owned(), plan.program.clone()]);
    words.extend(plan.arguments());
    let arguments = words.iter().map(|text| word(text)).collect::<Result<Vec<_>>>()?.join(" ");
    let trigger = if plan.user.is_some() { "BootTrigger" } else { "LogonTrigger" };
    Ok(format!(
        "<Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\n\
         \x20 <RegistrationInfo>\n    <Description>Quintet in WSL</Description>\n  </RegistrationInfo>\n\
         \x20 <Triggers>\n    <{trigger}>\n      <Enabled>true</Enabled>\n    </{trigger}>\n  </Triggers>\n\
         \x20 <Principals>\n    <Principal id=\"Author\">\n      <LogonType>InteractiveToken</LogonType>\n\
         \x20     <RunLevel>LeastPrivilege</RunLevel>\n    </Principal>\n  </Principals>\n\
         \x20 <Settings>\n    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>\n\
         \x20   <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>\n\
         \x20   <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>\n\
         \x20   <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>\n\
         \x20   <RestartOnFailure>\n      <Interval>PT1M</Interval>\n      <Count>255</Count>\n    </RestartOnFailure>\n\
         \x20 </Settings>\n\
         \x20 <Actions Context=\"Author\">\n    <Exec>\n      <Command>wsl.exe</Command>\n\
         \x20     <Arguments>{}</Arguments>\n    </Exec>\n  </Actions>\n</Task>\n",
        xml::text(&arguments)
    ))
}

/// The commands that take the file into use, in PowerShell.
pub fn commands() -> Vec<String> {
    vec![
        "save the file as quintet.xml".to_owned(),
        "Register-ScheduledTask -TaskName Quintet -Xml (Get-Content quintet.xml -Raw)".to_owned(),
        "Start-ScheduledTask -TaskName Quintet".to_owned(),
    ]
}

/// A word of the command line. Windows replaces `%NAME%` in it, and nothing escapes that.
fn word(text: &str) -> Result<String> {
    if text.contains(['%', '"', '\\']) {
        return Err(Usage(format!(
            "{text} cannot stand in a task of Windows: rename it without %, \" and \\"
        ))
        .into());
    }
    Ok(if text.contains(' ') { format!("\"{text}\"") } else { text.to_owned() })
}
