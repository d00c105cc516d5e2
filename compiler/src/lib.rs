//! picc, the compiler: a trained ONNX model becomes a program for secure two-party inference.
#![forbid(unsafe_code)]

pub mod onnx;
