//! Files that one party gives the other, or that a user downloads: `.pi`, `.piw`, `.npy`, `.npz`; and a server's pair
//! of program and weights.

use super::small::{Small, small};
use picc_ir::npy::{NpyArray, write_f32, write_i64};
use picc_ir::program::{MAGIC, VERSION};
use picc_ir::verify::who_learns;
use picc_ir::weights::{Salt, check_weights, open_weights, read_weights, write_weights};
use picc_ir::{Graph, Program};
use picc_passes::Linear;
use picc_runtime::exec::{Executable, ServerModel};
use picc_runtime::inputs::read_npz;
use std::sync::OnceLock;

/// `model.pi`. The bytes are tried as they are, and as the body of a file whose digest is right.
///
/// # Panics
/// If an accepted program has no price, no text form, or another byte string.
pub fn program(data: &[u8]) -> bool {
    let mut accepted = false;
    for bytes in [data, &sealed(data)] {
        let Ok(program) = Program::from_bytes(bytes) else { continue };
        assert_eq!(program.to_bytes(), bytes, "one program, one byte string");
        let text = program.graph.to_string();
        assert_eq!(text.parse::<Graph>().as_ref(), Ok(&program.graph), "{text}");
        let _ = who_learns(&program.graph);
        // Programs without a price are refused here, with a reason.
        accepted |= Executable::new(program).is_ok();
    }
    accepted
}

/// A program file with this body, and a digest that fits.
#[must_use]
pub fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(body);
    let digest = blake3::hash(&bytes);
    bytes.extend(digest.as_bytes());
    bytes
}

/// `model.piw`.
///
/// # Panics
/// If accepted weights do not survive a round trip.
pub fn weights(data: &[u8]) -> bool {
    static SMALL: OnceLock<Small> = OnceLock::new();
    let small = SMALL.get_or_init(|| small(Linear::Ot, true));
    let Ok((weights, digest, salt)) = read_weights(data) else { return false };
    let again = read_weights(&write_weights(&weights, digest, &salt)).map(|(w, d, s)| (w, d, s.0));
    assert_eq!(again, Ok((weights.clone(), digest, salt.0)));
    let fits = check_weights(&small.program, &weights).is_ok() && digest == small.program.digest();
    assert_eq!(open_weights(data, &small.program).is_ok(), fits);
    true
}

/// Memory for weights that a server transforms at the start.
const PREPARED: u64 = 16 << 20;

/// `model.pi` and `model.piw` together, as a server loads them: two bytes with the length of the program's body, the
/// body, a weights file. The digests are made to fit.
pub fn model(data: &[u8]) -> bool {
    let &[low, high, ref rest @ ..] = data else { return false };
    let (body, weights) = rest.split_at(usize::from(u16::from_le_bytes([low, high])).min(rest.len()));
    let Ok(program) = Program::from_bytes(&sealed(body)) else { return false };
    let (digest, Ok((weights, _, salt))) = (program.digest(), read_weights(weights)) else { return false };
    let Ok(exe) = Executable::new(program) else { return false };
    ServerModel::load(&exe, &write_weights(&weights, digest, &salt), PREPARED).is_ok()
}

/// Small models of both linear protocols, for [`model`].
#[must_use]
pub fn model_seeds() -> Vec<Vec<u8>> {
    let models = [(Linear::Ot, true), (Linear::Rlwe, true), (Linear::Rlwe, false)].map(|(l, e)| small(l, e));
    let seed = |small: &Small| {
        let file = small.program.to_bytes();
        let body = &file[16..file.len() - 32];
        let weights = write_weights(&small.weights, small.program.digest(), &Salt([9; 32]));
        [&(body.len() as u16).to_le_bytes()[..], body, &weights].concat()
    };
    models.iter().map(seed).collect()
}

/// An array, or an archive of arrays, that a user brings.
///
/// # Panics
/// If an accepted array does not survive a round trip.
pub fn npy(data: &[u8]) -> bool {
    if let Ok(arrays) = read_npz(data) {
        return arrays.values().filter(|array| npy(array)).count() > 0;
    }
    let Ok(array) = NpyArray::parse(data) else { return false };
    let (reals, integers) = (array.to_f32(), array.to_i64());
    assert_eq!((reals.data.len(), integers.data.len()), (array.len(), array.len()));
    let again = write_f32(&reals);
    let again = NpyArray::parse(&again).expect("written arrays can be read").to_f32();
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
    assert_eq!((again.shape, bits(&again.data)), (reals.shape, bits(&reals.data)));
    let again = write_i64(&integers);
    assert_eq!(NpyArray::parse(&again).expect("written arrays can be read").to_i64(), integers);
    true
}
