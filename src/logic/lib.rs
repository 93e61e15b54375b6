//! Crate src/logic.
