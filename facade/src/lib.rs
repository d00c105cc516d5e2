//! Private inference between a client and a server: the client learns a neural network's answer for its input, the
//! server learns nothing of the input, and the client learns nothing of the weights beyond the answer. There is no
//! third party.
//!
//! ```text
//!   the model's owner                       the client                    the server
//!     Model::from_onnx(..)
//!       .calibrate(samples)
//!       .compile(&options) ──> program ──>  Program::from_bytes(..)       Program::from_bytes(..)
//!                          ──> weights ───────────────────────────────>   Weights::from_bytes(..)
//!                                           Client::connect(..) <──TCP──> Server::accept(..)
//!                                             .infer(&sample) ──> Answer
//! ```
//!
//! # Example
//!
//! A trained network, both parties on this machine, with all cryptography:
//!
//! ```
//! use picc::{Client, Model, Options, Sample, Server, Tensor};
//! use std::net::TcpListener;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
//! // Once, by the model's owner. The calibration images show how large the values in the network get.
//! let model = Model::from_onnx_file(format!("{examples}/models/pneumonia_vggsmall.onnx"))?;
//! let images = model.samples(&std::fs::read(format!("{examples}/data/xray_calibration.npy"))?)?;
//! let compiled = model.calibrate(images.clone()).compile(&Options::default())?;
//!
//! // The server has the program and the weights.
//! let server = Server::new(&compiled.program, compiled.weights)?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let serving = std::thread::spawn(move || server.accept(&listener));
//!
//! // The client has the program and an input: here [1, 1, 28, 28], pixels between -1 and 1.
//! let program = compiled.program;
//! let mut client = Client::connect(&program, address)?;
//! let answer = client.infer(&images[0])?;
//! let sent = client.close()?;
//!
//! assert_eq!(answer.outputs[0].1.shape[..], [1, 2]); // one score for "normal", one for "pneumonia"
//! assert_eq!(sent, program.traffic(1)); // every byte and round was known before
//! assert_eq!(serving.join().unwrap()?.inferences, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Between two machines
//!
//! [`Client::connect`] and [`Server::accept`] speak plain TCP and only on one machine. Between two, each party has an
//! [`Identity`] and knows the other's [`Fingerprint`]; TLS 1.3 then authenticates both:
//!
//! ```
//! use picc::{Client, ClientTls, Identity, Server, ServerTls, Trust, identity::Validity};
//! # use picc::{Model, Options};
//! # use std::net::TcpListener;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
//! # let model = Model::from_onnx_file(format!("{examples}/models/pneumonia_vggsmall.onnx"))?;
//! # let images = model.samples(&std::fs::read(format!("{examples}/data/xray_calibration.npy"))?)?;
//! # let compiled = model.calibrate(images.clone()).compile(&Options::default())?;
//! # let (program, image) = (compiled.program.clone(), images[0].clone());
//! # let weights = compiled.weights.commitment();
//! # let server = Server::new(&compiled.program, compiled.weights)?;
//! # let listener = TcpListener::bind("127.0.0.1:0")?;
//! # let address = listener.local_addr()?;
//! // Each keeps its own, and tells the other its fingerprint.
//! let clinic = Identity::generate("clinic", Validity::days(365))?;
//! let provider = Identity::generate("provider", Validity::days(365))?;
//!
//! let tls = ServerTls::new(&provider, Trust::key(clinic.fingerprint()))?;
//! let serving = std::thread::spawn(move || server.accept_tls(&listener, &tls));
//!
//! let tls = ClientTls::new(&clinic, Trust::key(provider.fingerprint()), "127.0.0.1")?;
//! let mut client = Client::connect_tls(&program, address, &tls)?;
//! client.infer(&image)?;
//! assert_eq!(client.weights(), Some(weights)); // which version of the model answers
//! client.close()?;
//! assert_eq!(serving.join().unwrap()?.peer.unwrap().key, clinic.fingerprint());
//!
//! # Ok(())
//! # }
//! ```
//!
//! Or bring a stream of your own, such as another TLS library's: any reader and writer make a
//! [`channel::Channel`] ([`channel::stream::over`] has an example), for [`Client::over`] and [`Server::over`].
//!
//! # What is promised
//!
//! Parties are semi-honest: they follow the protocol and may look at everything that they receive. The code is not
//! audited. By default a value is off by at most one unit in the last place (2^-12) after each layer; with
//! [`Options::exact`] the answer equals the fixed-point reference in every bit, for more bytes. SECURITY.md of the
//! repository states the rest, and what of a program depends on the weights.
//!
//! # Files
//!
//! [`Program::to_bytes`] is the file that the command line calls `model.pi` and may be public; [`Weights::to_bytes`] is
//! `model.piw` and is the server's secret. What this crate compiles and what `picc` compiles are the same bytes.
//!
//! # Features
//!
//! * `images`: [`Program`] takes PNG and JPEG files as inputs.
//!
//! The crates below this one (`picc-ir`, `picc-passes`, `picc-compiler`, `picc-runtime`) have more: costs by node,
//! reports, emulated networks, rewriting for retraining.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod client;
mod error;
mod model;
mod program;
mod server;

pub use client::{Answer, Client};
pub use error::{Error, Result};
pub use model::{Compiled, MaxDrop, Model};
pub use picc_compiler::onnx;
pub use picc_identity as identity;
pub use picc_identity::{Fingerprint, Identity};
pub use picc_ir::Tensor;
pub use picc_ir::cost::Traffic;
pub use picc_ir::cost::profile::Profile;
pub use picc_ir::program::{Layout, Preprocess};
pub use picc_ir::weights::Commitment;
pub use picc_passes::{Options, Reveal};
pub use picc_runtime::channel;
pub use picc_runtime::channel::Peer;
pub use picc_runtime::inputs::Sample;
pub use picc_runtime::tls::{ClientTls, ServerTls, Trust};
pub use program::{Program, Weights};
pub use server::{Server, Session};

use std::time::Duration;

/// How long a server may take to come up while a client keeps trying.
const CONNECT_PATIENCE: Duration = channel::tcp::CONNECT_PATIENCE;

/// Silence after which the other party counts as gone.
const PATIENCE: Duration = Duration::from_secs(120);
