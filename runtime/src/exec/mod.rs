//! Running a program: both parties walk the same schedule, each over its own part of every value.
//!
//! ```text
//!   client                                              server
//!     handshake ........................................ handshake
//!     base OTs, public key ............................. base OTs
//!   repeat:
//!     control: one more ───────────────────────────────> (or the end)
//!     for each step of the schedule
//!       reserve correlated OTs, if the step says so
//!       protocol: one part of the node                   the same
//!       after its last part: the kernels that follow     the same
//!     outputs, and what the client computes on them      nothing
//! ```
//!
//! The server learns that an inference ran; the client learns the declared outputs. A program that the verifier
//! refuses is refused here as well.

mod encoder;
mod executable;
mod kernels;
mod leash;
mod linear;
mod party;
mod protocols;
mod run;
mod value;

pub use encoder::{clip, quantize, short};
pub use executable::Executable;
pub use leash::Leash;
pub use party::{
    ClientSession, Inference, Output, PREPARED_BYTES, ServerModel, run_client, run_server, serve_on_leash,
    serve_session,
};
