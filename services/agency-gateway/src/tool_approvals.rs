//! `tool_approvals` of `[agents.<id>]`: who decides about a tool that the settings of an agent's
//! program do not allow.

use platform::config::Section;
use platform::ports::Confinement;

const KEY: &str = "tool_approvals";

/// The answer to a program that wants to use a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolApprovals {
    /// The owner's, asked through our MCP server.
    Ask,
    /// Always no.
    Deny,
    /// Always yes, in the sandbox.
    Trust,
}

const CHOICES: [(&str, ToolApprovals); 3] =
    [("ask", ToolApprovals::Ask), ("deny", ToolApprovals::Deny), ("trust", ToolApprovals::Trust)];

impl ToolApprovals {
    /// The value of the key.
    pub(crate) fn as_str(self) -> &'static str {
        CHOICES.iter().find(|(_, how)| *how == self).map_or("", |(name, _)| name)
    }
}

/// The key as it is given.
pub(crate) fn read(section: &mut Section<'_>, confinement: Confinement) -> Option<ToolApprovals> {
    let found = section.one_of(KEY, &CHOICES)?;
    if found == ToolApprovals::Trust && confinement == Confinement::Off {
        section.wrong(
            KEY,
            "is \"trust\" beside sandbox = \"off\": every tool could do all that you can, unasked.",
            "Remove sandbox = \"off\", or write tool_approvals = \"ask\".",
        );
    }
    Some(found)
}

/// Sets the default for a program that can be told. `own` are options of its own that would decide
/// beside the key.
pub(crate) fn settle(
    section: &Section<'_>,
    given: &mut Option<ToolApprovals>,
    command: &[String],
    own: &[&str],
) {
    given.get_or_insert(ToolApprovals::Ask);
    let decides = |argument: &&String| own.iter().any(|option| argument.contains(option));
    if let Some(argument) = command.iter().skip(1).find(decides) {
        section.wrong(
            "command",
            &format!("has {argument}, and {KEY} decides that."),
            &format!("Remove it, and write {KEY} = \"ask\", \"deny\" or \"trust\"."),
        );
    }
}

/// Refuses the key for a runner that could not keep what it says.
pub(crate) fn refuse(section: &Section<'_>, given: &mut Option<ToolApprovals>) {
    if given.take().is_some() {
        section.wrong(
            KEY,
            "is for the runners claude-code, acp and openclaw alone.",
            "Remove it, and put the program's own options about approvals into command.",
        );
    }
}
