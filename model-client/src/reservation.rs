//! Money that is held for calls.

use contracts::Micros;
use contracts::approval::ClaimAnswer;

/// Proof that the ledger holds an amount for the calls of one piece of work.
pub trait Held {
    /// The amount.
    fn held(&self) -> Micros;
}

/// A claimed approval: its hold lasts until the settlement.
impl Held for ClaimAnswer {
    fn held(&self) -> Micros {
        self.cost_limit
    }
}

/// The rest of a hold. Every call takes its highest possible cost from it before it is sent,
/// and gives back what it did not need.
#[derive(Debug)]
pub struct Reservation {
    held: Micros,
    spent: Micros,
}

impl Reservation {
    /// The whole of a hold.
    pub fn of(held: &impl Held) -> Self {
        Self { held: held.held(), spent: Micros::ZERO }
    }
    /// Follows a hold that has grown.
    pub fn grow(&mut self, held: &impl Held) {
        self.held = self.held.max(held.held());
    }
    /// The cost of the calls so far. One that did not end, or whose effect is unknown, counts as
    /// its ceiling.
    pub const fn spent(&self) -> Micros {
        self.spent
    }
    /// The amount that has to be held for another call of this ceiling; `None` if it is.
    pub fn missing_for(&self, ceiling: Micros) -> Option<Micros> {
        let needed = self.spent.plus(ceiling);
        (needed > self.held).then_some(needed)
    }
    /// Takes the ceiling of a call.
    pub(crate) fn take(&mut self, ceiling: Micros) -> bool {
        let fits = self.missing_for(ceiling).is_none();
        if fits {
            self.spent = self.spent.plus(ceiling);
        }
        fits
    }
    /// Puts the cost of a call in the place of its ceiling.
    pub(crate) fn settle(&mut self, ceiling: Micros, cost: Micros) {
        // A cost above its ceiling is a fact all the same.
        self.spent = self.spent.minus(ceiling).plus(cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(i64);
    impl Held for Fixed {
        fn held(&self) -> Micros {
            Micros(self.0)
        }
    }

    #[test]
    fn reservation_gives_back_what_a_call_did_not_need() {
        let mut reservation = Reservation::of(&Fixed(100));
        assert!(reservation.take(Micros(80)));
        assert_eq!(reservation.missing_for(Micros(30)), Some(Micros(110)));
        assert!(!reservation.take(Micros(30)));
        reservation.settle(Micros(80), Micros(10));
        assert_eq!(reservation.missing_for(Micros(90)), None);
        assert!(reservation.take(Micros(90)));
        assert_eq!(reservation.spent(), Micros(100));
        assert!(!reservation.take(Micros(1)));
        reservation.grow(&Fixed(50));
        assert!(!reservation.take(Micros(1)), "a hold does not shrink a reservation, nor grow it");
        reservation.grow(&Fixed(101));
        assert!(reservation.take(Micros(1)));
    }
}
