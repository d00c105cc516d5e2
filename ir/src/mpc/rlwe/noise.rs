//! The noise bound of a layer, how it is hidden, and the bits that go over the wire.
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
//!   `21/2 (2N + 1)`; and, where the server floods, `r_mask` of the mask's encoding: 1/4.
//!
//! All are independent, so the sum is sub-Gaussian with the sum of proxies `V`, and
//! `P(|noise| > kappa sqrt V) <= 2 exp(-kappa^2 / 2)`. `kappa^2 = 2 ln 2 (61 + log2 outputs)` makes that 2^-60 for
//! the whole layer. [`Budget::noise_bound`] is this value.
//!
//! **Two ways to hide the noise**, which depends on the weights ([`Hiding`]; argument and figures: [`super::figure`]).
//! * *Full range.* The server adds a uniform `R` of all of `Z_q` to each returned coefficient: what is sent is exactly
//!   uniform. Its share is `-floor(R 2^l / q)`, the client's `floor(phase 2^l / q)`; together they miss the result by
//!   the carry of the low parts, a *coin* of -1, 0 or 1. The noise may move the coin of an element with probability at
//!   most `|noise| 2^l / q`: `2^-42` where the set leaves [`STATISTICAL_BITS`], and `2^-22` in the widest rings
//!   ([`LEAST_BITS`]). The server blurs even that by noise of its own, the sum of four uniform values of `2^f`, which
//!   reaches an eighth of a step.
//! * *Flooding.* The server adds a multiple of `Delta`, a uniform share, and a uniform value of `[-2^f, 2^f)`, `f` as
//!   large as decoding allows (`2^f <= Delta / 4`): the coefficient is within `E|noise| / 2^(f+1)` of one that does
//!   not depend on the noise. For all outputs of a layer this is at most `2^-`[`FLOODED_BITS`], else the set does not
//!   fit.
//!
//! **Switching.** The response is rounded to the modulus `2^response_bits` and the low `response_drop` bits of `b'` are
//! dropped. Rounding `a'` costs `sum s_j rho_j` with `rho` uniform in [-1/2, 1/2] (`a'` is pseudo-random): strictly
//! sub-Gaussian, proxy at most N/12. After flooding a fourth of a step must hold it. Under full-range masks all errors
//! together stay below one step, so that no coin is larger than one, and their standard deviation below a fourth, so
//! that a coin is not zero with probability [`super::COIN_RATE`] at most (given the error `x`, in steps, it is `|x|`).

use super::Hiding;
use super::params::{CBD_K, PARAM_SETS, ParamSet};

/// Flooding exceeds the noise bound by more than this many bits, and full-range masks do where the ring admits it.
pub const STATISTICAL_BITS: u32 = 40;
/// Least bits by which a quarter of a step exceeds the noise bound under full-range masks.
pub const LEAST_BITS: u32 = 20;
/// A flooded layer is within this power of two of one that does not depend on its noise: at most 2^8 layers, 2^10
/// inferences and 2^-40 for them all.
pub const FLOODED_BITS: u32 = 58;
/// As much for a layer under full-range masks and the noise of its encryptions of zero; layers add up as squares do.
pub const MASKED_BITS: u32 = 43;
const TAIL_BITS: u32 = 60;
/// Flooding values are sampled from 128-bit words.
const MAX_FLOOD_BITS: u32 = 126;
/// Four halves of the server's own noise add up within 128 bits.
const MAX_OWN_BITS: u32 = 124;

/// Everything about a layer that follows from its noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub set: &'static ParamSet,
    /// Plaintext modulus `2^ring_bits`.
    pub ring_bits: u32,
    /// Weights are at most `2^(weight_bits - 1)` in magnitude.
    pub weight_bits: u32,
    pub hiding: Hiding,
    /// Largest absolute noise of a needed response coefficient before flooding, except with probability 2^-60.
    pub noise_bound: u128,
    /// At least the noise's root of the mean square.
    pub noise_rms: u128,
    /// Flooding is uniform in `[-2^flood_bits, 2^flood_bits)`; under full-range masks the server's own noise is the
    /// sum of four uniform values of `[-2^flood_bits, 2^flood_bits) / 2`.
    pub flood_bits: u32,
    /// Low bits of the request's coefficients that are not sent.
    pub request_drop: u32,
    /// The response has modulus `2^response_bits`.
    pub response_bits: u32,
    /// Low bits of the response's `b'` that are not sent.
    pub response_drop: u32,
}

/// A layer as its noise sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub ring_bits: u32,
    pub weight_bits: u32,
    /// Products that one coefficient sums.
    pub terms: u64,
    /// Returned coefficients, and the polynomials that hold them.
    pub outputs: u64,
    pub responses: u64,
}

