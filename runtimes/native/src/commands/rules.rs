//! `quintet rules`: shows the rules that decide about requests, tries and makes changes.

use crate::cli::{Fits, Rules, SetRules};
use crate::client::Client;
use crate::exit::Usage;
use crate::terminal::{say, say_json, table};
use anyhow::Result;
use contracts::Micros;
use contracts::calls::personal_assistant::{ReadPolicy, ReplayPolicy, UpdatePolicy};
use contracts::chat::RiskTolerance;
use contracts::policy::{
    Policy, PolicyChange, PolicyRule, PolicyTrial, PolicyUpdate, ReplayRequest, RuleEffect,
    WordCounts,
};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, ZonedDateTime};
use platform::text::{printable, short};
use std::fmt::Write;

/// Differences that a terminal shows; `--json` prints all.
const SHOWN: usize = 20;
/// Characters of a date: what is longer has a time, too.
const DATE_CHARS: usize = 10;

/// Runs the subcommand; shows the rules without one.
///
/// # Errors
/// When the server refuses, or a time cannot be read.
pub async fn rules(client: &Client, command: Option<Rules>, as_json: bool) -> Result<()> {
    match command.unwrap_or(Rules::List) {
        Rules::List => list(client, as_json).await,
        Rules::Set(set) => {
            let (policy, only_try) =
                (client.ask::<ReadPolicy>(&(), &()).await?, set.trial.only_try);
            change(client, simple(set, policy)?, only_try, as_json).await
        }
        Rules::Allow { fits, up_to } => {
            add(client, RuleEffect::Allow, fits, Some(up_to), None, as_json).await
        }
        Rules::Ask { fits, above } => {
            add(client, RuleEffect::Ask, fits, None, above, as_json).await
        }
        Rules::Forbid { fits, above } => {
            add(client, RuleEffect::Forbid, fits, None, above, as_json).await
        }
        Rules::Remove { id, trial } => {
            let policy = client.ask::<ReadPolicy>(&(), &()).await?;
            let rest: Vec<PolicyRule> =
                policy.rules.iter().filter(|rule| rule.id != id).cloned().collect();
            if rest.len() == policy.rules.len() {
                let why =
                    format!("There is no rule {}. `quintet rules` lists them.", printable(&id));
                return Err(Usage(why).into());
            }
            change(client, replaced(rest, policy), trial.only_try, as_json).await
        }
        Rules::Reset { trial } => {
            let hash = Some(client.ask::<ReadPolicy>(&(), &()).await?.hash);
            let update = PolicyUpdate { reset: true, hash, ..PolicyUpdate::default() };
            change(client, update, trial.only_try, as_json).await
        }
        Rules::Replay { days } => {
            let request = ReplayRequest { days: Some(days), policy: None };
            let trial = client.ask::<ReplayPolicy>(&(), &request).await?;
            if as_json {
                say_json(&trial);
            } else {
                say(&told(&trial, "was", "is today"));
            }
            Ok(())
        }
    }
}

/// A change of all rules with conditions, made from these rules.
fn replaced(rules: Vec<PolicyRule>, from: Policy) -> PolicyUpdate {
    PolicyUpdate { rules: Some(rules), hash: Some(from.hash), ..PolicyUpdate::default() }
}

/// A change of simple rules, made from these.
fn simple(set: SetRules, from: Policy) -> Result<PolicyUpdate> {
    let list = |name: &str, given: Option<Vec<String>>| match (
        set.clear.iter().any(|list| list == name),
        given,
    ) {
        (true, Some(_)) => {
            let why = format!(
                "--clear {name} and --{name} exclude each other: --{name} replaces the list."
            );
            Err(Usage(why))
        }
        (true, None) => Ok(Some(Vec::new())),
        (false, given) => Ok(given),
    };
    Ok(PolicyUpdate {
        cost_threshold: set.threshold,
        risk_tolerance: set.tolerance,
        allowed_agencies: list("only", set.only)?,
        blocked_operations: list("block", set.block)?,
        requires_human_approval: list("always-ask", set.always_ask)?,
        hash: Some(from.hash),
        ..PolicyUpdate::default()
    })
}

