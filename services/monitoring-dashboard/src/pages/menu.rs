//! The navigation: each entry's name, path and page title, written once.

/// An entry of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name in the navigation.
    pub name: &'static str,
    /// The path without the mount point; the route is registered under it.
    pub path: &'static str,
    /// The title of the page itself.
    pub title: &'static str,
}

macro_rules! menu {
    ($($constant:ident: $name:literal, $path:literal, $title:literal;)*) => {
        $(pub const $constant: Entry = Entry { name: $name, path: $path, title: $title };)*
        /// All entries, in the order in which they are shown.
        pub const ALL: &[Entry] = &[$($constant),*];
    };
}

menu! {
    OVERVIEW: "Overview", "/dashboard", "Overview";
    EVENTS: "Events", "/dashboard/events", "Events";
    APPROVALS: "Approvals", "/dashboard/approvals", "Approvals";
    RULES: "Rules", "/dashboard/rules", "Rules";
    ASSISTANT: "Assistant", "/dashboard/assistant", "Assistant";
    AGENTS: "Agents", "/dashboard/agents", "Agents";
    SCHEDULES: "Schedules", "/dashboard/schedules", "Schedules";
    GRAPH: "Graph", "/dashboard/graph", "Skill graph";
    HEALTH: "Health", "/dashboard/health", "Health";
    BUDGET: "Budget", "/dashboard/budget", "Budget";
    CHATS: "Chats", "/dashboard/chats", "Chats";
    API: "API", "/dashboard/api", "API";
}