/// At least the mean square of `e_pk u + e1 s + e2` over keys and encryptions: `u`, `s` have variance 2/3.
#[must_use]
pub fn fresh_square(set: &ParamSet) -> u128 {
    let error = u128::from(CBD_K).div_ceil(2);
    (2 * set.degree as u128 * u128::from(CBD_K)).div_ceil(3) + error
}

impl Budget {
    /// Bits of one coefficient of a request.
    #[must_use]
    pub fn request_bits(&self) -> u32 {
        self.set.coeff_bits() - self.request_drop
    }

    /// Fits `set` to a layer, or says that it does not fit.
    #[must_use]
    pub fn fit(set: &'static ParamSet, hiding: Hiding, load: Load) -> Option<Budget> {
        let Load { ring_bits, weight_bits, terms, outputs, .. } = load;
        let degree = set.degree as u128;
        let kappa2 = kappa_squared_x64(outputs);
        let proxy_x4 = |drop: u32| -> Option<u128> {
            let per_term = u128::from(4 * CBD_K / 2) + 2 + (if drop == 0 { 0 } else { 1u128 << (2 * drop) });
            let weights = u128::from(terms) << (2 * (weight_bits - 1));
            let fresh = u128::from(4 * CBD_K / 2) * (2 * degree + 1) + 1;
            weights.checked_mul(per_term)?.checked_add(fresh)
        };
        let bound = |drop: u32| Some(ceil_sqrt(proxy_x4(drop)?.checked_mul(kappa2)?.div_ceil(256)));
        let rms = |drop: u32| Some(ceil_sqrt(proxy_x4(drop)?.div_ceil(4)));
        // A step of the plaintext is 2^step, nearly.
        let step = set.coeff_bits().checked_sub(ring_bits)?;
        let quarter = step.checked_sub(2)?;
        let (flood_bits, margin) = match hiding {
            Hiding::Flood => (quarter.min(MAX_FLOOD_BITS), None),
            Hiding::FullRange => {
                let own = step.checked_sub(4)?.min(MAX_OWN_BITS);
                if !coins_are_blurred(set, step + own, outputs) {
                    return None;
                }
                let room = |bits: &u32| bound(0).is_some_and(|b| exceeds(quarter, *bits, b));
                (own, Some((LEAST_BITS..=STATISTICAL_BITS).rev().find(room)?))
            }
        };
        let fits = |drop: u32| match margin {
            None => rms(drop).and_then(|r| r.checked_mul(outputs.into())).is_some_and(|r| {
                // outputs * rms / 2^(flood_bits + 1) <= 2^-FLOODED_BITS
                exceeds(flood_bits + 1, FLOODED_BITS, r)
            }),
            Some(margin) => bound(drop).is_some_and(|b| exceeds(quarter, margin, b)),
        };
        if !fits(0) {
            return None;
        }
        let request_drop = if set.composite() && margin.is_none_or(|m| m == STATISTICAL_BITS) {
            (0..=16).rev().find(|&d| fits(d) && ring_bits + 8 < set.coeff_bits() - d).unwrap_or(0)
        } else {
            0
        };
        let (response_bits, response_drop) = switched(hiding, load, degree, kappa2)?;
        Some(Budget {
            set,
            ring_bits,
            weight_bits,
            hiding,
            noise_bound: bound(request_drop)?,
            noise_rms: rms(request_drop)?,
            flood_bits,
            request_drop,
            response_bits,
            response_drop,
        })
    }

    /// The first set of dimension `degree` that fits.
    #[must_use]
    pub fn smallest(degree: usize, hiding: Hiding, load: Load) -> Option<Budget> {
        PARAM_SETS.iter().filter(|s| s.degree == degree).find_map(|s| Budget::fit(s, hiding, load))
    }
}

/// Whether `value <= 2^(bits - margin)`.
fn exceeds(bits: u32, margin: u32, value: u128) -> bool {
    bits.checked_sub(margin).is_some_and(|b| b >= 128 || value <= 1 << b)
}

/// Whether `2 outputs fresh_square / (q / 2^l 2^f) <= 2^(-2 MASKED_BITS)`, where `q / 2^l 2^f` is nearly `2^bits`: the
/// figure of a layer under full-range masks, squared.
fn coins_are_blurred(set: &ParamSet, bits: u32, outputs: u64) -> bool {
    let Some(bits) = bits.checked_sub(2 * MASKED_BITS) else { return false };
    let value = 2 * u128::from(outputs) * fresh_square(set);
    // q is less than 2^-14 below its power of two.
    bits >= 127 || value <= (1 << bits) - ((1 << bits) >> 14)
}

