//! The compiler: an ONNX file becomes a program that two parties run, and the server's weights.
//!
//! [`onnx`] imports, `picc_passes` transforms; the command line `picc` is a crate of its own.
#![forbid(unsafe_code)]

pub mod onnx;
pub mod report;
pub mod runs;
