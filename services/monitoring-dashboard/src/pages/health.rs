//! Health in detail: each service now, over seven days, and per hour.

use super::layout::{Frame, title};
use super::menu;
use super::signs;
use crate::refusal::PageResult;
use crate::session::Owner;
use crate::store::{self, HOUR_MS, HourRow, ProbeRow};
use crate::{Deps, probe, sla};
use axum::extract::State;
use contracts::ServiceName;
use contracts::monitoring::Sla;
use futures_util::future::join3;
use maud::{Markup, html};
use platform::time::rfc3339;

/// Parts of the strip: 56 of three hours each.
const PARTS: i64 = 56;
const PART_MS: i64 = 3 * HOUR_MS;

/// `GET /dashboard/health`.
pub async fn show(State(deps): State<Deps>, owner: Owner) -> PageResult {
    let now = deps.clock.now_ms();
    let (frame, sla, hours) = join3(
        Frame::load(&deps, &owner, ""),
        sla::gather(&deps),
        store::hours(&*deps.sql, sla::window_start(now)),
    )
    .await;
    let (probes, hours) =
        (store::probes(&*deps.sql).await.unwrap_or_default(), hours.unwrap_or_default());
    let body = html! {
        (title("Health", &format!("Each service's health is checked every {} seconds. Unmeasured \
            time does not count.", deps.config.probe_interval_ms / 1000)))
        (levels(&sla))
        section.panel aria-label="Services" {
            table.events.health {
                thead { tr { th scope="col" { "Now" } th scope="col" { "Service" } th.figure scope="col" { "Uptime, 7 days" } th.figure scope="col" { "Measured" } th.figure scope="col" { "Latency" } th scope="col" { "Since" } } }
                tbody { @for service in ServiceName::ALL { (line(&deps, &sla, &hours, probes.iter().find(|row| row.service == service.as_str()), service, now)) } }
            }
        }
    };
    Ok(frame.page(&menu::HEALTH, menu::HEALTH.title, body))
}

fn figure(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{share:.2} %"))
}

fn levels(sla: &Sla) -> Markup {
    let tile = |name: &str, value: String, about: String| html! { div.tile { dt { (name) } dd { strong { (value) } span.quiet { (about) } } } };
    html! {
        section.panel aria-labelledby="levels-title" {
            h2 #levels-title { "Seven days" }
            dl.tiles.four {
                (tile("Uptime", figure(sla.uptime7d), format!("{:.0} % of the time measured", sla.coverage * 100.0)))
                (tile("Answer time", signs::latency(sla.avg_latency), format!("p90 {}, p99 {}", signs::latency(sla.p90_latency), signs::latency(sla.p99_latency))))
                (tile("Routing accuracy", signs::percent(sla.routing_accuracy), format!("{} labels; shown from 20", sla.routing_accuracy_n)))
                (tile("Cost trend", sla.cost_trend.replace('_', " "), "last 7 days compared with the 7 before".to_owned()))
            }
        }
    }
}

fn line(
    deps: &Deps,
    sla: &Sla,
    hours: &[HourRow],
    row: Option<&ProbeRow>,
    service: ServiceName,
    now: i64,
) -> Markup {
    let uptime = sla.per_service.get(service.as_str()).cloned().unwrap_or_default();
    html! {
        tr {
            td { (signs::status(probe::shown(row, now, &deps.config))) }
            td.wide {
                strong { (service) }
                @if let Some(detail) = row.and_then(|row| row.detail.as_deref()) { span.quiet.detail { (detail) } }
                (strip(&parts(hours, service.as_str(), now)))
            }
            (signs::cell("uptime", &figure(uptime.uptime7d)))
            (signs::cell("measured", &format!("{:.0} %", uptime.coverage * 100.0)))
            (signs::cell("latency", &signs::latency(mean_latency(hours, service.as_str()))))
            td data-name="since" { @match row { Some(row) => (signs::time(&rfc3339(row.since))), None => "–" } }
        }
    }
}

fn of<'a>(hours: &'a [HourRow], service: &'a str) -> impl Iterator<Item = &'a HourRow> {
    hours.iter().filter(move |hour| hour.series.strip_prefix("probe.") == Some(service))
}

fn mean_latency(hours: &[HourRow], service: &str) -> Option<f64> {
    let (sum, checks) = of(hours, service).fold((0.0, 0), |(sum, checks), hour| {
        (sum + hour.latency_ms_sum, checks + hour.latency_checks)
    });
    (checks > 0).then(|| sum / checks as f64)
}

/// The worst measurement of each part, oldest first.
fn parts(hours: &[HourRow], service: &str, now: i64) -> Vec<&'static str> {
    let end = now - now.rem_euclid(HOUR_MS) + HOUR_MS;
    let mut parts = vec!["none"; usize::try_from(PARTS).unwrap_or_default()];
    let rank = |word: &str| ["none", "good", "warn", "bad"].iter().position(|known| *known == word);
    for hour in of(hours, service) {
        let word = if hour.down_ms > 0 {
            "bad"
        } else if hour.degraded_ms > 0 {
            "warn"
        } else if hour.up_ms > 0 {
            "good"
        } else {
            "none"
        };
        let place = PARTS - 1 - (end - 1 - hour.t).div_euclid(PART_MS);
        if let Some(part) = usize::try_from(place).ok().and_then(|place| parts.get_mut(place))
            && rank(word) > rank(part)
        {
            *part = word;
        }
    }
    parts
}

fn strip(parts: &[&'static str]) -> Markup {
    let count = |word: &str| parts.iter().filter(|part| **part == word).count();
    let label = format!(
        "Seven days in parts of three hours: {} good, {} degraded, {} with an outage, {} not \
         measured",
        count("good"),
        count("warn"),
        count("bad"),
        count("none")
    );
    html! {
        svg.strip viewBox={ "0 0 " (parts.len() * 6) " 18" } preserveAspectRatio="none" height="18" role="img" aria-label=(label) {
            title { (label) }
            @for (i, part) in parts.iter().enumerate() { rect class=(part) x=(i * 6) width="4.6" y=(if *part == "none" { "7" } else { "0" }) height=(if *part == "none" { "4" } else { "18" }) rx="1" {} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_strip_shows_the_worst_of_three_hours() {
        let now = 168 * HOUR_MS - 1;
        let hour = |t: i64, up_ms, degraded_ms, down_ms| HourRow {
            series: "probe.x".into(),
            t: t * HOUR_MS,
            up_ms,
            degraded_ms,
            down_ms,
            ..HourRow::default()
        };
        let parts = parts(
            &[hour(0, 1, 0, 0), hour(165, 1, 0, 0), hour(166, 1, 0, 1), hour(167, 1, 1, 0)],
            "x",
            now,
        );
        assert_eq!((parts.len(), parts[0], parts[1], parts[55]), (56, "good", "none", "bad"));
    }
}
