//! The steps: one line each, in a block marked `steps`. To add one, add a variant, a form below,
//! its action in `player.rs` or `checks.rs`, and its line in `README.md`; a test checks the last.

use crate::grammar::Form;
use contracts::event::Stage;

/// The action or check of one line.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    Write { who: String, text: String, name: String },
    Repeat { name: String },
    Forge { text: String },
    Press { who: String, button: String, under: String, name: String },
    Becomes { name: String, state: Stage, reason: Option<String> },
    WentTo { name: String, agent: String },
    PressAnswered { name: String, text: String },
    Shows { who: String, text: String },
    NoLongerShows { who: String, text: String },
    NeverShows { who: String, text: String },
    IsEmpty { who: String },
    Events { count: usize },
    HasRun { agent: String, count: usize },
    TelegramRefuses { status: u16, reason: String },
    TelegramAccepts,
    Advance { ms: i64 },
    Restart,
}

/// All steps.
pub const FORMS: &[Form<Deed>] = &[
    Form {
        text: "WHO writes \"TEXT\" as NAME",
        read: |v| Ok(Deed::Write { who: person(&v[0])?, text: v[1].clone(), name: v[2].clone() }),
    },
    Form { text: "NAME is delivered again", read: |v| Ok(Deed::Repeat { name: v[0].clone() }) },
    Form { text: "a forger sends \"TEXT\"", read: |v| Ok(Deed::Forge { text: v[0].clone() }) },
    Form { text: "WHO presses BUTTON under NAME as PRESS", read: press },
    Form { text: "WHO presses \"BUTTON\" under NAME as PRESS", read: press },
    Form {
        text: "PRESS is answered \"TEXT\"",
        read: |v| Ok(Deed::PressAnswered { name: v[0].clone(), text: v[1].clone() }),
    },
    Form {
        text: "NAME becomes STATE",
        read: |v| Ok(Deed::Becomes { name: v[0].clone(), state: stage(&v[1])?, reason: None }),
    },
    Form {
        text: "NAME becomes STATE because \"REASON\"",
        read: |v| {
            Ok(Deed::Becomes {
                name: v[0].clone(),
                state: stage(&v[1])?,
                reason: Some(v[2].clone()),
            })
        },
    },
    Form {
        text: "NAME went to AGENT",
        read: |v| Ok(Deed::WentTo { name: v[0].clone(), agent: v[1].clone() }),
    },
    Form {
        text: "chat WHO shows \"TEXT\"",
        read: |v| Ok(Deed::Shows { who: person(&v[0])?, text: v[1].clone() }),
    },
    Form {
        text: "chat WHO no longer shows \"TEXT\"",
        read: |v| Ok(Deed::NoLongerShows { who: person(&v[0])?, text: v[1].clone() }),
    },
    Form {
        text: "chat WHO never showed \"TEXT\"",
        read: |v| Ok(Deed::NeverShows { who: person(&v[0])?, text: v[1].clone() }),
    },
    Form { text: "chat WHO is empty", read: |v| Ok(Deed::IsEmpty { who: person(&v[0])? }) },
    Form { text: "there are COUNT events", read: |v| Ok(Deed::Events { count: count(&v[0])? }) },
    Form {
        text: "agent AGENT has run COUNT times",
        read: |v| Ok(Deed::HasRun { agent: v[0].clone(), count: count(&v[1])? }),
    },
    Form {
        text: "telegram refuses with STATUS \"REASON\"",
        read: |v| {
            Ok(Deed::TelegramRefuses {
                status: v[0].parse().map_err(|_| format!("`{}` is not an HTTP status", v[0]))?,
                reason: v[1].clone(),
            })
        },
    },
    Form { text: "telegram accepts", read: |_| Ok(Deed::TelegramAccepts) },
    Form { text: "advance DURATION", read: |v| Ok(Deed::Advance { ms: duration(&v[0])? }) },
    Form { text: "restart", read: |_| Ok(Deed::Restart) },
];

/// The owner's Telegram id, the only approver of the stories' endpoint.
pub const OWNER: &str = "700100200";

fn press(v: &[String]) -> Result<Deed, String> {
    Ok(Deed::Press {
        who: person(&v[0])?,
        button: v[1].clone(),
        under: v[2].clone(),
        name: v[3].clone(),
    })
}

fn person(word: &str) -> Result<String, String> {
    match word {
        "owner" => Ok(OWNER.to_owned()),
        id if id.bytes().all(|b| b.is_ascii_digit()) => Ok(id.to_owned()),
        other => Err(format!("`{other}` is unknown; write `owner` or a Telegram user's number")),
    }
}

fn stage(word: &str) -> Result<Stage, String> {
    let known = || Stage::ALL.map(Stage::as_str).join(", ");
    Stage::ALL
        .into_iter()
        .find(|stage| stage.as_str() == word)
        .ok_or_else(|| format!("`{word}` is not a state; the states are: {}", known()))
}

fn count(word: &str) -> Result<usize, String> {
    word.parse().map_err(|_| format!("`{word}` is not a number"))
}

/// `500ms`, `31s`, `16min`.
fn duration(word: &str) -> Result<i64, String> {
    let units = [("ms", 1), ("s", 1_000), ("min", 60_000)];
    let number = |(unit, ms): (&str, i64)| Some(word.strip_suffix(unit)?.parse::<i64>().ok()? * ms);
    units
        .into_iter()
        .find_map(number)
        .filter(|ms| *ms > 0)
        .ok_or_else(|| format!("`{word}` is not a duration; write 500ms, 31s or 16min"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::parse;

    #[test]
    fn step_durations_have_units() {
        assert_eq!(
            ["500ms", "31s", "16min"].map(|word| duration(word).unwrap()),
            [500, 31_000, 960_000]
        );
        assert!(["31", "s", "-1s", "1h", "0s"].into_iter().all(|word| duration(word).is_err()));
    }

    #[test]
    fn step_error_lists_the_alternatives() {
        assert!(
            parse(FORMS, "first becomes finished")
                .unwrap_err()
                .contains("the states are: received")
        );
        assert!(parse(FORMS, "bob writes \"hi\" as x").unwrap_err().contains("write `owner`"));
        assert!(parse(FORMS, "sleep 5").unwrap_err().contains("advance DURATION"));
    }
}
