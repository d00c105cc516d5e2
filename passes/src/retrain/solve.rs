//! Small dense linear algebra in f64: symmetric positive definite systems and symmetric eigenproblems.
//!
//! Sizes are those of one layer (a channel count, taps of a kernel), so that the plain algorithms do.

/// A square symmetric matrix, row-major.
#[derive(Clone, Debug)]
pub(super) struct Symmetric {
    pub n: usize,
    pub data: Vec<f64>,
}

impl Symmetric {
    pub fn zeros(n: usize) -> Symmetric {
        Symmetric { n, data: vec![0.0; n * n] }
    }

    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.data[i * self.n + j]
    }

    /// Adds `v v^T` to the lower triangle.
    pub fn add_outer(&mut self, v: &[f64]) {
        for (i, row) in self.data.chunks_exact_mut(self.n).enumerate() {
            let a = v[i];
            for (slot, b) in row[..=i].iter_mut().zip(v) {
                *slot += a * b;
            }
        }
    }

    /// The upper triangle becomes the lower one's mirror image.
    pub fn mirror(&mut self) {
        for i in 0..self.n {
            for j in 0..i {
                self.data[j * self.n + i] = self.data[i * self.n + j];
            }
        }
    }

    pub fn trace(&self) -> f64 {
        (0..self.n).map(|i| self.at(i, i)).sum()
    }

    /// The rows and columns of these indices.
    pub fn minor(&self, indices: &[usize]) -> Symmetric {
        let data = indices.iter().flat_map(|&i| indices.iter().map(move |&j| self.at(i, j))).collect();
        Symmetric { n: indices.len(), data }
    }
}

/// Cholesky's factor `L` of `A + ridge I`, `None` if that is not positive definite.
pub(super) fn cholesky(a: &Symmetric, ridge: f64) -> Option<Symmetric> {
    let n = a.n;
    let mut l = Symmetric::zeros(n);
    for i in 0..n {
        for j in 0..=i {
            let (row_i, row_j) = (&l.data[i * n..i * n + j], &l.data[j * n..j * n + j]);
            let dot: f64 = row_i.iter().zip(row_j).map(|(x, y)| x * y).sum();
            let rest = a.at(i, j) - dot;
            if i == j {
                let pivot = rest + ridge;
                if pivot.is_nan() || pivot <= 0.0 {
                    return None;
                }
                l.data[i * n + i] = pivot.sqrt();
            } else {
                l.data[i * n + j] = rest / l.data[j * n + j];
            }
        }
    }
    Some(l)
}

/// `x` with `L L^T x = b`, in place.
pub(super) fn back_substitute(l: &Symmetric, b: &mut [f64]) {
    let n = l.n;
    for i in 0..n {
        let dot: f64 = l.data[i * n..i * n + i].iter().zip(&*b).map(|(x, y)| x * y).sum();
        b[i] = (b[i] - dot) / l.at(i, i);
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|j| l.at(j, i) * b[j]).sum();
        b[i] = (b[i] - dot) / l.at(i, i);
    }
}

/// A factor of `A` with the smallest ridge, relative to its mean diagonal, that makes it positive definite.
pub(super) fn ridged(a: &Symmetric, relative: f64) -> Option<Symmetric> {
    let mean = (a.trace() / a.n.max(1) as f64).max(f64::MIN_POSITIVE);
    (0..8).find_map(|i| cholesky(a, mean * relative * 10f64.powi(2 * i)))
}

/// Eigenvalues, largest first, and eigenvectors (one a row), by Jacobi's rotations.
pub(super) fn eigen(a: &Symmetric) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = a.n;
    let mut m = a.clone();
    let mut v = Symmetric::zeros(n);
    (0..n).for_each(|i| v.data[i * n + i] = 1.0);
    for _ in 0..60 {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| m.at(i, j).powi(2)).sum();
        let diagonal: f64 = (0..n).map(|i| m.at(i, i).powi(2)).sum();
        if off <= diagonal * 1e-28 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut m, &mut v, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| m.at(j, j).total_cmp(&m.at(i, i)));
    let values = order.iter().map(|&i| m.at(i, i)).collect();
    let vectors = order.iter().map(|&i| (0..n).map(|k| v.at(k, i)).collect()).collect();
    (values, vectors)
}

