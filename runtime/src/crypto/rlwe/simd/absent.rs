//! Processors without vector code here: nothing can be called.

use super::super::ntt::NttTable;
use super::super::ring::Term;

#[derive(Clone, Copy)]
enum Never {}

/// Never constructed.
#[derive(Clone, Copy)]
pub(in super::super) struct Vector(Never);

impl Vector {
    pub(in super::super) fn available() -> impl Iterator<Item = Vector> {
        std::iter::empty()
    }

    pub(in super::super) fn detect() -> Option<Vector> {
        Vector::available().next()
    }

    pub(in super::super) fn forward(self, _table: &NttTable, _a: &mut [u64]) {
        match self.0 {}
    }

    pub(in super::super) fn inverse(self, _table: &NttTable, _a: &mut [u64]) {
        match self.0 {}
    }

    pub(in super::super) fn accumulate(self, _sums: [(&mut [u64], &mut [u64]); 2], _terms: &[Term<'_>]) {
        match self.0 {}
    }

    pub(in super::super) fn finish(self, _table: &NttTable, _low: &[u64], _high: &[u64], _out: &mut [u64]) -> bool {
        match self.0 {}
    }
}
