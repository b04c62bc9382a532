//! An agent's program for every host, from a block marked `agent NAME`.
//!
//! In-process it is a scripted program, natively a small shell script. Both print the same JSON
//! lines for the gateway's `command` runner.

use crate::grammar::{Form, parse};
use platform::memory::ScriptedProgram;
use serde_json::json;

/// One agent: its configuration and its program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agent {
    pub name: String,
    /// The configured `estimated_cost`, dollars; without it the price is unknown.
    pub estimated_cost: Option<f64>,
    /// Lines of progress, each with the cost so far if it reports one.
    pub reports: Vec<(String, Option<f64>)>,
    pub end: End,
    /// The cost reported by the program, dollars.
    pub costs: Option<f64>,
}

/// How a program ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum End {
    Answers(String),
    /// It answers with all that it was given.
    ReadsBack,
    Fails(String),
    /// It never ends by itself.
    Hangs,
    /// The program does not exist.
    #[default]
    Missing,
}

/// A line of an agent's block.
pub enum Trait {
    Cost(f64),
    Reports(String, Option<f64>),
    Costs(f64),
    Ends(End),
}

/// All forms of lines.
pub const FORMS: &[Form<Trait>] = &[
    Form { text: "estimated_cost = DOLLARS", read: |v| Ok(Trait::Cost(dollars(&v[0])?)) },
    Form { text: "reports \"TEXT\"", read: |v| Ok(Trait::Reports(v[0].clone(), None)) },
    Form {
        text: "reports \"TEXT\" at DOLLARS",
        read: |v| Ok(Trait::Reports(v[0].clone(), Some(dollars(&v[1])?))),
    },
    Form { text: "costs DOLLARS", read: |v| Ok(Trait::Costs(dollars(&v[0])?)) },
    Form { text: "answers \"TEXT\"", read: |v| Ok(Trait::Ends(End::Answers(v[0].clone()))) },
    Form { text: "reads back", read: |_| Ok(Trait::Ends(End::ReadsBack)) },
    Form { text: "fails \"TEXT\"", read: |v| Ok(Trait::Ends(End::Fails(v[0].clone()))) },
    Form { text: "hangs", read: |_| Ok(Trait::Ends(End::Hangs)) },
    Form { text: "is missing", read: |_| Ok(Trait::Ends(End::Missing)) },
];

fn dollars(word: &str) -> Result<f64, String> {
    word.parse::<f64>()
        .ok()
        .filter(|n| n.is_finite() && *n >= 0.0)
        .ok_or_else(|| format!("`{word}` is not an amount of dollars"))
}

impl Agent {
    /// An agent with default settings.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
    /// Reads a line of its block.
    ///
    /// # Errors
    /// The problem of the line.
    pub fn read(&mut self, line: &str) -> Result<(), String> {
        match parse(FORMS, line)? {
            Trait::Cost(cost) => self.estimated_cost = Some(cost),
            Trait::Reports(text, cost) => self.reports.push((text, cost)),
            Trait::Costs(cost) => self.costs = Some(cost),
            Trait::Ends(end) => self.end = end,
        }
        Ok(())
    }
    fn lines(&self) -> Vec<String> {
        let progress = self.reports.iter().map(|(text, cost)| {
            json!({ "type": "progress", "text": text, "costUsd": cost }).to_string()
        });
        let result = match &self.end {
            End::Answers(text) => {
                Some(json!({ "type": "result", "text": text, "costUsd": self.costs }).to_string())
            }
            _ => None,
        };
        progress.chain(result).collect()
    }
    /// The program in memory; `None` when it is missing.
    pub fn scripted(&self) -> Option<ScriptedProgram> {
        let plain = ScriptedProgram { lines: self.lines(), ..ScriptedProgram::default() };
        match &self.end {
            End::Missing => None,
            End::Answers(_) => Some(plain),
            End::ReadsBack => Some(ScriptedProgram { reads: Some(read_back), ..plain }),
            End::Hangs => Some(ScriptedProgram { hangs: true, ..plain }),
            End::Fails(text) => {
                Some(ScriptedProgram { exit: Some(1), stderr: text.clone(), ..plain })
            }
        }
    }
    /// The program as a shell script that logs each start; `None` when it is missing.
    pub fn shell(&self, starts: &std::path::Path) -> Option<String> {
        let mut script = format!(
            "#!/bin/sh\necho start >> {}\ninput=$(cat)\n",
            in_shell(&starts.to_string_lossy())
        );
        for line in self.lines() {
            // Spending takes time.
            let pause = if line.contains(r#""costUsd":null"#) { "" } else { "sleep 0.3\n" };
            script += &format!("{pause}printf '%s\\n' {}\n", in_shell(&line));
        }
        script += &match &self.end {
            End::Missing => return None,
            End::Answers(_) => String::new(),
            End::ReadsBack => READ_BACK.to_owned(),
            End::Hangs => "exec sleep 3600\n".to_owned(),
            End::Fails(text) => format!("printf '%s\\n' {} >&2\nexit 1\n", in_shell(text)),
        };
        Some(script)
    }
}

/// The input as a JSON text: escapes of backslashes, quotes and ends of lines.
const READ_BACK: &str = r#"text=$(printf '%s' "$input" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' | awk '{printf "%s\\n", $0}')
printf '{"type":"result","text":"%s"}\n' "$text"
"#;

fn read_back(input: &str) -> Vec<String> {
    vec![json!({ "type": "result", "text": input }).to_string()]
}

fn in_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
