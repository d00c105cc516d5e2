//! The noise bound of a layer, flooding and the bits that go over the wire.
//!
//! Let `Delta = q / 2^l`. The client sends `phase = Delta x0 + e + r0`, the server adds `Delta x1 + r1` and multiplies
//! by weight polynomials. A coefficient of the response has phase
//! `Delta y + sum_j w_j (e_j + r0_j + r1_j + d_j) + z`, where
//! * the sum has at most `terms` summands with distinct indices `j`: a polynomial product meets each error
//!   coefficient at most once per output coefficient, and different input polynomials have their own errors;
//! * `e_j` is centred binomial (sub-Gaussian, variance proxy 21/2);
//! * `r0_j`, `r1_j` are rounding errors of the two encodings. Rounding is *dithered* (up or down at random, with mean
//!   zero), so they are independent, in an interval of length one: proxy 1/4 (Hoeffding);
//! * `d_j` is the error of dropping the low `request_drop` bits, dithered likewise: proxy `4^request_drop / 4`;
//! * `z = e_pk u + e1 + e2 s` is the noise of the fresh encryption of zero: with `u`, `s` ternary, proxy
//!   `21/2 (2N + 1)`; and `r_mask` of the mask's encoding: 1/4.
//!
//! All are independent, so the sum is sub-Gaussian with the sum of proxies `V`, and
//! `P(|noise| > kappa sqrt V) <= 2 exp(-kappa^2 / 2)`. `kappa^2 = 2 ln 2 (61 + log2 outputs)` makes that 2^-60 for
//! the whole layer. [`Budget::noise_bound`] is this value.
//!
//! **Flooding.** The server adds a uniform value of `[-2^f, 2^f)` with `2^f >= 2^40 noise_bound`: each returned
//! coefficient is within statistical distance 2^-41 of one that does not depend on the noise. `f` is as large as
//! decoding allows (`2^f <= Delta / 4`), at least 40 bits above the bound.
//!
//! **Switching.** The response is rounded to the modulus `2^response_bits` and the low `response_drop` bits of `b'` are
//! dropped. Rounding `a'` costs `sum s_j rho_j` with `rho` uniform in [-1/2, 1/2] (`a'` is pseudo-random): strictly
//! sub-Gaussian, proxy at most N/12. The remaining `Delta / 4` must hold it.

use super::params::{CBD_K, PARAM_SETS, ParamSet};

/// Flooding exceeds the noise bound by at least this many bits.
pub const STATISTICAL_BITS: u32 = 40;
const TAIL_BITS: u32 = 60;
/// Flooding values are sampled from 128-bit words.
const MAX_FLOOD_BITS: u32 = 126;

/// Everything about a layer that follows from its noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub set: &'static ParamSet,
    /// Plaintext modulus `2^ring_bits`.
    pub ring_bits: u32,
    /// Weights are at most `2^(weight_bits - 1)` in magnitude.
    pub weight_bits: u32,
    /// Largest absolute noise of a needed response coefficient before flooding, except with probability 2^-60.
    pub noise_bound: u128,
    /// Flooding is uniform in `[-2^flood_bits, 2^flood_bits)`.
    pub flood_bits: u32,
    /// Low bits of the request's coefficients that are not sent.
    pub request_drop: u32,
    /// The response has modulus `2^response_bits`.
    pub response_bits: u32,
    /// Low bits of the response's `b'` that are not sent.
    pub response_drop: u32,
}

impl Budget {
    /// Bits of one coefficient of a request.
    #[must_use]
    pub fn request_bits(&self) -> u32 {
        self.set.coeff_bits() - self.request_drop
    }