/// Bits of a response's coefficients, and how many low ones of `b'` are dropped.
fn switched(hiding: Hiding, load: Load, degree: u128, kappa2: u128) -> Option<(u32, u32)> {
    // The switch's rounding, of a' times s, of b', and of fixed-point arithmetic.
    let switch = ceil_sqrt((degree * kappa2).div_ceil(12 * 64)) + 3;
    // A response has modulus 2^(l + unit): this many of its units are a step.
    let drop = |unit: u32| -> Option<u32> {
        let step = 1u128 << unit;
        match hiding {
            // Dropping d bits with rounding errs by at most 2^(d-1).
            Hiding::Flood => Some((step / 4).checked_sub(switch)?.checked_ilog2()? + 1),
            Hiding::FullRange => {
                // An eighth is the server's own noise, far less the layer's.
                let most = (step * 55 / 64).checked_sub(switch)?.checked_ilog2()? + 1;
                // Variance (N + 4^d) / 12 in units; with 7/32 of a step the server's own noise leaves less than 1/4.
                (0..=most).rev().find(|d| (degree + (1 << (2 * d))) * 1024 <= 12 * 49 * step * step)
            }
        }
    };
    (6..22u32).filter_map(|unit| Some((load.ring_bits + unit, drop(unit)?))).min_by_key(|&(k, d)| {
        u128::from(load.responses) * degree * u128::from(k) + u128::from(load.outputs) * u128::from(k - d)
    })
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

    fn load(ring_bits: u32, outputs: u64) -> Load {
        Load { ring_bits, weight_bits: 12, terms: 4608, outputs, responses: 32 }
    }

    #[test]
    fn flooded_budgets_count_every_coefficient_and_decode() {
        let mut fitted = 0;
        for set in &PARAM_SETS {
            for ring_bits in [1, 8, 17, 25, 37, 41, 64] {
                for outputs in [1, 1 << 10, 1 << 16, 1 << 23] {
                    let Some(b) = Budget::fit(set, Hiding::Flood, load(ring_bits, outputs)) else { continue };
                    let distance = outputs as f64 * b.noise_rms as f64 / f64::from(b.flood_bits + 1).exp2();
                    assert!(distance <= (-58f64).exp2(), "{b:?}");
                    assert!(b.noise_bound << STATISTICAL_BITS <= 1 << b.flood_bits);
                    assert!(b.flood_bits + ring_bits + 2 <= set.coeff_bits());
                    assert!(b.response_drop < b.response_bits && b.response_bits > ring_bits);
                    fitted += 1;
                }
            }
        }
        assert!(fitted > 50, "{fitted}");
    }

    #[test]
    fn masked_budgets_keep_the_margin_where_there_is_room_and_coins_small() {
        for set in &PARAM_SETS {
            for ring_bits in [1, 8, 17, 25, 37, 41, 50, 64] {
                for outputs in [1u64, 1 << 10, 1 << 16, 1 << 23] {
                    let Some(b) = Budget::fit(set, Hiding::FullRange, load(ring_bits, outputs)) else { continue };
                    let step = f64::from(set.coeff_bits() - ring_bits).exp2();
                    let margin = (step / 4.0 / b.noise_bound as f64).log2();
                    assert!(margin >= 40.0 || (margin >= 20.0 && b.request_drop == 0), "{b:?}");
                    let blurred = 2.0 * outputs as f64 * fresh_square(set) as f64 / step;
                    let figure = (blurred / f64::from(b.flood_bits).exp2()).sqrt();
                    assert!(figure <= (-42.9f64).exp2(), "{b:?}");
                    // All errors together, in units of the response.
                    let unit = f64::from(b.response_bits - ring_bits).exp2();
                    let (n, dropped) = (set.degree as f64, f64::from(b.response_drop).exp2());
                    let kappa = (2.0 * std::f64::consts::LN_2 * (61.0 + (outputs as f64).log2().ceil())).sqrt();
                    let worst = kappa * (n / 12.0).sqrt() + 3.0 + dropped / 2.0;
                    assert!(worst / unit + 1.0 / 8.0 < 1.0, "{b:?}");
                    let own = (1.0f64 / 3.0).sqrt() / 16.0;
                    let deviation = ((n + dropped * dropped) / 12.0 / unit / unit + own * own).sqrt();
                    assert!(deviation <= super::super::COIN_RATE, "{deviation} {b:?}");
                }
            }
        }
    }

    #[test]
    fn wide_rings_need_the_larger_dimension() {
        let fits = |degree, hiding, ring| Budget::smallest(degree, hiding, load(ring, 1 << 16)).map(|b| b.set.name);
        assert_eq!(fits(4096, Hiding::FullRange, 37), Some("n4096q102"));
        assert_eq!(fits(4096, Hiding::FullRange, 42), Some("n4096q105"));
        assert_eq!(fits(4096, Hiding::FullRange, 64), None);
        assert_eq!(fits(8192, Hiding::FullRange, 64), Some("n8192q126"));
        assert_eq!(fits(4096, Hiding::Flood, 37), None);
        assert_eq!(fits(8192, Hiding::Flood, 26), Some("n8192q126"));
        assert_eq!(fits(8192, Hiding::Flood, 37), Some("n8192q153"));
        assert_eq!(fits(8192, Hiding::Flood, 64), Some("n8192q204"));
    }
}
