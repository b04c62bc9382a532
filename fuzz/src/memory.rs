//! A bound on the memory that one input may take.

/// Memory that any input may take.
const BASE_BYTES: usize = 16 << 20;
/// Memory that an input may take beyond that, for each of its bytes.
const BYTES_PER_BYTE: usize = 256;

#[global_allocator]
static PEAK: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// Runs a check on an input of this length and panics when it takes too much memory.
pub fn bounded(length: usize, check: impl FnOnce() -> bool) {
    PEAK.reset_peak_usage();
    let before = PEAK.current_usage();
    check();
    let taken = PEAK.peak_usage().saturating_sub(before);
    let most = BASE_BYTES + length * BYTES_PER_BYTE;
    assert!(
        taken <= most,
        "{length} bytes of input took {taken} bytes of memory; {most} is the limit"
    );
}
