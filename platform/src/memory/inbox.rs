//! The inbox over SQLite in memory.
