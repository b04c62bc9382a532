//! The map as SVG: agents on an inner ring, channels and files on outer rings, links as lines. The
//! same graph always gives the same picture; the table beside it has the same content as text.

use contracts::graph::{GraphMap, MapNode, SkillKind};
use maud::{Markup, html};
use std::collections::BTreeMap;

const SIZE: f64 = 640.0;
const MIDDLE: f64 = SIZE / 2.0;
/// Maximum files drawn; more would be unreadable.
const DRAWN_MAX: usize = 160;
/// Maximum nodes of a ring with labels.
const NAMED_MAX: usize = 24;

struct Placed<'a> {
    node: &'a MapNode,
    x: f64,
    y: f64,
    named: bool,
}

/// Draws the map.
pub fn draw(map: &GraphMap) -> Markup {
    let nodes = &map.nodes.get(..map.nodes.len().min(DRAWN_MAX)).unwrap_or_default();
    let of = |wanted: &dyn Fn(SkillKind) -> bool| {
        nodes.iter().filter(|node| wanted(node.kind)).collect::<Vec<_>>()
    };
    let rings = [
        (of(&|kind| kind == SkillKind::Agent), 105.0, "agent"),
        (of(&|kind| kind == SkillKind::Channel), 190.0, "channel"),
        (of(&|kind| matches!(kind, SkillKind::Skill | SkillKind::Guide)), 265.0, "file"),
    ];
    let placed: Vec<(Placed<'_>, &str)> = rings
        .into_iter()
        .enumerate()
        .flat_map(|(ring, (nodes, radius, class))| {
            let count = nodes.len();
            nodes
                .into_iter()
                .enumerate()
                .map(move |(place, node)| (at(node, ring, place, count, radius), class))
        })
        .collect();
    let places: BTreeMap<&str, (f64, f64)> =
        placed.iter().map(|(placed, _)| (placed.node.id.as_str(), (placed.x, placed.y))).collect();
    let lines = map
        .links
        .iter()
        .filter_map(|link| Some((places.get(link.from.as_str())?, places.get(link.to.as_str())?)));
    html! {
        svg.map viewBox={ "0 0 " (SIZE) " " (SIZE) } role="img" aria-label={ "Map of " (map.nodes.len()) " files and " (map.links.len()) " links" } {
            g.links { @for ((x1, y1), (x2, y2)) in lines { line x1=(whole(*x1)) y1=(whole(*y1)) x2=(whole(*x2)) y2=(whole(*y2)) {} } }
            @for (placed, class) in &placed {
                g class=(class) {
                    title { (placed.node.title) " (" (placed.node.path) ")" }
                    circle cx=(whole(placed.x)) cy=(whole(placed.y)) r=(radius(placed.node)) {}
                    @if placed.named { text x=(whole(placed.x)) y=(whole(placed.y - radius(placed.node) - 4.0)) text-anchor="middle" { (name(placed.node)) } }
                }
            }
        }
    }
}

/// Position of a node. Each ring starts at another angle, so that labels do not overlap.
fn at(node: &MapNode, ring: usize, place: usize, count: usize, radius: f64) -> Placed<'_> {
    let angle = std::f64::consts::TAU * (place as f64 + 0.5 * (ring % 2) as f64)
        / count.max(1) as f64
        - std::f64::consts::FRAC_PI_2;
    Placed {
        node,
        x: MIDDLE + radius * angle.cos(),
        y: MIDDLE + radius * angle.sin(),
        named: count <= NAMED_MAX,
    }
}

/// The radius of a node; agents grow with their examples.
fn radius(node: &MapNode) -> f64 {
    match node.examples {
        Some(examples) => (8.0 + (examples as f64).sqrt()).min(26.0).round(),
        None => 6.0,
    }
}

fn name(node: &MapNode) -> String {
    let mut name: String = node.title.chars().take(18).collect();
    if node.title.chars().count() > 18 {
        name.push('…');
    }
    name
}

fn whole(value: f64) -> f64 {
    value.round()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::graph::Link;

    #[test]
    fn graph_drawing_is_deterministic_and_escapes_titles() {
        let node = |id: &str, kind: SkillKind| MapNode {
            id: id.into(),
            kind,
            title: format!("<b>{id}</b>"),
            path: format!("{id}.md"),
            examples: None,
        };
        let map = GraphMap {
            nodes: vec![
                node("a", SkillKind::Agent),
                node("c", SkillKind::Channel),
                node("g", SkillKind::Guide),
            ],
            links: vec![
                Link { from: "a".into(), to: "g".into() },
                Link { from: "a".into(), to: "not drawn".into() },
            ],
            ..GraphMap::default()
        };
        let drawn = draw(&map).into_string();
        assert_eq!(drawn, draw(&map).into_string());
        assert_eq!((drawn.matches("<circle").count(), drawn.matches("<line").count()), (3, 1));
        assert!(drawn.contains("&lt;b&gt;a&lt;/b&gt;") && !drawn.contains("<b>"));
        assert!(!drawn.contains("NaN"));
        draw(&GraphMap::default());
    }
}
