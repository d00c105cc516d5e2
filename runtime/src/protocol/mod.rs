//! Two-party protocols over shares. Each reads like its paper; beside each stands its ideal functionality.

pub mod linear_rlwe;