    /// Fits `set` to a layer, or says that it does not fit. `outputs` coefficients in `responses` polynomials.
    #[must_use]
    pub fn fit(
        set: &'static ParamSet,
        ring_bits: u32,
        weight_bits: u32,
        terms: u64,
        outputs: u64,
        responses: u64,
    ) -> Option<Budget> {
        let degree = set.degree as u128;
        let kappa2 = kappa_squared_x64(outputs);
        let bound = |drop: u32| -> Option<u128> {
            let per_term = u128::from(4 * CBD_K / 2) + 2 + (if drop == 0 { 0 } else { 1u128 << (2 * drop) });
            let weights = u128::from(terms) << (2 * (weight_bits - 1));
            let fresh = u128::from(4 * CBD_K / 2) * (2 * degree + 1) + 1;
            let proxy_x4 = weights.checked_mul(per_term)?.checked_add(fresh)?;
            Some(ceil_sqrt(proxy_x4.checked_mul(kappa2)?.div_ceil(256)))
        };
        let flood_bits = set.coeff_bits().checked_sub(ring_bits + 2)?.min(MAX_FLOOD_BITS);
        let most = 1u128 << flood_bits.checked_sub(STATISTICAL_BITS)?;
        if bound(0)? > most {
            return None;
        }
        let request_drop = if set.composite() {
            (0..=16)
                .rev()
                .find(|&d| bound(d).is_some_and(|b| b <= most) && ring_bits + 8 < set.coeff_bits() - d)
                .unwrap_or(0)
        } else {
            0
        };
        // The switch's rounding, of a' times s, of b', and of fixed-point arithmetic.
        let switch = ceil_sqrt((degree * kappa2).div_ceil(12 * 64)) + 3;
        let (response_bits, response_drop) = (6..20u32)
            .filter_map(|slack| {
                let room = (1u128 << slack).checked_sub(switch)?;
                // Dropping d bits with rounding errs by at most 2^(d-1).
                let drop = if room == 0 { return None } else { room.ilog2() + 1 };
                Some((ring_bits + 2 + slack, drop))
            })
            .min_by_key(|&(k, d)| {
                u128::from(responses) * degree * u128::from(k) + u128::from(outputs) * u128::from(k - d)
            })?;
        Some(Budget {
            set,
            ring_bits,
            weight_bits,
            noise_bound: bound(request_drop)?,
            flood_bits,
            request_drop,
            response_bits,
            response_drop,
        })
    }

    /// The first set of dimension `degree` that fits.
    #[must_use]
    pub fn smallest(
        degree: usize,
        ring_bits: u32,
        weight_bits: u32,
        terms: u64,
        outputs: u64,
        responses: u64,
    ) -> Option<Budget> {
        PARAM_SETS
            .iter()
            .filter(|s| s.degree == degree)
            .find_map(|s| Budget::fit(s, ring_bits, weight_bits, terms, outputs, responses))
    }
}

/// `64 * 2 ln 2 * (61 + log2 outputs)`, rounded up. Integers only: both parties must agree.
fn kappa_squared_x64(outputs: u64) -> u128 {
    u128::from(89 * (TAIL_BITS + 1 + outputs.max(2).next_power_of_two().ilog2()))
}

/// Smallest `r` with `r * r >= v`.
fn ceil_sqrt(v: u128) -> u128 {
    let r = v.isqrt();
    r + u128::from(r * r < v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_leave_forty_bits_and_decode() {
        for set in &PARAM_SETS {
            for ring_bits in [1, 8, 17, 25, 37, 41, 64] {
                let Some(b) = Budget::fit(set, ring_bits, 12, 4608, 1 << 16, 32) else { continue };
                assert!(b.noise_bound << STATISTICAL_BITS <= 1 << b.flood_bits);
                assert!(b.flood_bits + ring_bits + 2 <= set.coeff_bits());
                assert!(b.response_drop < b.response_bits && b.response_bits > ring_bits);
            }
        }
    }

    #[test]
    fn wide_rings_need_the_larger_dimension() {
        assert!(Budget::smallest(4096, 37, 12, 4608, 1 << 16, 1).is_some());
        assert!(Budget::smallest(4096, 64, 12, 4608, 1 << 16, 1).is_none());
        assert!(Budget::smallest(8192, 64, 12, 4608, 1 << 16, 1).is_some());
    }
}
