//! From a program's node to a protocol's arguments: each protocol says beside itself how its operator calls it.

use crate::error::{Error, Result};
use crate::session::Session;
use picc_ir::mpc::node_cost::Part;
use picc_ir::{Fixed, Ty};
use std::sync::Arc;

/// A part of a node, with this party's arguments.
pub(crate) struct Call<'a> {
    /// Shares, or values that this party knows; `None` is the other party's.
    pub args: &'a [Option<Arc<Vec<u64>>>],
    pub tys: &'a [&'a Ty],
    /// Of the node.
    pub ty: &'a Ty,
    /// The units that are run now.
    pub part: Part,
}

/// An operator whose protocol runs in parts.
pub(super) trait Run {
    /// This party's share of the part's elements.
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>>;
}

impl Call<'_> {
    /// Format of argument `i`.
    pub(super) fn format(&self, i: usize) -> Result<Fixed> {
        fixed(self.tys[i])
    }

    /// Bits of the first argument's ring.
    pub(super) fn ring(&self) -> Result<u8> {
        Ok(self.format(0)?.ring_bits)
    }

    /// Argument `i` as a whole, if it is this party's.
    pub(super) fn own(&self, i: usize) -> Option<&[u64]> {
        self.args[i].as_ref().map(|v| v.as_slice())
    }

    /// Argument `i` as a whole.
    pub fn whole(&self, i: usize) -> Result<&[u64]> {
        self.own(i).ok_or_else(|| Error::Bug("a share was expected".into()))
    }

    /// The part's units of argument `i`, each of `len` elements.
    pub(super) fn units(&self, i: usize, len: usize) -> Result<&[u64]> {
        let (start, end) = (self.part.start as usize * len, (self.part.start + self.part.units) as usize * len);
        self.whole(i)?.get(start..end).ok_or_else(|| Error::Bug("a part outside its argument".into()))
    }

    /// The part of argument `i`, element by element.
    pub(super) fn elements(&self, i: usize) -> Result<&[u64]> {
        self.units(i, 1)
    }
}

pub(crate) fn fixed(ty: &Ty) -> Result<Fixed> {
    ty.as_fixed().ok_or_else(|| Error::Bug("a real value in a protocol".into()))
}
