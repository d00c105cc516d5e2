//! Linear layers by ring LWE: shares in, shares of the convolution or matrix product out.
//!
//! Paper: Cheetah (USENIX Security 2022), Figures 4 and 5, with the changes of [`picc_ir::mpc::rlwe`]. Adversary:
//! semi-honest. Parameters: [`picc_ir::mpc::rlwe::params`]. Rounds: two. Bytes: `plan.traffic()`, exactly.
//!
//! ```text
//!   client  x0                                            server  x1, w
//!     seed, b = -a s + e + [q x0 / 2^l]  ───────────>   b += [q x1 / 2^l]
//!                                                        (a', b') = sum w * (a, b) + Enc_pk(0)
//!                                                        b' += flood - [q r / 2^l],  q -> 2^k, low bits off
//!     y0 = round((b' + a' s) 2^l / 2^k)  <───────────   a', needed coefficients of b'
//!                                                        y1 = r
//! ```
//!
//! **Leakage.** The server sees ring LWE ciphertexts under a key it does not know. The client sees `a'`, which the
//! fresh `u` of `Enc_pk(0)` makes pseudo-random even to the owner of `s`; and `b'`, which given `a'` is its own
//! output share plus noise that flooding leaves within statistical distance 2^-41 per coefficient of one
//! independent of the weights and of the server's share. Neither half may be skipped: a test recovers the weights
//! when they are.
//!
//! **Ideal functionality.** Given `x0`, `x1`, `w`: `y = conv(x0 + x1, w) mod 2^l`, `y1` uniform, `y0 = y - y1`.

mod client;
mod prepared;
mod server;

#[cfg(test)]
mod privacy_tests;
#[cfg(test)]
mod tests;

pub use client::{RlweClient, conv_client, linear_client, matmul_client};
pub use prepared::{PreparedConv, PreparedLinear, PreparedMatMul};
pub use server::{RlweServer, conv_server, linear_server, matmul_server};
