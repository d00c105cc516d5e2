//! Programs to copy. Each is a binary of this crate and ends in an assertion:
//!
//! * `xray`: compiles a trained network and runs it privately between two parties in this process.
