//! What operators share: shapes and their limits, ranges, and the loops of the reference semantics.

pub(crate) mod axes;
pub(crate) mod convolution;
pub(crate) mod elementwise;
pub(crate) mod extent;
pub(crate) mod interval;
pub(crate) mod number;
pub(crate) mod pooling;
pub(crate) mod strided;
pub(crate) mod window;
