//! Weights: real-valued as imported, integers as compiled. The compiled ones are `model.piw`, a safetensors file
//! that names the digest of the program it belongs to.
//!
//! ```text
//! header length (u64) | header (JSON: dtype, shape and offsets of each tensor) | values, little endian
//! __metadata__: picc.program  = digest of the program
//!               picc.checksum = BLAKE3 of names, shapes, values and salt
//!               picc.salt     = 32 random bytes
//! ```
//! Salt and checksum make the [`Commitment`], by which clients know one version of a model from another. Without the
//! salt, which is as secret as the weights, nobody can test a guess of the weights against it.
//!
//! Each tensor takes the shortest of I8, I16, I32 and I64 that holds its values. Errors never contain a value.

use crate::op::Op;
use crate::program::Program;
use crate::tensor::Tensor;
use crate::ty::Shape;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Weights of an imported model, by name.
pub type RealWeights = BTreeMap<String, Tensor<f32>>;

/// Quantized weights, by the name of their `weight` node.
pub type RingWeights = BTreeMap<String, Tensor<i64>>;

const PROGRAM: &str = "picc.program";
const CHECKSUM: &str = "picc.checksum";
const SALT: &str = "picc.salt";
const METADATA: &str = "__metadata__";

/// 32 random bytes, drawn when the weights are compiled. As secret as the weights.
#[derive(Clone)]
pub struct Salt(pub [u8; 32]);

/// The name of a version of a model's weights: BLAKE3 of salt, program and weights. It is public, says nothing of the
/// weights, and no other weights have it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment([u8; 32]);

impl Commitment {
    /// To weights of the program with this digest.
    #[must_use]
    pub fn to(weights: &RingWeights, program: [u8; 32], salt: &Salt) -> Commitment {
        let mut hash = blake3::Hasher::new_derive_key("picc 2026 commitment to weights");
        hash.update(&salt.0).update(&program).update(&checksum(weights));
        Commitment(*hash.finalize().as_bytes())
    }

