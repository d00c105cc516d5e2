//! Ring dimensions and primes.
//!
//! Security: ternary secret, error of standard deviation 3.24 (centred binomial, k = 21). The Homomorphic Encryption
//! Security Standard (Albrecht et al. 2018, table 1: classical, ternary secret, 128 bits) allows log2 q <= 109 at
//! N = 4096 and log2 q <= 218 at N = 8192. All primes are below 2^51, so that a product's halves fit the 52-bit
//! multipliers of AVX-512 IFMA with values kept below 2p.

/// Half-width of the centred binomial error: the sum of `CBD_K` bits minus the sum of `CBD_K` bits.
pub const CBD_K: u32 = 21;

/// One choice of `(N, q)`.
#[derive(Debug, PartialEq, Eq)]
pub struct ParamSet {
    pub name: &'static str,
    /// Ring dimension N, a power of two.
    pub degree: usize,
    /// NTT primes, each `1 mod 2N` and just below `2^prime_bits`.
    pub primes: &'static [u64],
    pub prime_bits: u32,
    /// The standard's limit on log2 q at this dimension.
    pub max_coeff_bits: u32,
}

impl ParamSet {
    /// `Q` with `2^Q (1 - 2^-20) < q < 2^Q`.
    #[must_use]
    pub fn coeff_bits(&self) -> u32 {
        self.prime_bits * self.primes.len() as u32
    }

    /// Whether a coefficient travels as one integer below q (low bits may then be dropped), or as residues.
    #[must_use]
    pub fn composite(&self) -> bool {
        self.coeff_bits() < 127
    }
}

const P51: [u64; 4] = [0x7_ffff_fffe_0001, 0x7_ffff_fffc_c001, 0x7_ffff_fffb_c001, 0x7_ffff_fff5_4001];
const P36: [u64; 3] = [0xf_fffe_e001, 0xf_fffc_4001, 0xf_fffb_e001];

/// Cheapest first.
pub static PARAM_SETS: [ParamSet; 4] = [
    ParamSet { name: "n4096q102", degree: 4096, primes: &[P51[0], P51[1]], prime_bits: 51, max_coeff_bits: 109 },
    ParamSet { name: "n4096q108", degree: 4096, primes: &P36, prime_bits: 36, max_coeff_bits: 109 },
    ParamSet {
        name: "n8192q153",
        degree: 8192,
        primes: &[P51[0], P51[1], P51[2]],
        prime_bits: 51,
        max_coeff_bits: 218,
    },
    ParamSet { name: "n8192q204", degree: 8192, primes: &P51, prime_bits: 51, max_coeff_bits: 218 },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn pow_mod(mut base: u128, mut e: u128, p: u128) -> u128 {
        let mut r = 1;
        while e > 0 {
            if e & 1 == 1 {
                r = r * base % p;
            }
            base = base * base % p;
            e >>= 1;
        }
        r
    }

    fn is_prime(p: u64) -> bool {
        let (p, s) = (u128::from(p), (p - 1).trailing_zeros());
        [2u128, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37].iter().all(|&a| {
            let mut x = pow_mod(a, (p - 1) >> s, p);
            if x == 1 || x == p - 1 {
                return true;
            }
            (1..s).any(|_| {
                x = x * x % p;
                x == p - 1
            })
        })
    }

    #[test]
    fn primes_are_prime_ntt_friendly_and_within_the_standard() {
        for set in &PARAM_SETS {
            assert!(set.degree.is_power_of_two() && set.coeff_bits() <= set.max_coeff_bits, "{}", set.name);
            for (i, &p) in set.primes.iter().enumerate() {
                assert!(is_prime(p) && p % (2 * set.degree as u64) == 1, "{p:#x}");
                assert!(p < 1 << set.prime_bits && p < 1 << 51);
                assert!((1u64 << set.prime_bits) - p < (1u64 << set.prime_bits) >> 17, "close to its power");
                assert!(!set.primes[..i].contains(&p));
            }
        }
    }
}
