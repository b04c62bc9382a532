//! Buttons, which Matrix has none of: a person reacts to the message, and a line below it says
//! which reaction stands for what.

use contracts::outbox::{Buttons, Look, ShownButton};
use inbox::stops_alone;

/// For the one thing to do, where that is to stop something.
const ONLY: &str = "🛑";
const APPROVES: &str = "👍";
const REJECTS: &str = "👎";
const NEUTRAL: [&str; 9] = ["1️⃣", "2️⃣", "3️⃣", "4️⃣", "5️⃣", "6️⃣", "7️⃣", "8️⃣", "9️⃣"];

/// Maximum characters of a label.
const LABEL_CHARS_MAX: usize = 80;

/// Each button with its reaction, in order.
fn reactions(buttons: &Buttons) -> Vec<(&'static str, ShownButton<'_>)> {
    let all: Vec<ShownButton<'_>> = buttons.two().into_iter().chain(buttons.rest()).collect();
    let is_stop = stops_alone(buttons);
    let mut neutral = NEUTRAL.into_iter();
    let sign =
        |button: &ShownButton<'_>, neutral: &mut dyn Iterator<Item = &'static str>| match button
            .look
        {
            _ if is_stop => Some(ONLY),
            Look::Approves => Some(APPROVES),
            Look::Rejects => Some(REJECTS),
            Look::Neutral => neutral.next(),
        };
    all.into_iter().filter_map(|button| Some((sign(&button, &mut neutral)?, button))).collect()
}

/// The line that stands below the message.
pub(super) fn line(buttons: &Buttons) -> String {
    let label = |text: &str| text.chars().take(LABEL_CHARS_MAX).collect::<String>();
    let each = reactions(buttons).into_iter();
    let each: Vec<String> =
        each.map(|(sign, button)| format!("{sign} {}", label(button.label))).collect();
    format!("React to answer: {}", each.join(" · "))
}

/// The press data of the button that a reaction stands for.
pub(super) fn pressed(buttons: &Buttons, reaction: &str) -> Option<String> {
    let meant = bare(reaction);
    let found = reactions(buttons).into_iter().find(|(sign, _)| bare(sign) == meant);
    found.map(|(_, button)| button.data.to_owned())
}

/// An emoji without the sign that asks for its colours, and without a colour of skin.
fn bare(emoji: &str) -> String {
    let is_part = |ch: &char| *ch != '\u{fe0f}' && !('\u{1f3fb}'..='\u{1f3ff}').contains(ch);
    emoji.chars().filter(is_part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::outbox::Button;

    #[test]
    fn reaction_stands_for_its_button_in_any_colour() {
        let mut buttons = Buttons {
            approve: "a1:y".into(),
            reject: "a1:n".into(),
            labels: None,
            more: vec![Button { label: "Always".into(), data: "a1:a".into() }],
        };
        assert_eq!(line(&buttons), "React to answer: 👍 Approve · 👎 Reject · 1️⃣ Always");
        for (reaction, data) in [
            ("👍", Some("a1:y")),
            ("👍\u{1f3fd}", Some("a1:y")),
            ("👍\u{fe0f}", Some("a1:y")),
            ("👎", Some("a1:n")),
            ("1\u{20e3}", Some("a1:a")),
            ("2️⃣", None),
            ("🛑", None),
            ("", None),
        ] {
            assert_eq!(pressed(&buttons, reaction).as_deref(), data, "{reaction}");
        }
        buttons.labels = Some(["pm".into(), "codegen".into()]);
        assert_eq!(pressed(&buttons, "2️⃣").as_deref(), Some("a1:n"));
        assert_eq!(pressed(&buttons, "👍"), None, "neither of two is the one to approve");
        let stop = Buttons::one("Stop", "s1:x".into());
        assert_eq!(
            (line(&stop).as_str(), pressed(&stop, "🛑").as_deref()),
            ("React to answer: 🛑 Stop", Some("s1:x"))
        );
        let more = Buttons::one("$2.00 more", "a1:x".into());
        assert_eq!(line(&more), "React to answer: 1️⃣ $2.00 more");
        assert_eq!(pressed(&more, "🛑"), None);
    }
}
