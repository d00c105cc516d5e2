// Generated code is left as it was generated.
#![allow(warnings, clippy::all)]

mod proto;

pub use crate::proto::onnx::*;
pub use protobuf::Message;
