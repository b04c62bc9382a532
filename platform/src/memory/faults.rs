//! Faults injected by a test: the next operations fail, or take effect but report a failure.

use crate::ports::{PortError, PortErrorKind, PortResult};
use std::sync::Mutex;

#[derive(Clone, Copy)]
enum Fault {
    /// Succeeds.
    Pass,
    /// Fails without effect.
    Refuse(PortErrorKind),
    /// Takes effect, then reports a failure.
    KeepButFail,
}

/// The pending faults of an adapter. Dropping it with pending faults fails the test, because they
/// never occurred.
#[derive(Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// The next `n` operations succeed; faults added later apply to the operations after them.
    pub fn pass_next(&self, n: usize) {
        self.0.lock().unwrap().extend(std::iter::repeat_n(Fault::Pass, n));
    }
    /// The next `n` operations fail without effect.
    pub fn refuse_next(&self, n: usize, kind: PortErrorKind) {
        self.0.lock().unwrap().extend(std::iter::repeat_n(Fault::Refuse(kind), n));
    }
    /// The next `n` operations take effect but report a failure of unknown effect.
    pub fn keep_but_fail_next(&self, n: usize) {
        self.0.lock().unwrap().extend(std::iter::repeat_n(Fault::KeepButFail, n));
    }
    /// Runs an operation under the next fault.
    ///
    /// # Errors
    /// That of the fault, else that of the operation.
    pub fn around<T>(&self, operation: impl FnOnce() -> PortResult<T>) -> PortResult<T> {
        let fault = {
            let mut faults = self.0.lock().unwrap();
            if faults.is_empty() { None } else { Some(faults.remove(0)) }
        };
        match fault {
            None | Some(Fault::Pass) => operation(),
            Some(Fault::Refuse(kind)) => Err(PortError::clean(kind, "injected")),
            Some(Fault::KeepButFail) => {
                operation()?;
                Err(PortError::unknown(PortErrorKind::Timeout, "injected after the effect"))
            }
        }
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        let left = self.0.lock().map_or(0, |faults| faults.len());
        assert!(left == 0 || std::thread::panicking(), "{left} injected faults were never met");
    }
}
