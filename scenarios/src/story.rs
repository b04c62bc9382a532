//! Parses a story file: prose for people, fenced blocks for the player.
//!
//! Blocks marked `steps`, `agent NAME` and `http` are played; `text` blocks are examples; any other
//! mark is an error, so that no block is skipped by a typo.

use crate::agent::Agent;
use crate::exchange::Exchange;
use crate::failure::{Failure, Mismatch};
use crate::grammar::parse;
use crate::step::{self, Deed};

/// A story.
#[derive(Clone, Debug)]
pub struct Story {
    pub file: String,
    pub title: String,
    /// Its hosts; empty means all.
    pub hosts: Vec<String>,
    pub steps: Vec<Step>,
}

/// A step and its position.
#[derive(Clone, Debug)]
pub struct Step {
    pub line: usize,
    pub text: String,
    pub action: Action,
}

/// The action of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Deed(Deed),
    Agent(Agent),
    Exchange(Box<Exchange>),
}

/// A line before the first block that names the hosts, such as `hosts: in-process`.
const HOSTS: &str = "hosts:";

struct Block<'a> {
    mark: &'a str,
    /// Line number of its first content line.
    line: usize,
    lines: Vec<&'a str>,
}

impl Story {
    /// Parses a story.
    ///
    /// # Errors
    /// The first invalid line.
    pub fn parse(file: &str, text: &str) -> Result<Self, Failure> {
        let title =
            text.lines().next().and_then(|line| line.strip_prefix("# ")).ok_or_else(|| {
                unreadable(
                    file,
                    1,
                    text.lines().next().unwrap_or_default(),
                    "a story starts with its title: `# …`",
                )
            })?;
        let prose = text.split("```").next().unwrap_or_default();
        let hosts = prose.lines().find_map(|line| line.trim().strip_prefix(HOSTS));
        let hosts = hosts
            .into_iter()
            .flat_map(|hosts| hosts.split(','))
            .map(|host| host.trim().to_owned())
            .collect();
        let mut steps = Vec::new();
        for block in blocks(file, text)? {
            steps.extend(read_block(file, &block)?);
        }
        if steps.is_empty() {
            return Err(unreadable(file, 1, title, "the story has no step"));
        }
        Ok(Self { file: file.to_owned(), title: title.trim().to_owned(), hosts, steps })
    }
    /// Whether the story is for this host.
    pub fn is_for(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|named| named == host)
    }
    /// Each agent with its first block, which is also its configuration.
    pub fn agents(&self) -> Vec<Agent> {
        let mut agents: Vec<Agent> = Vec::new();
        for step in &self.steps {
            if let Action::Agent(agent) = &step.action
                && agents.iter().all(|known| known.name != agent.name)
            {
                agents.push(agent.clone());
            }
        }
        agents
    }
}

fn unreadable(file: &str, line: usize, step: &str, why: &str) -> Failure {
    let mismatch = Mismatch::new("a story that can be read (scenarios/README.md)", why);
    Failure {
        file: file.to_owned(),
        line,
        step: step.to_owned(),
        mismatch,
        host: String::new(),
        notes: String::new(),
    }
}

fn blocks<'a>(file: &str, text: &'a str) -> Result<Vec<Block<'a>>, Failure> {
    let mut done = Vec::new();
    let mut open: Option<Block<'a>> = None;
    for (at, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(mark), None) => {
                open = Some(Block { mark: mark.trim(), line: at + 2, lines: Vec::new() });
            }
            (Some(_), Some(_)) => done.extend(open.take()),
            (None, Some(block)) => block.lines.push(line),
            (None, None) => {}
        }
    }
    match open {
        Some(block) => Err(unreadable(file, block.line - 1, block.mark, "the block has no end")),
        None => Ok(done),
    }
}

fn read_block(file: &str, block: &Block<'_>) -> Result<Vec<Step>, Failure> {
    let mut words = block.mark.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some("text"), None, None) => Ok(Vec::new()),
        (Some("steps"), None, None) => {
            lines(block).map(|(line, text)| deed(file, line, text)).collect()
        }
        (Some("agent"), Some(name), None) => {
            let mut agent = Agent::named(name);
            for (line, text) in lines(block) {
                agent.read(text).map_err(|why| unreadable(file, line, text, &why))?;
            }
            Ok(vec![Step {
                line: block.line - 1,
                text: format!("agent {name}"),
                action: Action::Agent(agent),
            }])
        }
        (Some("http"), None, None) => {
            let exchange = Exchange::read(&block.lines).map_err(|(at, why)| {
                unreadable(file, block.line + at, block.lines.get(at).unwrap_or(&""), &why)
            })?;
            let text = block.lines.first().unwrap_or(&"").trim().to_owned();
            Ok(vec![Step { line: block.line, text, action: Action::Exchange(Box::new(exchange)) }])
        }
        _ => Err(unreadable(
            file,
            block.line - 1,
            block.mark,
            "a block must be marked `steps`, `agent NAME` or `http`, or `text` for an example that \
             is not played",
        )),
    }
}

/// The non-empty lines, with their numbers.
fn lines<'a>(block: &'a Block<'_>) -> impl Iterator<Item = (usize, &'a str)> {
    let numbered = block.lines.iter().enumerate().map(|(at, line)| (block.line + at, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty())
}

fn deed(file: &str, line: usize, text: &str) -> Result<Step, Failure> {
    let deed = parse(step::FORMS, text).map_err(|why| unreadable(file, line, text, &why))?;
    Ok(Step { line, text: text.to_owned(), action: Action::Deed(deed) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn story_knows_the_position_of_its_steps() {
        let text = "# T\n\nhosts: in-process\n\n```steps\nrestart\n\nthere are 2 events\n```\n\n```text\nanything\n```\n";
        let story = Story::parse("x.md", text).unwrap();
        assert_eq!(
            (story.title.as_str(), story.hosts.clone()),
            ("T", vec!["in-process".to_owned()])
        );
        assert_eq!(story.steps.iter().map(|step| step.line).collect::<Vec<_>>(), [6, 8]);
        assert!(story.is_for("in-process") && !story.is_for("native"));
    }

    #[test]
    fn story_rejects_unknown_blocks() {
        let place = |text: &str| Story::parse("x.md", text).unwrap_err().line;
        assert_eq!(place("no title"), 1);
        assert_eq!(place("# T\nno step"), 1);
        assert_eq!(place("# T\n```step\nrestart\n```\n"), 2);
        assert_eq!(place("# T\n```steps\nrestart\n"), 2);
        assert_eq!(place("# T\n```steps\nrestart\nresstart\n```\n"), 4);
        assert_eq!(place("# T\n```http\nGET /x\n\nansers 200\n```\n"), 3);
    }
}
