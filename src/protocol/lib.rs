//! Crate src/protocol.
