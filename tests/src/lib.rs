//! What the tests of whole models share: the example's model, both parties in one process, and bodies of fuzz targets.
#![forbid(unsafe_code)]

pub mod example;
pub mod private;
