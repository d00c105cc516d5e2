//! Emitted code against the interpreter, and what must be refused.

mod cache;
mod differential;
mod hostile;
mod memory;
mod shapes;
mod targets;
