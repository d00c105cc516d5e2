//! What the tests of whole models share: the example's model, both parties in one process or in two, and the bodies of
//! the fuzz targets.
#![forbid(unsafe_code)]

pub mod commands;
pub mod example;
pub mod families;
pub mod fuzz;
pub mod private;
