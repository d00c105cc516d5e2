//! Emitted code against the interpreter, and what must be refused.

mod cache;
mod differential;
mod guard;
mod hostile;
mod memory;
mod shapes;
mod targets;
