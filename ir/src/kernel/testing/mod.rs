//! For tests of whatever makes, runs or translates kernels: random kernels, and the kernels of a program against its
//! nodes one at a time.

mod agree;
mod random;

pub use agree::{agree, held, step};
pub use random::{Seeded, kernel, memory};