async fn add(
    client: &Client,
    effect: RuleEffect,
    fits: Fits,
    up_to: Option<Micros>,
    above: Option<Micros>,
    as_json: bool,
) -> Result<()> {
    let policy = client.ask::<ReadPolicy>(&(), &()).await?;
    let only_try = fits.trial.only_try;
    let until = fits.until.as_deref().map(end).transpose()?;
    let rule = PolicyRule {
        id: String::new(),
        effect,
        agents: fits.agents,
        operations: fits.operations,
        endpoints: fits.endpoints,
        up_to,
        above,
        until,
        note: fits.note,
        made_by: None,
        made_at: None,
    };
    let mut rules = policy.rules.clone();
    rules.push(rule);
    change(client, replaced(rules, policy), only_try, as_json).await
}

/// The end of a rule, from a date, a time or a while.
fn end(text: &str) -> Result<String> {
    let now = Timestamp::now();
    let zone = TimeZone::system();
    let midnight = |date: Date| date.tomorrow().ok()?.to_zoned_datetime(zone.clone()).ok();
    let local = |time: DateTime| time.to_zoned_datetime(zone.clone()).ok();
    let at = if let Ok(at) = text.parse::<Timestamp>() {
        Some(at)
    } else if let Some(date) = text.parse::<Date>().ok().filter(|_| text.len() <= DATE_CHARS) {
        // The whole day counts.
        midnight(date).map(|at| at.timestamp())
    } else if let Ok(time) = text.parse::<ZonedDateTime>() {
        Some(time.timestamp())
    } else if let Ok(time) = text.parse::<DateTime>() {
        local(time).map(|at| at.timestamp())
    } else {
        text.parse::<Span>().ok().and_then(|span| after(now, span, zone))
    };
    match at {
        Some(at) => Ok(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        None => {
            let why = "--until takes a date such as 2027-01-31, a time such as 2027-01-31T18:00:00Z or, in your time zone, 2027-01-31T18:00, or a while such as 12h or 7d, that is not over.";
            Err(Usage(why.to_owned()).into())
        }
    }
}

fn after(now: Timestamp, span: Span, zone: TimeZone) -> Option<Timestamp> {
    let at = now.to_zoned_datetime(zone).checked_add(span).ok()?.timestamp();
    (at > now + 0.seconds()).then_some(at)
}

async fn change(client: &Client, update: PolicyUpdate, dry_run: bool, as_json: bool) -> Result<()> {
    let update = PolicyUpdate { dry_run, ..update };
    let change = client.ask::<UpdatePolicy>(&(), &update).await?;
    if as_json {
        say_json(&change);
    } else {
        say(&outcome(&change));
    }
    Ok(())
}

fn outcome(change: &PolicyChange) -> String {
    let mut text = match &change.trial {
        Some(trial) => format!("Nothing is changed. {}", told(trial, "today", "then")),
        None => lines(&change.policy),
    };
    for warning in &change.warnings {
        let _ = write!(text, "\nwarning: {}", printable(warning));
    }
    if change.trial.is_some() {
        text.push_str("\nThe same command without --try makes the change.");
    }
    text
}

/// A trial, for a terminal. `before` and `after` head the two columns.
fn told(trial: &PolicyTrial, before: &str, after: &str) -> String {
    let PolicyTrial { days, requests, changed, .. } = trial;
    let newest = if trial.is_cut { "newest " } else { "" };
    let noun = if *requests == 1 { "request" } else { "requests" };
    let mut text = format!(
        "Of the {newest}{requests} {noun} of the last {days} days, {changed} would get another word.\n"
    );
    let counts = |name: &str, counts: WordCounts| {
        vec![
            name.to_owned(),
            counts.approve.to_string(),
            counts.ask.to_string(),
            counts.reject.to_string(),
        ]
    };
    text.push_str(&table(
        &["", "APPROVED", "ASKED", "REFUSED"],
        &[counts(before, trial.before), counts(after, trial.after)],
    ));
    if trial.differences.is_empty() {
        return text;
    }
    let rows: Vec<Vec<String>> = trial
        .differences
        .iter()
        .take(SHOWN)
        .map(|one| {
            vec![
                one.requested_at.chars().take(16).collect(),
                printable(one.agent_type.as_str()),
                one.amount.to_string(),
                format!("{} → {}", one.before.as_str(), one.after.as_str()),
                short(&printable(&one.reason), 60),
            ]
        })
        .collect();
    text.push('\n');
    text.push_str(&table(&["REQUESTED", "AGENT", "UP TO", "CHANGE", "WHY"], &rows));
    let more = (*changed as usize).saturating_sub(SHOWN);
    if more > 0 {
        let _ = write!(text, "\nand {more} more");
    }
    text
}

async fn list(client: &Client, as_json: bool) -> Result<()> {
    let policy = client.ask::<ReadPolicy>(&(), &()).await?;
    if as_json {
        say_json(&policy);
    } else {
        say(&lines(&policy));
    }
    Ok(())
}

/// The rules, for a terminal: each simple one with its source.
fn lines(policy: &Policy) -> String {
    let source = |name: &str| {
        let has = |list: &[String]| list.iter().any(|one| one == name);
        match () {
            () if has(&policy.changed) => "changed at runtime",
            () if has(&policy.from_file) => "configuration",
            () => "default",
        }
    };
    let threshold = policy.cost_threshold;
    let unasked = match policy.risk_tolerance {
        RiskTolerance::Conservative => "nothing that costs money".to_owned(),
        RiskTolerance::Balanced => format!("up to {}", Micros(threshold.0 / 4)),
        RiskTolerance::Aggressive => format!("up to {threshold}"),
    };
    let names = |list: &[String], none: &str| match list {
        [] => none.to_owned(),
        list => printable(&list.join(", ")),
    };
    let row = |what: &str, value: String, name: &str| {
        vec![what.to_owned(), value, source(name).to_owned()]
    };
    let simple = [
        row("you are asked above", threshold.to_string(), "costThreshold"),
        row("approved without asking", unasked, "riskTolerance"),
        row(
            "always asked about",
            names(&policy.requires_human_approval, "-"),
            "requiresHumanApproval",
        ),
        row("refused", names(&policy.blocked_operations, "-"), "blockedOperations"),
        row("may work", names(&policy.allowed_agencies, "every agent"), "allowedAgencies"),
    ];
    let mut text = table(&["RULE", "VALUE", "FROM"], &simple);
    if policy.rules.is_empty() {
        return text;
    }
    let rows: Vec<Vec<String>> = policy
        .rules
        .iter()
        .map(|rule| {
            vec![
                rule.id.clone(),
                printable(&rule.words()),
                rule.until.clone().unwrap_or_else(|| "-".to_owned()),
                rule.note.as_deref().map(printable).unwrap_or_default(),
            ]
        })
        .collect();
    text.push_str("\n\n");
    text.push_str(&table(&["ID", "RULE", "UNTIL", "NOTE"], &rows));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_a_rule_is_a_date_a_time_or_a_while() {
        assert_eq!(end("2027-01-31T18:00:00Z").unwrap(), "2027-01-31T18:00:00Z");
        let day: Timestamp = end("2027-01-31").unwrap().parse().unwrap();
        let zoned = day.to_zoned_datetime(TimeZone::system());
        assert_eq!(zoned.date().to_string(), "2027-02-01", "the whole day counts");
        let zone = TimeZone::system();
        for local in ["2027-01-31T18:00", "2027-01-31 18:00:00"] {
            let at: Timestamp = end(local).unwrap().parse().unwrap();
            let shown = at.to_zoned_datetime(zone.clone()).datetime().to_string();
            assert_eq!(shown, "2027-01-31T18:00:00", "{local}");
        }
        assert_eq!(end("2027-01-31T18:00[Asia/Tokyo]").unwrap(), "2027-01-31T09:00:00Z");
        let week: Timestamp = end("7d").unwrap().parse().unwrap();
        assert!((week - Timestamp::now()).as_hours() >= 6 * 24);
        for odd in ["", "soon", "-1d", "0d", "2027-13-01", "7"] {
            assert!(end(odd).is_err(), "{odd}");
        }
    }
}
