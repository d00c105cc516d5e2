//! What the tests of whole models share: the example's model, both parties in one process or in two.
#![forbid(unsafe_code)]

pub mod commands;
pub mod example;
pub mod private;
