//! Linear layers by ring LWE: shares in, shares of the convolution or matrix product out.
//!
//! Paper: Cheetah (USENIX Security 2022), Figures 4 and 5, with the changes of [`picc_ir::mpc::rlwe`]. Adversary:
//! semi-honest. Parameters: [`picc_ir::mpc::rlwe::params`]. Rounds: two. Bytes: `plan.traffic()`, exactly.
//!
//! ```text
//!   client  x0                                            server  x1, w
//!     seed, b = -a s + e + [q x0 / 2^l]  ───────────>   b += [q x1 / 2^l]
//!                                                        (a', b') = sum w * (a, b) + Enc_pk(0)
//!                                    full range, R in Z_q:  b' += R + blur          flood:  b' += flood - [q r / 2^l]
//!                                                        q -> 2^k, low bits off
//!     y0 = (b' + a' s) 2^l / 2^k         <───────────   a', needed coefficients of b'
//!          cut off, or rounded after flooding                y1 = -floor(R 2^l / q)       y1 = r
//! ```
//!
//! **Leakage.** The server sees ring LWE ciphertexts under a key it does not know. The client sees `a'`, which the
//! fresh `u` of `Enc_pk(0)` makes pseudo-random even to the owner of `s`; and `b'`. Under full-range masks what it
//! gets of `b'` is exactly uniform. Under flooding it is the client's own output share plus noise that is close to one
//! independent of the weights and of the server's share: 2^-58 for all coefficients of a layer. Neither half may be
//! skipped: a test recovers the weights when they are. [`picc_ir::mpc::rlwe::figure`] has the figures,
//! `docs/security/linear-rlwe.md` the argument.
//!
//! **Ideal functionality.** Given `x0`, `x1`, `w`: `y = conv(x0 + x1, w) mod 2^l`, `y1` uniform, `y0 = y - y1` after
//! flooding; `y0 = y - y1 + coin` under full-range masks, with a coin of -1, 0 or 1 by the carry of the low parts that
//! both parties cut off.

mod client;
mod messages;
mod prepared;
mod server;

#[cfg(test)]
mod malicious_tests;
#[cfg(test)]
mod privacy_tests;
#[cfg(test)]
mod tests;

use crate::channel::Channel;
use crate::crypto::rlwe::Csprng;
use crate::error::{Error, Result};
use crate::session::Session;
use picc_ir::Party;
use picc_ir::mpc::rlwe::{LinearPlan, ParamSet};

pub use client::{RlweClient, conv_client, linear_client, matmul_client};
pub use prepared::{PreparedConv, PreparedLinear, PreparedMatMul};
pub use server::{RlweServer, conv_server, linear_server, matmul_server};

/// A party's keys of ring LWE.
pub enum RlweKeys {
    Client(RlweClient),
    Server(RlweServer),
}

impl RlweKeys {
    /// The client's public keys go to the server, one flight.
    pub fn setup(channel: &mut Channel, sets: &[&'static ParamSet], rng: &mut Csprng) -> Result<RlweKeys> {
        Ok(match channel.party() {
            Party::Client => RlweKeys::Client(RlweClient::setup(channel, sets, rng)?),
            Party::Server => RlweKeys::Server(RlweServer::setup(channel, sets)?),
        })
    }
}

/// This party's share of a layer, called as the other protocols are. `weights` are the server's.
pub fn layer(
    session: &mut Session,
    plan: &LinearPlan,
    x: &[u64],
    weights: Option<&PreparedLinear>,
) -> Result<Vec<u64>> {
    let Session { channel, rlwe, rng, .. } = session;
    match (&*rlwe, weights) {
        (RlweKeys::Client(keys), _) => linear_client(channel, keys, plan, x, rng.lattice()),
        (RlweKeys::Server(keys), Some(weights)) => linear_server(channel, keys, weights, x, rng.lattice()),
        (RlweKeys::Server(_), None) => Err(Error::Bug("a layer without weights".into())),
    }
}
