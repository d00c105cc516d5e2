//! How far what a client sees may be from what says nothing about the weights: a figure for each layer, one for a
//! program.
//!
//! Statistical distances; the computational part is ring LWE, see [`super::params`]. The argument in full is in
//! `docs/security/linear-rlwe.md`.
//!
//! **Flooding.** A returned coefficient differs from one without noise by at most `E|e| / 2^(f+1)`, where `e` is the
//! layer's noise; coefficients add up.
//!
//! **Full-range masks.** What is sent is exactly uniform, so that the distance is that of the *ideal functionality*:
//! given what was sent, the server's share takes one of two neighbouring values, with probability `F(t - e)`, where
//! `t` is the place of the boundary, uniform, and `F` is the distribution of the server's own noise, four uniform
//! values of `w = 2^f`. Leaving an error `e` away changes this by a relative entropy of at most `4 e^2 / w`, summed
//! over all `t` (the integral of `F'^2 / (F (1 - F))` is `3.19 / w`), of which each has probability `2^l / q`.
//! Relative entropies of coefficients and layers add up, and Pinsker's inequality gives the distance: `sqrt(2 outputs
//! E[e^2] 2^l / (q w))` for a layer, and the root of the sum of squares for a program.
//! * [`Figure::distance`]: `e` is the noise of the encryption of zero alone. It goes with the randomness that hides the
//!   weights in `a'`; without it the functionality's coins depend on the inputs, the weights and the request's noise
//!   only.
//! * [`Figure::coins`]: `e` is all of the noise. So little do the coins, and with them the answers, depend on it.

use super::noise::fresh_square;
use super::{Hiding, LinearPlan};
use crate::ty::TypeError;

/// Of one layer in one inference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    pub hiding: Hiding,
    pub outputs: u64,
    /// Distance between the protocol and its ideal functionality.
    pub distance: f64,
    /// Distance between the functionality and one whose coins know nothing of the noise; 0 where there are none.
    pub coins: f64,
}

/// Of one inference of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// Of all layers under full-range masks.
    pub masked: f64,
    /// Of all flooded layers.
    pub flooded: f64,
    pub coins: f64,
}

/// Largest distance of an inference.
pub const MOST: f64 = 1.0 / (1u64 << 40) as f64;
/// Largest distance of the flooded layers of an inference: 2^10 inferences stay below [`MOST`].
pub const MOST_FLOODED: f64 = 1.0 / (1u64 << 50) as f64;

impl Total {
    #[must_use]
    pub fn distance(&self) -> f64 {
        self.masked + self.flooded
    }
}

impl LinearPlan {
    /// What this layer leaves.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let b = &self.budget;
        let outputs = self.layer.lens()[2] as u64;
        let (distance, coins) = match b.hiding {
            Hiding::Flood => (outputs as f64 * b.noise_rms as f64 / f64::from(b.flood_bits).exp2() / 2.0, 0.0),
            Hiding::FullRange => {
                let q: f64 = b.set.primes.iter().map(|&p| p as f64).product();
                let steps = q / f64::from(b.ring_bits).exp2() * f64::from(b.flood_bits).exp2();
                let blurred = |square: f64| (2.0 * outputs as f64 * square / steps).sqrt();
                (blurred(fresh_square(b.set) as f64), blurred((b.noise_rms as f64).powi(2)))
            }
        };
        Figure { hiding: b.hiding, outputs, distance, coins }
    }
}

/// The figures of a program's layers together.
pub fn total<'a>(plans: impl IntoIterator<Item = &'a LinearPlan>) -> Total {
    let mut squares = (0.0, 0.0);
    let mut flooded = 0.0;
    for figure in plans.into_iter().map(LinearPlan::figure) {
        match figure.hiding {
            Hiding::Flood => flooded += figure.distance,
            Hiding::FullRange => {
                squares.0 += figure.distance * figure.distance;
                squares.1 += figure.coins * figure.coins;
            }
        }
    }
    Total { masked: f64::sqrt(squares.0), flooded, coins: f64::sqrt(squares.1) }
}

/// Refuses a program whose layers together exceed [`MOST`] or [`MOST_FLOODED`].
pub fn check(total: &Total) -> Result<(), TypeError> {
    let says = |what: &str, found: f64, most: f64| {
        TypeError::new(format!(
            "{what} leave a statistical distance of 2^{:.1} an inference, more than 2^{:.0}: compile with fewer fraction \
             bits, or split the model",
            found.log2(),
            most.log2()
        ))
    };
    if total.flooded > MOST_FLOODED {
        return Err(says("the flooded ring LWE layers", total.flooded, MOST_FLOODED));
    }
    if total.distance() > MOST {
        return Err(says("the ring LWE layers", total.distance(), MOST));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::ConvGeom;
    use crate::mpc::rlwe::ConvPlan;

    fn plan(ring_bits: u32, hiding: Hiding) -> LinearPlan {
        let geom = ConvGeom {
            n: 1,
            c_in: 16,
            h: 32,
            w: 32,
            c_out: 16,
            kh: 3,
            kw: 3,
            stride: [1, 1],
            pads: [1; 4],
            dilation: [1, 1],
            groups: 1,
        };
        ConvPlan::new(geom, ring_bits, 8, hiding).expect("fits").linear
    }

    /// By another way: the relative entropy of a share's two values, summed over every place of the boundary.
    #[test]
    fn the_figure_of_a_layer_bounds_the_relative_entropy_of_its_shares() {
        // Four uniform values of w = 2^9 each, and errors of a few units, exactly.
        let w = 1usize << 9;
        let mut density = vec![1.0];
        for _ in 0..4 {
            let mut sum = vec![0.0; density.len() + w - 1];
            let mut window = 0.0;
            for (i, s) in sum.iter_mut().enumerate() {
                window += density.get(i).copied().unwrap_or(0.0);
                window -= i.checked_sub(w).map_or(0.0, |j| density[j]);
                *s = window / w as f64;
            }
            density = sum;
        }
        let below: Vec<f64> = density
            .iter()
            .scan(0.0, |f, p| {
                *f += p;
                Some(*f)
            })
            .collect();
        for error in [1usize, 3, 8] {
            let mut entropy = 0.0;
            for t in error..below.len() {
                let (p, q) = (below[t - error], below[t]);
                // Where one of both has less than 2^-20 the sum is over before the edge matters.
                if p > 1e-6 && 1.0 - q > 1e-6 {
                    entropy += p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln();
                }
            }
            let bound = 4.0 * (error * error) as f64 / w as f64;
            assert!(entropy <= bound && entropy > bound / 8.0, "error {error}: {entropy} and {bound}");
        }
    }

    #[test]
    fn masked_layers_add_up_as_squares_and_flooded_ones_as_they_are() {
        let masked = plan(37, Hiding::FullRange);
        let one = masked.figure();
        assert!(one.distance < (-43f64).exp2() && one.distance > 0.0 && one.coins > one.distance);
        let four = total([&masked; 4]);
        assert!((four.masked / one.distance - 2.0).abs() < 1e-9 && four.flooded == 0.0);
        check(&four).expect("within the limits");
        assert!(check(&total(vec![&masked; 10_000_000])).is_err());

        let flooded = plan(37, Hiding::Flood);
        let one = flooded.figure();
        assert!(one.distance <= (-58f64).exp2() && one.coins == 0.0);
        let all = total([&flooded; 256]);
        assert!((all.flooded / one.distance - 256.0).abs() < 1e-9);
        check(&all).expect("within the limits");
        assert!(check(&Total { flooded: 2.0 * MOST_FLOODED, ..Total::default() }).is_err());
    }
}
