//! Where an element of a value lies, as a function of the loops around it.

use crate::kernel::Affine;
use crate::tensor::strides;
use smallvec::SmallVec;
use std::rc::Rc;

/// `offset + sum of coefs[k] * i[k]` over the loops of a nest; missing coefficients are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    pub offset: i64,
    coefs: SmallVec<[i64; 8]>,
}

impl Form {
    pub fn constant(offset: i64) -> Form {
        Form { offset, coefs: SmallVec::new() }
    }

    /// The index of one loop.
    pub fn of_loop(k: usize) -> Form {
        Form::constant(0).with(k, 1)
    }

    fn trimmed(mut self) -> Form {
        while self.coefs.last() == Some(&0) {
            self.coefs.pop();
        }
        self
    }

    pub fn coef(&self, k: usize) -> i64 {
        self.coefs.get(k).copied().unwrap_or(0)
    }

    pub fn with(mut self, k: usize, coef: i64) -> Form {
        self.coefs.resize(self.coefs.len().max(k + 1), 0);
        self.coefs[k] = coef;
        self.trimmed()
    }

    pub fn plus(&self, other: &Form) -> Form {
        let n = self.coefs.len().max(other.coefs.len());
        let coefs = (0..n).map(|k| self.coef(k) + other.coef(k)).collect();
        Form { offset: self.offset + other.offset, coefs }.trimmed()
    }

    pub fn scaled(&self, by: i64) -> Form {
        Form { offset: self.offset * by, coefs: self.coefs.iter().map(|c| c * by).collect() }.trimmed()
    }

    pub fn shifted(&self, by: i64) -> Form {
        Form { offset: self.offset + by, coefs: self.coefs.clone() }
    }

    /// Every part divided by `by`, if all are multiples.
    pub fn divided(&self, by: i64) -> Option<Form> {
        let whole = self.offset % by == 0 && self.coefs.iter().all(|c| c % by == 0);
        whole.then(|| Form { offset: self.offset / by, coefs: self.coefs.iter().map(|c| c / by).collect() })
    }

    /// Smallest and largest value.
    pub fn range(&self, extents: &[u32]) -> (i64, i64) {
        let reach = |k: usize| self.coef(k) * (i64::from(extents[k]) - 1);
        (0..self.coefs.len())
            .map(reach)
            .fold((self.offset, self.offset), |(lo, hi), r| (lo + r.min(0), hi + r.max(0)))
    }

    /// Loops of more than one point that it depends on.
    pub fn active(&self, extents: &[u32]) -> SmallVec<[usize; 8]> {
        (0..self.coefs.len()).filter(|&k| self.coefs[k] != 0 && extents[k] > 1).collect()
    }

    /// The same values after loop `k` became an outer loop and one of `inner` points.
    pub fn split(&self, k: usize, inner: u32) -> Form {
        let mut coefs = self.coefs.clone();
        if k < coefs.len() {
            let c = coefs[k];
            coefs[k] = c * i64::from(inner);
            coefs.insert(k + 1, c);
        }
        Form { offset: self.offset, coefs }
    }

    pub fn affine(&self) -> Affine {
        Affine::new(self.offset, &self.coefs)
    }
}

/// Index along one axis: a form, or the entry of a list at a form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Axis {
    pub form: Form,
    pub list: Option<Rc<Vec<i64>>>,
}

impl From<Form> for Axis {
    fn from(form: Form) -> Axis {
        Axis { form, list: None }
    }
}

/// An element of a value: by its row-major number, or by its index along each axis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Flat(Form),
    Axes(Vec<Axis>),
}

/// Row-major number of an element, with the entry of at most one list (already times its axis's stride) to be added.
pub(super) struct Flat {
    pub form: Form,
    pub list: Option<(Vec<i64>, Form)>,
}

/// `None`: two axes go through lists.
pub(super) fn flat(place: &Place, shape: &[usize]) -> Option<Flat> {
    let axes = match place {
        Place::Flat(form) => return Some(Flat { form: form.clone(), list: None }),
        Place::Axes(axes) => axes,
    };
    let mut flat = Flat { form: Form::constant(0), list: None };
    for (axis, &stride) in axes.iter().zip(&strides(shape)) {
        let stride = stride as i64;
        match &axis.list {
            None => flat.form = flat.form.plus(&axis.form.scaled(stride)),
            Some(_) if flat.list.is_some() => return None,
            Some(list) => flat.list = Some((list.iter().map(|v| v * stride).collect(), axis.form.clone())),
        }
    }
    Some(flat)
}

/// Why a number does not fall apart into an index along each axis.
pub(super) enum Unaligned {
    /// Loop `k` runs over several axes; `inner` of its points are one of them.
    Split {
        k: usize,
        inner: u32,
    },
    Hopeless,
}

/// The index along each axis of the element with this number.
///
/// Each coefficient is written in the mixed radix of the strides; if every digit then stays inside its axis, these are
/// the indices, since they are unique.
pub(super) fn unflattened(form: &Form, shape: &[usize], extents: &[u32]) -> Result<Vec<Axis>, Unaligned> {
    let strides = strides(shape);
    let mut axes: Vec<Form> = vec![Form::constant(0); shape.len()];
    let mut offset = form.offset;
    for (axis, &stride) in axes.iter_mut().zip(&strides) {
        axis.offset = offset / stride as i64;
        offset %= stride as i64;
    }
    for k in form.active(extents) {
        let mut rest = form.coef(k);
        for (axis, &stride) in axes.iter_mut().zip(&strides) {
            let digit = rest / stride as i64;
            rest %= stride as i64;
            if digit != 0 {
                *axis = std::mem::take(axis).with(k, digit);
            }
        }
    }
    let inside = axes.iter().zip(shape).all(|(axis, &d)| {
        let (lo, hi) = axis.range(extents);
        lo >= 0 && hi < d as i64
    });
    if inside {
        return Ok(axes.into_iter().map(Axis::from).collect());
    }
    for k in form.active(extents) {
        let (c, n) = (form.coef(k).abs(), i64::from(extents[k]));
        for &stride in strides.iter().rev() {
            let inner = stride as i64 / c;
            if stride as i64 % c == 0 && inner > 1 && inner < n && n % inner == 0 {
                return Err(Unaligned::Split { k, inner: inner as u32 });
            }
        }
    }
    Err(Unaligned::Hopeless)
}

/// Index of an argument that is broadcast to the result.
pub(super) fn broadcast(axes: &[Axis], from: &[usize], to: &[usize]) -> Vec<Axis> {
    let lead = to.len() - from.len();
    let axis = |(i, &d): (usize, &usize)| {
        if d == to[lead + i] { axes[lead + i].clone() } else { Form::constant(0).into() }
    };
    from.iter().enumerate().map(axis).collect()
}
