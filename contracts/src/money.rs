//! Money: integer micro-dollars inside, decimal dollars on the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Maximum amount: far above any budget, and small enough that dollars as a JSON number stay exact
/// to the micro-dollar.
const LIMIT: i64 = 1 << 50;

/// An amount in micro-dollars. On the wire it is a decimal number of dollars (`1.25`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

impl Micros {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// Dollars to micro-dollars, rounded up, so that only zero is nothing; `None` if negative, not
    /// finite or too large to be exact.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let micros = dollars * 1e6;
        // A decimal amount is rarely exact in binary: what is this near to a whole number is one.
        let whole = micros.round();
        let is_whole = (micros - whole).abs() <= micros * f64::EPSILON * 2.0;
        let micros = if is_whole { whole } else { micros.ceil() };
        (dollars.is_finite() && dollars >= 0.0 && micros <= LIMIT as f64)
            .then_some(Self(micros as i64))
    }
    /// The amount as decimal dollars.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
    /// Sum, saturating at the maximum amount.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).min(LIMIT))
    }
    /// Difference, saturating at zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }
}

impl std::fmt::Display for Micros {
    /// `$12.50`; more digits only if cents do not suffice.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, value) =
            if self.0 < 0 { ("-", self.0.unsigned_abs()) } else { ("", self.0.unsigned_abs()) };
        let (whole, rest) = (value / 1_000_000, value % 1_000_000);
        let cents = format!("{rest:06}");
        let kept = cents.trim_end_matches('0');
        write!(f, "{sign}${whole}.{kept:0<2}")
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(d)?;
        Self::from_dollars(dollars).ok_or_else(|| {
            D::Error::custom("an amount is a number of dollars from 0 to 1125899906")
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Micros {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Dollars".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "An amount in dollars, exact to the micro-dollar.",
            "type": "number",
            "minimum": 0,
            "maximum": Self(LIMIT).dollars().floor(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_round_trips_without_losing_a_micro() {
        for micros in [0, 1, 10, 1_250_000, 12_500_000, LIMIT] {
            let text = serde_json::to_string(&Micros(micros)).unwrap();
            assert_eq!(serde_json::from_str::<Micros>(&text).unwrap(), Micros(micros), "{text}");
        }
    }

    #[test]
    fn money_refuses_invalid_amounts() {
        for text in ["-1", "1e300", "\"5\"", "null"] {
            assert!(serde_json::from_str::<Micros>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn money_rounds_up_and_only_zero_is_nothing() {
        for (dollars, micros) in [
            (0.0, 0),
            (-0.0, 0),
            (1e-7, 1),
            (f64::MIN_POSITIVE, 1),
            (0.000_001, 1),
            (0.000_001_4, 2),
            (0.1, 100_000),
            (0.07, 70_000),
            (4.35, 4_350_000),
            (1.1, 1_100_000),
            (1_000_000.1, 1_000_000_100_000),
        ] {
            assert_eq!(Micros::from_dollars(dollars), Some(Micros(micros)), "{dollars}");
        }
        assert_eq!(Micros::from_dollars(-1e-9), None);
    }

    #[test]
    fn money_is_displayed_as_people_write_it() {
        assert_eq!(Micros(12_500_000).to_string(), "$12.50");
        assert_eq!(Micros(1).to_string(), "$0.000001");
        assert_eq!(Micros(0).to_string(), "$0.00");
    }
}
