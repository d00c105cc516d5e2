//! Processors without the wide instructions: nothing here can be called.

use super::Wide;
use crate::crypto::Block;

#[derive(Clone, Copy)]
pub(super) enum Proof {}

/// Never constructed.
pub(crate) struct RoundKeys(Proof);

impl Wide {
    pub(crate) fn detect() -> Option<Wide> {
        None
    }

    pub(crate) fn expand(self, _key: Block) -> RoundKeys {
        match self.0 {}
    }

    pub(crate) fn stream(self, _keys: &RoundKeys, _counter: u64, _out: &mut [Block]) {
        match self.0 {}
    }

    pub(crate) fn mmo(self, _keys: &RoundKeys, _offset: Block, _blocks: &mut [Block]) {
        match self.0 {}
    }

    pub(crate) fn sums(
        self,
        _field_bits: usize,
        _keys: &[RoundKeys],
        _counter: u64,
        _all: &mut [Block],
        _bits: &mut [&mut [Block]],
    ) {
        match self.0 {}
    }

    pub(crate) fn transpose(self, _columns: &[Block], _stride: usize, _rows: &mut [Block]) {
        match self.0 {}
    }
}

impl RoundKeys {
    #[must_use]
    pub(crate) fn starting_at(self, _base: Block) -> RoundKeys {
        match self.0 {}
    }
}
