//! Sums over calibration activations: from them every fit of a channel and its error follow, without a second run.

use super::sites::Site;
use super::{Model, Sample};
use crate::error::{CompileError, Result};
use picc_ir::Tensor;
use picc_ir::eval::run_real;
use rayon::prelude::*;

/// Sums of one channel's pre-activation `x` and of what it is fitted to, `y`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    /// `x^0` to `x^4`
    x: [f64; 5],
    y: f64,
    xy: f64,
    xxy: f64,
    yy: f64,
}

/// A fitted line: `slope x + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub slope: f64,
    pub offset: f64,
}

/// A fitted parabola: `c2 x^2 + c1 x + c0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Parabola {
    pub c2: f64,
    pub c1: f64,
    pub c0: f64,
}

impl Moments {
    pub fn add(&mut self, x: f64, y: f64) {
        let xx = x * x;
        for (slot, v) in self.x.iter_mut().zip([1.0, x, xx, xx * x, xx * xx]) {
            *slot += v;
        }
        self.y += y;
        self.xy += x * y;
        self.xxy += xx * y;
        self.yy += y * y;
    }

    fn join(&mut self, o: &Moments) {
        self.x.iter_mut().zip(o.x).for_each(|(a, b)| *a += b);
        self.y += o.y;
        self.xy += o.xy;
        self.xxy += o.xxy;
        self.yy += o.yy;
    }

    /// Sum of squares of what is fitted.
    pub fn size(&self) -> f64 {
        self.yy
    }

    /// Squared error of `y = x`.
    pub fn identity_error(&self) -> f64 {
        (self.x[2] - 2.0 * self.xy + self.yy).max(0.0)
    }

    /// Squared error of `y = 0`.
    pub fn zero_error(&self) -> f64 {
        self.yy
    }

    /// The best line and its squared error.
    pub fn line(&self) -> (Line, f64) {
        let n = self.x[0].max(1.0);
        let variance = self.x[2] - self.x[1] * self.x[1] / n;
        let covariance = self.xy - self.x[1] * self.y / n;
        // A channel that does not vary has no slope.
        let slope = if variance > 1e-12 * self.x[2] { covariance / variance } else { 0.0 };
        let offset = (self.y - slope * self.x[1]) / n;
        let error = (self.yy - self.y * self.y / n - slope * covariance).max(0.0);
        (Line { slope, offset }, error)
    }

    /// The best parabola and its squared error, if it opens upwards and is curved where the values are.
    pub fn parabola(&self) -> Option<(Parabola, f64)> {
        let n = self.x[0].max(1.0);
        let mean = self.x[1] / n;
        let deviation = (self.x[2] / n - mean * mean).max(0.0).sqrt();
        if deviation <= 1e-6 * mean.abs() || deviation == 0.0 {
            return None;
        }
        // In t = (x - mean) / deviation the normal equations are well conditioned: 1 and t are orthogonal.
        let m = [self.x[0], self.x[1], self.x[2], self.x[3], self.x[4]].map(|v| v / n);
        let t3 = (m[3] - 3.0 * mean * m[2] + 2.0 * mean.powi(3)) / deviation.powi(3);
        let t4 = (m[4] - 4.0 * mean * m[3] + 6.0 * mean * mean * m[2] - 3.0 * mean.powi(4)) / deviation.powi(4);
        let (y, xy, xxy) = (self.y / n, self.xy / n, self.xxy / n);
        let ty = (xy - mean * y) / deviation;
        let tty = (xxy - 2.0 * mean * xy + mean * mean * y) / (deviation * deviation);
        // The part of t^2 that is orthogonal to 1 and t.
        let norm = t4 - 1.0 - t3 * t3;
        if norm <= 1e-9 {
            return None;
        }
        let q2 = (tty - y - t3 * ty) / norm;
        let q1 = ty - q2 * t3;
        let q0 = y - q2;
        let error = n * (self.yy / n - y * y - ty * ty - q2 * q2 * norm);
        let c2 = q2 / (deviation * deviation);
        let c1 = q1 / deviation - 2.0 * c2 * mean;
        let c0 = q0 - q1 * mean / deviation + c2 * mean * mean;
        // Nearly straight: as a square it would be the difference of large numbers.
        (q2 > 0.02 * q1.abs().max(f64::MIN_POSITIVE)).then_some((Parabola { c2, c1, c0 }, error.max(0.0)))
    }
}