/// Makes element `(p, q)` zero.
fn rotate(m: &mut Symmetric, v: &mut Symmetric, p: usize, q: usize) {
    let n = m.n;
    let apq = m.at(p, q);
    if apq == 0.0 {
        return;
    }
    let theta = (m.at(q, q) - m.at(p, p)) / (2.0 * apq);
    let sign = if theta < 0.0 { -1.0 } else { 1.0 };
    let t = sign / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..n {
        let (a, b) = (m.at(k, p), m.at(k, q));
        m.data[k * n + p] = c * a - s * b;
        m.data[k * n + q] = s * a + c * b;
    }
    for k in 0..n {
        let (a, b) = (m.at(p, k), m.at(q, k));
        m.data[p * n + k] = c * a - s * b;
        m.data[q * n + k] = s * a + c * b;
        let (a, b) = (v.at(k, p), v.at(k, q));
        v.data[k * n + p] = c * a - s * b;
        v.data[k * n + q] = s * a + c * b;
    }
}

/// `A^(-1/2)`, small eigenvalues taken as `floor` times the largest.
pub(super) fn inverse_root(a: &Symmetric, floor: f64) -> Symmetric {
    let (values, vectors) = eigen(a);
    let least = values.first().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE) * floor;
    let mut out = Symmetric::zeros(a.n);
    for (value, vector) in values.iter().zip(&vectors) {
        let scale = value.max(least).powf(-0.25);
        let scaled: Vec<f64> = vector.iter().map(|x| x * scale).collect();
        out.add_outer(&scaled);
    }
    out.mirror();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    fn positive(rng: &mut Rng, n: usize) -> Symmetric {
        let mut a = Symmetric::zeros(n);
        for _ in 0..2 * n {
            let v: Vec<f64> = (0..n).map(|_| f64::from(rng.real(1.0))).collect();
            a.add_outer(&v);
        }
        a.mirror();
        a
    }

    fn times(a: &Symmetric, x: &[f64]) -> Vec<f64> {
        a.data.chunks_exact(a.n).map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
    }

    #[test]
    fn systems_are_solved() {
        let mut rng = Rng(1);
        for n in 1..20 {
            let a = positive(&mut rng, n);
            let x: Vec<f64> = (0..n).map(|_| f64::from(rng.real(1.0))).collect();
            let mut b = times(&a, &x);
            back_substitute(&cholesky(&a, 0.0).unwrap(), &mut b);
            assert!(x.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-7), "n = {n}");
        }
        let mut indefinite = Symmetric::zeros(2);
        indefinite.data = vec![1.0, 2.0, 2.0, 1.0];
        assert!(cholesky(&indefinite, 0.0).is_none());
        assert!(ridged(&Symmetric::zeros(3), 1e-9).is_some());
    }

    #[test]
    fn eigenvectors_and_inverse_roots() {
        let mut rng = Rng(2);
        for n in 1..16 {
            let a = positive(&mut rng, n);
            let (values, vectors) = eigen(&a);
            assert!(values.windows(2).all(|w| w[0] >= w[1]));
            for (value, v) in values.iter().zip(&vectors) {
                let av = times(&a, v);
                assert!(av.iter().zip(v).all(|(x, y)| (x - value * y).abs() < 1e-8), "n = {n}");
            }
            // r a r = 1
            let r = inverse_root(&a, 1e-12);
            for i in 0..n {
                let e: Vec<f64> = (0..n).map(|j| f64::from(u8::from(i == j))).collect();
                let y = times(&r, &times(&a, &times(&r, &e)));
                assert!(y.iter().zip(&e).all(|(x, e)| (x - e).abs() < 1e-7), "n = {n}");
            }
        }
    }
}
