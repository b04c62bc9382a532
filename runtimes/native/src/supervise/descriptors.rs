//! The descriptors that this process was given.

/// Keeps every descriptor from the programs that this process starts, also those that a shell or a
/// service manager left open in it; only the standard three are handed on.
pub fn keep() {
    close_fds::set_fds_cloexec(3, &[]);
}
