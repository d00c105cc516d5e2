//! Processors without vector code here: nothing can be called.

use crate::crypto::Block;

#[derive(Clone, Copy)]
enum Never {}

/// Never constructed.
#[derive(Clone, Copy)]
pub(crate) struct Cipher(Never);

/// Never constructed.
pub(crate) struct RoundKeys(Never);

impl zeroize::ZeroizeOnDrop for RoundKeys {}

/// Never constructed.
#[derive(Clone, Copy)]
pub(crate) struct Turner(Never);

impl Cipher {
    pub(crate) fn available() -> impl Iterator<Item = Cipher> {
        std::iter::empty()
    }

    pub(crate) fn detect() -> Option<Cipher> {
        Cipher::available().next()
    }

    pub(crate) fn expand(self, _key: Block) -> RoundKeys {
        match self.0 {}
    }

    pub(crate) fn derive(self, _keys: &RoundKeys, _number: u64) -> RoundKeys {
        match self.0 {}
    }

    pub(crate) fn stream(self, _keys: &RoundKeys, _counter: u64, _out: &mut [Block]) {
        match self.0 {}
    }

    pub(crate) fn mmo(self, _keys: &RoundKeys, _offset: Block, _blocks: &mut [Block]) {
        match self.0 {}
    }

    pub(crate) fn mmo_bits(self, _keys: &RoundKeys, _offset: Block, _blocks: &[Block]) -> Option<[u64; 2]> {
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
}

impl RoundKeys {
    #[must_use]
    pub(crate) fn starting_at(self, _base: Block) -> RoundKeys {
        match self.0 {}
    }
}

impl Turner {
    pub(crate) fn available(_stride: usize) -> impl Iterator<Item = Turner> {
        std::iter::empty()
    }

    pub(crate) fn transpose(self, _columns: &[Block], _stride: usize, _rows: &mut [Block]) {
        match self.0 {}
    }
}

/// What all output blocks of one input have in common.
#[allow(dead_code, reason = "read by vector code only")]
pub(crate) struct Root {
    pub(crate) key: [u32; 8],
    pub(crate) block: [u32; 16],
    pub(crate) len: u32,
    pub(crate) flags: u32,
}

/// Never constructed.
#[derive(Clone, Copy)]
pub(crate) struct OutputBlocks(Never);

impl OutputBlocks {
    pub(crate) fn available() -> impl Iterator<Item = OutputBlocks> {
        std::iter::empty()
    }

    pub(crate) fn detect() -> Option<OutputBlocks> {
        OutputBlocks::available().next()
    }

    pub(crate) fn eight(self, _root: &Root, _counter: u64, _out: &mut [[[u32; 8]; 2]; 8]) {
        match self.0 {}
    }
}
