//! `quintet halt` and `quintet resume`.

use clap::Args;

/// Arguments of `quintet halt`.
#[derive(Args, Debug)]
pub struct HaltArgs {
    pub task: Option<String>,
    /// All work of this agent
    #[arg(long, value_name = "AGENT", conflicts_with_all = ["task", "endpoint"])]
    pub agent: Option<String>,
    /// All work that came in by this endpoint, such as telegram.main
    #[arg(long, value_name = "ENDPOINT", conflicts_with = "task")]
    pub endpoint: Option<String>,
    /// Halt the task of another program before it has asked for an approval
    #[arg(long, requires = "task")]
    pub ahead: bool,
    /// Reason, for the record
    #[arg(long, default_value = "from the command line")]
    pub reason: String,
}

/// Arguments of `quintet resume`.
#[derive(Args, Debug)]
pub struct ResumeArgs {
    pub task: Option<String>,
    /// The halt of this agent
    #[arg(long, value_name = "AGENT", conflicts_with_all = ["task", "endpoint"])]
    pub agent: Option<String>,
    /// The halt of this endpoint, such as telegram.main
    #[arg(long, value_name = "ENDPOINT", conflicts_with = "task")]
    pub endpoint: Option<String>,
}