/// Moments of each channel of each site, with `y = relu(x)`.
pub(super) fn collect(model: &Model, sites: &[Site], samples: &[Sample]) -> Result<Vec<Vec<Moments>>> {
    let empty = || -> Vec<Vec<Moments>> { sites.iter().map(|s| vec![Moments::default(); s.channels]).collect() };
    let mut of_node: Vec<Vec<usize>> = vec![Vec::new(); model.graph.nodes.len()];
    sites.iter().enumerate().for_each(|(i, s)| of_node[s.input.index()].push(i));
    let one = |sample: &Sample| -> Result<Vec<Vec<Moments>>> {
        let mut sums = empty();
        run_real(&model.graph, sample, &model.weights, &mut |id, value| {
            for &i in &of_node[id.index()] {
                let inner: usize = value.shape[sites[i].axis + 1..].iter().product();
                for (k, block) in value.data.chunks_exact(inner.max(1)).enumerate() {
                    let channel = &mut sums[i][k % sites[i].channels];
                    block.iter().for_each(|&x| channel.add(f64::from(x), f64::from(x.max(0.0))));
                }
            }
        })
        .map_err(|e| CompileError::Internal(e.to_string()))?;
        Ok(sums)
    };
    let runs: Vec<Result<Vec<Vec<Moments>>>> = samples.par_iter().map(one).collect();
    let mut all = empty();
    for run in runs {
        for (site, more) in all.iter_mut().zip(run?) {
            site.iter_mut().zip(&more).for_each(|(a, b)| a.join(b));
        }
    }
    Ok(all)
}

/// Moments of each channel, with `x` and `relu` of what `x` was in another network.
pub(super) fn of_pairs<'t>(
    site: &Site,
    pairs: impl Iterator<Item = (&'t Tensor<f32>, &'t Tensor<f32>)>,
) -> Vec<Moments> {
    let mut sums = vec![Moments::default(); site.channels];
    for (x, was) in pairs {
        let inner: usize = x.shape[site.axis + 1..].iter().product();
        for (i, (&x, &was)) in x.data.iter().zip(&was.data).enumerate() {
            sums[i / inner.max(1) % site.channels].add(f64::from(x), f64::from(was.max(0.0)));
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    fn fitted(seed: u64, f: impl Fn(f64) -> f64) -> (Moments, Vec<f64>) {
        let mut rng = Rng(seed);
        let xs: Vec<f64> = (0..500).map(|_| f64::from(rng.real(2.0)) + 0.7).collect();
        let mut m = Moments::default();
        xs.iter().for_each(|&x| m.add(x, f(x)));
        (m, xs)
    }

    #[test]
    fn the_parabola_is_exact_on_parabolas_and_the_line_on_lines() {
        let mut rng = Rng(9);
        for seed in 0..50 {
            let [c2, c1, c0] = [0.2 + f64::from(rng.real(0.1)), f64::from(rng.real(1.0)), f64::from(rng.real(1.0))];
            let (m, _) = fitted(seed, |x| (c2 * x + c1) * x + c0);
            let (p, error) = m.parabola().unwrap_or_else(|| panic!("seed {seed}"));
            assert!((p.c2 - c2).abs() + (p.c1 - c1).abs() + (p.c0 - c0).abs() < 1e-9, "seed {seed}: {p:?}");
            assert!(error < 1e-9 * m.size(), "seed {seed}");
            let (m, _) = fitted(seed, |x| c1 * x + c0);
            let (l, error) = m.line();
            assert!((l.slope - c1).abs() + (l.offset - c0).abs() < 1e-10 && error < 1e-9, "seed {seed}");
            assert!(m.parabola().is_none(), "seed {seed}: a line is no parabola");
        }
    }

    #[test]
    fn errors_are_those_of_the_fits() {
        for seed in 0..20 {
            let (m, xs) = fitted(seed, |x| x.max(0.0));
            let measured =
                |f: &dyn Fn(f64) -> f64| -> f64 { xs.iter().map(|&x| (f(x) - x.max(0.0)).powi(2)).sum() };
            let (l, line) = m.line();
            let (p, parabola) = m.parabola().unwrap();
            let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-8 * m.size(), "seed {seed}: {a} {b}");
            close(line, measured(&|x| l.slope * x + l.offset));
            close(parabola, measured(&|x| (p.c2 * x + p.c1) * x + p.c0));
            close(m.identity_error(), measured(&|x| x));
            close(m.zero_error(), measured(&|_| 0.0));
            assert!(parabola < line && line < m.identity_error());
        }
    }

    #[test]
    fn a_constant_channel_is_a_constant() {
        let mut m = Moments::default();
        (0..10).for_each(|_| m.add(-3.0, 0.0));
        let (line, error) = m.line();
        assert_eq!((line, error), (Line { slope: 0.0, offset: 0.0 }, 0.0));
        assert!(m.parabola().is_none());
    }
}
