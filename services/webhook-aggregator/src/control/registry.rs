//! The commands that people type in a chat. Help, menus of the platforms and docs/config.md come
//! from this list.

/// Who may use a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Everyone whose messages count.
    Senders,
    /// Approvers of the endpoint.
    Approvers,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// Without the slash.
    pub name: &'static str,
    /// Other spellings that are obeyed.
    pub aliases: &'static [&'static str],
    /// Words after the name, such as `ID`; empty for none.
    pub argument: &'static str,
    /// One line for menus and help, at most 100 characters (Discord's limit).
    pub about: &'static str,
    pub open_to: For,
    /// Whether the platforms' menus offer it. The rest needs an id, which a menu cannot fill in.
    pub in_menu: bool,
}

const fn listed(
    name: &'static str,
    argument: &'static str,
    about: &'static str,
    open_to: For,
    in_menu: bool,
) -> Listed {
    Listed { name, aliases: &[], argument, about, open_to, in_menu }
}

const fn with(aliases: &'static [&'static str], listed: Listed) -> Listed {
    Listed { aliases, ..listed }
}

/// Every command, in the order of menus and help.
pub const COMMANDS: [Listed; 13] = [
    listed("status", "", "show what runs and waits here", For::Senders, true),
    listed("agents", "", "list the agents and what they are for", For::Senders, true),
    listed("approvals", "", "list the requests that wait for you", For::Approvers, true),
    with(
        &["budget"],
        listed("spend", "", "show what the work from here has spent", For::Approvers, true),
    ),
    listed("new", "", "start this conversation afresh", For::Senders, true),
    with(
        &["cancel"],
        listed("stop", "", "end what runs or waits in this conversation", For::Senders, true),
    ),
    listed("halt", "[TASK]", "stop everything now, or one task", For::Approvers, true),
    listed("resume", "[TASK]", "lift your halt", For::Approvers, true),
    with(&["start"], listed("help", "", "show this list", For::Senders, true)),
    listed(
        "sessions",
        "[NUMBER]",
        "list the sessions that agents keep of this conversation, or resume one",
        For::Senders,
        false,
    ),
    listed("approve", "ID", "approve a request", For::Approvers, false),
    listed("reject", "ID", "reject a request", For::Approvers, false),
    listed("answer", "ID …", "answer the question of an agent", For::Approvers, false),
];

/// The command of this name or alias, in lower case and without the slash.
pub fn find(name: &str) -> Option<&'static Listed> {
    COMMANDS.iter().find(|listed| listed.name == name || listed.aliases.contains(&name))
}

/// The commands that menus offer.
pub fn menu() -> impl Iterator<Item = &'static Listed> {
    COMMANDS.iter().filter(|listed| listed.in_menu)
}

/// The lines of the list, for these people.
fn lines(open_to: For) -> String {
    let line = |listed: &Listed| {
        let argument = Some(listed.argument).filter(|argument| !argument.is_empty());
        let argument = argument.map_or_else(String::new, |argument| format!(" {argument}"));
        format!("/{}{argument} – {}", listed.name, listed.about)
    };
    let of = COMMANDS.iter().filter(|listed| listed.open_to == open_to);
    of.map(line).collect::<Vec<_>>().join("\n")
}

/// The text of `/start` and `/help`.
pub fn help() -> String {
    format!(
        "I am Quintet. Write what you need and the best agent will answer. To choose an agent \
         yourself, start with its name, such as @codegen or /security.\n\n{}\n\n“stop” alone also \
         ends what runs or waits here.\n\nFor the approvers here:\n{}",
        lines(For::Senders),
        lines(For::Approvers)
    )
}

/// The answer to a command that is none of ours and names no agent.
pub fn unknown(word: &str) -> String {
    let word = platform::text::short(&platform::text::printable(word), 40);
    format!(
        "There is no command {word}, and no agent of that name. Nothing was started.\n\n{}\n\nFor \
         the approvers here:\n{}",
        lines(For::Senders),
        lines(For::Approvers)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_fits_the_menus_of_all_platforms() {
        let mut names: Vec<&str> = Vec::new();
        for listed in &COMMANDS {
            names.push(listed.name);
            names.extend(listed.aliases);
            // Telegram: 1-32 of a-z 0-9 _, and 1-256 characters. Discord: 1-100.
            assert!((1..=32).contains(&listed.name.len()), "{}", listed.name);
            assert!(listed.name.bytes().all(|b| b.is_ascii_lowercase()), "{}", listed.name);
            assert!((1..=100).contains(&listed.about.chars().count()), "{}", listed.name);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "each name is one command's");
    }

    #[test]
    fn command_of_the_list_is_obeyed_and_documented() {
        let documented = include_str!("../../../../docs/config.md");
        for listed in &COMMANDS {
            let text = format!("/{} x", listed.name);
            assert!(super::super::parse(&text).is_some(), "{text}");
            assert!(documented.contains(&format!("`/{}", listed.name)), "docs/config.md: {text}");
            assert!(help().contains(&format!("/{}", listed.name)));
        }
    }
}
