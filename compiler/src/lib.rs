//! The compiler: an ONNX file becomes a program that two parties run, and the server's weights.
//!
//! [`onnx`] imports, `picc_passes` transforms, [`cli`] is the command line.
#![forbid(unsafe_code)]

pub mod cli;
pub mod onnx;
pub mod report;
