//! The extendable output of keyed BLAKE3 on an input of one block.
//!
//! The registry's crate makes one output block at a time unless the processor has AVX-512; with AVX2 alone eight at a
//! time are made here.

use super::simd::{OutputBlocks, Root};

/// Bytes of a chunk of output.
pub(crate) const CHUNK: usize = 8192;
/// Bytes of eight blocks.
const EIGHT: usize = 512;

/// `CHUNK_START`, `CHUNK_END`, `ROOT` and `KEYED_HASH` of the specification.
const FLAGS: u32 = 1 | 2 | 8 | 16;

/// Where the output stands.
pub(crate) struct Xof(Form);

enum Form {
    Portable(blake3::OutputReader),
    Vector { isa: OutputBlocks, root: Root, counter: u64 },
}

impl Xof {
    /// `input` has at most 64 bytes.
    pub(crate) fn new(key: &[u8; 32], input: &[u8]) -> Xof {
        Xof::with(OutputBlocks::detect(), key, input)
    }

    fn with(isa: Option<OutputBlocks>, key: &[u8; 32], input: &[u8]) -> Xof {
        assert!(input.len() <= 64, "one block");
        Xof(match isa {
            Some(isa) => {
                let mut block = [0; 64];
                block[..input.len()].copy_from_slice(input);
                let root = Root { key: words(key), block: words(&block), len: input.len() as u32, flags: FLAGS };
                Form::Vector { isa, root, counter: 0 }
            }
            None => Form::Portable(blake3::Hasher::new_keyed(key).update(input).finalize_xof()),
        })
    }

    /// The next bytes.
    pub(crate) fn fill(&mut self, out: &mut [u8; CHUNK]) {
        match &mut self.0 {
            Form::Portable(reader) => reader.fill(out),
            Form::Vector { isa, root, counter } => {
                for out in out.as_chunks_mut::<EIGHT>().0 {
                    let mut blocks = [[[0; 8]; 2]; 8];
                    isa.eight(root, *counter, &mut blocks);
                    *counter += 8;
                    for (to, word) in
                        out.as_chunks_mut::<4>().0.iter_mut().zip(blocks.as_flattened().as_flattened())
                    {
                        *to = word.to_le_bytes();
                    }
                }
            }
        }
    }
}

fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut out = [0; N];
    for (word, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_and_portable_output_agree() {
        let key = std::array::from_fn(|i| (7 * i + 1) as u8);
        let input: [u8; 64] = std::array::from_fn(|i| (255 - 3 * i) as u8);
        for isa in OutputBlocks::available() {
            for len in [0, 1, 28, 63, 64] {
                let (mut a, mut b) =
                    (Xof::with(Some(isa), &key, &input[..len]), Xof::with(None, &key, &input[..len]));
                for chunk in 0..3 {
                    let (mut x, mut y) = ([0; CHUNK], [0; CHUNK]);
                    a.fill(&mut x);
                    b.fill(&mut y);
                    assert!(x == y, "{len} bytes, chunk {chunk}");
                }
            }
            // A counter of more than 32 bits.
            let counter = (1 << 32) - 4;
            let mut reader = blake3::Hasher::new_keyed(&key).update(&input[..28]).finalize_xof();
            reader.set_position(counter * 64);
            let mut expect = [0; EIGHT];
            reader.fill(&mut expect);
            let Form::Vector { isa, root, .. } = Xof::with(Some(isa), &key, &input[..28]).0 else {
                panic!("not the vector form")
            };
            let mut blocks = [[[0; 8]; 2]; 8];
            isa.eight(&root, counter, &mut blocks);
            let got: Vec<u8> = blocks.as_flattened().as_flattened().iter().flat_map(|w| w.to_le_bytes()).collect();
            assert!(got == expect);
        }
    }
}
