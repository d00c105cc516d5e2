//! The mpc dialect: how a value is computed between the two parties, and what that costs exactly.

pub mod rlwe;
