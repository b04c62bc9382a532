//! Time and randomness. Services have no other source of either, so tests control both.

use async_trait::async_trait;

/// The clock and the random numbers.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch. On Workers it stands still during computation.
    fn now_ms(&self) -> i64;
    /// Fills the slice with unpredictable bytes.
    fn random(&self, bytes: &mut [u8]);
    /// Returns once `now_ms()` has reached `at_ms`.
    async fn sleep_until(&self, at_ms: i64);
}

/// Functions derived from a clock.
pub trait ClockExt {
    /// A new ULID: sorts by time, 80 random bits.
    fn ulid(&self) -> String;
    /// A uniform number in `[0, 1)`.
    fn uniform(&self) -> f64;
    /// `n` random bytes as lower-case hex.
    fn random_hex(&self, n: usize) -> String;
}

impl<C: Clock + ?Sized> ClockExt for C {
    fn ulid(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.random(&mut bytes);
        ulid::Ulid::from_parts(
            u64::try_from(self.now_ms()).unwrap_or(0),
            u128::from_le_bytes(bytes),
        )
        .to_string()
    }
    fn uniform(&self) -> f64 {
        let mut bytes = [0_u8; 8];
        self.random(&mut bytes);
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    }
    fn random_hex(&self, n: usize) -> String {
        let mut bytes = vec![0_u8; n];
        self.random(&mut bytes);
        hex::encode(bytes)
    }
}
