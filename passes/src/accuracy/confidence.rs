//! How sure the loss of accuracy is, and in which order programs are tested so that choosing among them keeps that.
//!
//! Both models are asked about the same samples, so only samples count on which they differ. For sample `i` let `d_i`
//! be 1 or 0 as the model over the reals is right, minus the share of draws in which the program is. The loss on other
//! samples of the same kind is the mean of `d_i`, and its upper bound `mean + z sqrt(sum (d_i - mean)^2 + 1) / n`: one
//! difference is added, so that none seen is not none assumed (after Agresti and Min, 2005).
//!
//! Programs are tested from dear to cheap and the first that fails ends the test, so that the statement about the last
//! one that held is as sure as one test is, however many there were (fixed-sequence testing: Maurer, Hothorn and
//! Lehmacher, 1995; Angelopoulos et al., Learn then Test, 2021).

/// A loss of accuracy, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Loss {
    pub points: f64,
    /// Not exceeded on other samples, with the confidence asked for.
    pub bound: f64,
}

/// Loss of a program that is right in the share `chosen` of its draws, for `z` standard errors.
pub(super) fn loss(float: &[bool], chosen: &[f64], z: f64) -> Loss {
    let n = float.len().max(1) as f64;
    let lost = || float.iter().zip(chosen).map(|(&f, &c)| f64::from(u8::from(f)) - c);
    let mean = lost().sum::<f64>() / n;
    let squares: f64 = lost().map(|d| (d - mean).powi(2)).sum();
    Loss { points: mean * 100.0, bound: (mean + z * (squares + 1.0).sqrt() / n) * 100.0 }
}

/// Samples below which no loss of up to `points` can be told from none.
pub(super) fn samples_needed(points: f64, z: f64) -> usize {
    if points > 0.0 { (100.0 * z / points).ceil().min(1e9) as usize } else { usize::MAX }
}

/// Standard errors that a normal variable exceeds upwards with probability `tail`.
pub(super) fn standard_errors(tail: f64) -> f64 {
    let (mut low, mut high) = (0.0, 8.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        *(if upper_tail(middle) > tail { &mut low } else { &mut high }) = middle;
    }
    low
}

/// Probability that a normal variable exceeds `z >= 0`, to 1e-7 (Abramowitz and Stegun, 7.1.26).
fn upper_tail(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let terms = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    0.5 * t * terms.iter().fold(0.0, |sum, a| sum * t + a) * (-x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (tail, z) in [(0.5, 0.0), (0.1, 1.2816), (0.05, 1.6449), (0.025, 1.96), (0.005, 2.5758)] {
            assert!((standard_errors(tail) - z).abs() < 1e-4, "{tail}: {}", standard_errors(tail));
        }
    }

    /// Programs whose true loss is just the budget are accepted no more often than the confidence allows.
    #[test]
    fn the_bound_covers_the_true_loss() {
        let mut state = 11u64;
        let mut unit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        for (n, lost, gained, draws) in [(400, 0.01, 0.002, 1), (1000, 0.02, 0.015, 4), (300, 0.05, 0.0, 1)] {
            let z = standard_errors(0.05);
            let (mut missed, trials) = (0, 4000);
            for _ in 0..trials {
                let mut float = Vec::with_capacity(n);
                let mut chosen = Vec::with_capacity(n);
                for _ in 0..n {
                    let kind = unit();
                    float.push(kind >= gained);
                    // A difference shows in every other draw.
                    let differs = kind < lost + gained;
                    let shown = (0..draws).filter(|_| differs && unit() < 0.5).count() as f64 / draws as f64;
                    chosen.push(if kind < gained { shown } else { 1.0 - shown });
                }
                let truth = (lost - gained) * 0.5 * 100.0;
                missed += usize::from(loss(&float, &chosen, z).bound < truth);
            }
            assert!(missed as f64 <= 0.065 * f64::from(trials), "n {n}: missed {missed} of {trials}");
        }
    }

    #[test]
    fn none_seen_is_not_none_assumed() {
        let z = standard_errors(0.05);
        let needed = samples_needed(0.5, z);
        let bound = |n: usize| loss(&vec![true; n], &vec![1.0; n], z).bound;
        assert!(bound(needed) <= 0.5 && bound(needed - 1) > 0.5, "{needed}");
        assert_eq!(samples_needed(0.0, z), usize::MAX);
        assert_eq!(loss(&[true, false], &[0.5, 0.0], 0.0), Loss { points: 25.0, bound: 25.0 });
    }
}
