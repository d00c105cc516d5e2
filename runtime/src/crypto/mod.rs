//! Primitives. Nothing here knows a protocol or a socket.

pub mod rlwe;