    /// As it stands in a handshake.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Commitment {
        Commitment(bytes)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why bytes are not the weights of a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    #[error("not a safetensors file: {0}")]
    Format(String),
    #[error("no valid `{0}` in the metadata: not a picc weights file")]
    Metadata(&'static str),
    #[error("the weights are damaged: their checksum does not match")]
    Checksum,
    #[error("weights of another program: compile the model again, or take the files of one compilation")]
    OtherProgram,
    #[error("weight `{name}` has element type {dtype}")]
    Dtype { name: String, dtype: String },
    #[error("weight `{name}` is missing")]
    Missing { name: String },
    #[error("weight `{name}` is not in the program")]
    Unknown { name: String },
    #[error("weight `{name}` has shape {found:?}, the program needs {expected:?}")]
    Shape { name: String, expected: Shape, found: Shape },
    #[error("weight `{name}` has a value outside its range [{lo}, {hi}]")]
    Range { name: String, lo: i64, hi: i64 },
}

/// The weights file for the program with this digest. The same weights and salt give the same bytes.
#[must_use]
pub fn write_weights(weights: &RingWeights, program: [u8; 32], salt: &Salt) -> Vec<u8> {
    // Longest elements first: every tensor is then aligned to its elements.
    let mut order: Vec<(usize, &String, &Tensor<i64>)> =
        weights.iter().map(|(name, t)| (element_bytes(t), name, t)).collect();
    order.sort_by_key(|&(bytes, name, _)| (std::cmp::Reverse(bytes), name));
    let metadata = json!({ PROGRAM: hex(program), CHECKSUM: hex(sealed(weights, salt)), SALT: hex(salt.0) });
    let mut header = Map::from_iter([(METADATA.to_owned(), metadata)]);
    let mut values: Vec<u8> = Vec::new();
    for (bytes, name, t) in order {
        let start = values.len();
        for v in &t.data {
            values.extend(&v.to_le_bytes()[..bytes]);
        }
        let dtype = format!("I{}", 8 * bytes);
        let entry = json!({ "dtype": dtype, "shape": t.shape.to_vec(), "data_offsets": [start, values.len()] });
        header.insert(name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(values);
    file
}

/// Weights, the digest of the program that they belong to, and their salt.
pub fn read_weights(bytes: &[u8]) -> Result<(RingWeights, [u8; 32], Salt), WeightsError> {
    let format = |e: safetensors::SafeTensorError| WeightsError::Format(e.to_string());
    let metadata = metadata(bytes)?;
    let digest = |key| digest(metadata.as_ref(), key);
    let (program, stated, salt) = (digest(PROGRAM)?, digest(CHECKSUM)?, Salt(digest(SALT)?));
    let mut weights = RingWeights::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(format)?.iter() {
        weights.insert(name.to_owned(), tensor(name, &view)?);
    }
    if sealed(&weights, &salt) != stated {
        return Err(WeightsError::Checksum);
    }
    Ok((weights, program, salt))
}

/// Names, shapes and ranges are those of the program's `weight` nodes.
pub fn check_weights(program: &Program, weights: &RingWeights) -> Result<(), WeightsError> {
    let mut expected = BTreeMap::new();
    for node in &program.graph.nodes {
        if let Op::Weight(weight) = &node.op {
            expected.insert(&weight.name, &weight.ty);
        }
    }
    for (&name, ty) in &expected {
        let name = || name.clone();
        let t = weights.get(&name()).ok_or_else(|| WeightsError::Missing { name: name() })?;
        if t.shape != ty.shape || t.data.len() != ty.len() {
            let (expected, found) = (ty.shape.clone(), t.shape.clone());
            return Err(WeightsError::Shape { name: name(), expected, found });
        }
        if let Some(f) = ty.as_fixed().filter(|f| t.data.iter().any(|v| !(f.lo..=f.hi).contains(v))) {
            return Err(WeightsError::Range { name: name(), lo: f.lo, hi: f.hi });
        }
    }
    match weights.keys().find(|name| !expected.contains_key(name)) {
        Some(name) => Err(WeightsError::Unknown { name: name.clone() }),
        None => Ok(()),
    }
}

/// Reads the weights of `program`: the digest, [`read_weights`], and [`check_weights`].
pub fn open_weights(bytes: &[u8], program: &Program) -> Result<(RingWeights, Salt), WeightsError> {
    // First, so that weights of another version are called that, whatever else they lack.
    if digest(metadata(bytes)?.as_ref(), PROGRAM)? != program.digest() {
        return Err(WeightsError::OtherProgram);
    }
    let (weights, _, salt) = read_weights(bytes)?;
    check_weights(program, &weights).map(|()| (weights, salt))
}

fn metadata(bytes: &[u8]) -> Result<Option<HashMap<String, String>>, WeightsError> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| WeightsError::Format(e.to_string()))?;
    Ok(header.metadata().clone())
}

fn digest(metadata: Option<&HashMap<String, String>>, key: &'static str) -> Result<[u8; 32], WeightsError> {
    metadata.and_then(|m| m.get(key)).and_then(|text| unhex(text)).ok_or(WeightsError::Metadata(key))
}

/// Bytes of the shortest element type that holds every value.
fn element_bytes(t: &Tensor<i64>) -> usize {
    let widest = t.data.iter().map(|&v| 65 - (v ^ (v >> 63)).leading_zeros()).max().unwrap_or(1);
    match widest {
        0..=8 => 1,
        9..=16 => 2,
        17..=32 => 4,
        _ => 8,
    }
}

fn tensor(name: &str, view: &TensorView<'_>) -> Result<Tensor<i64>, WeightsError> {
    let data = view.data();
    let data: Vec<i64> = match view.dtype() {
        Dtype::I8 => data.iter().map(|&b| i64::from(b.cast_signed())).collect(),
        Dtype::I16 => data.as_chunks().0.iter().map(|b| i64::from(i16::from_le_bytes(*b))).collect(),
        Dtype::I32 => data.as_chunks().0.iter().map(|b| i64::from(i32::from_le_bytes(*b))).collect(),
        Dtype::I64 => data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
        other => return Err(WeightsError::Dtype { name: name.to_owned(), dtype: format!("{other:?}") }),
    };
    Ok(Tensor { shape: Shape::from_slice(view.shape()), data })
}

/// What finds damage to a file.
fn sealed(weights: &RingWeights, salt: &Salt) -> [u8; 32] {
    *blake3::Hasher::new().update(&checksum(weights)).update(&salt.0).finalize().as_bytes()
}

/// Of names, shapes and values.
fn checksum(weights: &RingWeights) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    let number = |hash: &mut blake3::Hasher, v: usize| {
        hash.update(&(v as u64).to_le_bytes());
    };
    for (name, t) in weights {
        number(&mut hash, name.len());
        hash.update(name.as_bytes());
        number(&mut hash, t.shape.len());
        t.shape.iter().for_each(|&d| number(&mut hash, d));
        t.data.iter().for_each(|v| {
            hash.update(&v.to_le_bytes());
        });
    }
    *hash.finalize().as_bytes()
}

fn hex(digest: [u8; 32]) -> String {
    blake3::Hash::from_bytes(digest).to_hex().to_string()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    blake3::Hash::from_hex(text).ok().map(|hash| *hash.as_bytes())
}
