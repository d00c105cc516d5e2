//! NumPy's `.npy` format: reads any C- or Fortran-ordered numeric array, writes `f32` and `i64`.
//!
//! ```text
//! \x93NUMPY  major minor  header length (u16 or u32, little endian)  {'descr': '<f4', ...}\n  values
//! ```
//!
//! Input is untrusted: nothing is allocated that the given bytes do not back.

use crate::tensor::{Tensor, strides};
use crate::ty::Shape;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// More axes than numpy itself allows are refused.
const MAX_RANK: usize = 32;

/// Why bytes are not a readable `.npy` array.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NpyError {
    #[error("not a .npy file (the first bytes are not \\x93NUMPY): numpy.save writes one")]
    Magic,
    #[error(".npy version {0} is not supported (1, 2 and 3 are)")]
    Version(u8),
    #[error("the .npy header is cut short or malformed: {0}")]
    Header(&'static str),
    #[error("element type `{0}` is not supported (bool, integers and floats of up to 64 bits are)")]
    Dtype(String),
    #[error("records with named fields are not supported: numpy.lib.recfunctions.structured_to_unstructured(x)")]
    Records,
    #[error("the array needs {needed} bytes, the file holds {held}: it is not whole")]
    Truncated { needed: usize, held: usize },
    #[error("the shape overflows")]
    Shape,
}

/// The element types that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
}

impl Dtype {
    /// Bytes of one element.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Dtype::Bool | Dtype::U8 | Dtype::I8 => 1,
            Dtype::U16 | Dtype::I16 | Dtype::F16 => 2,
            Dtype::U32 | Dtype::I32 | Dtype::F32 => 4,
            Dtype::U64 | Dtype::I64 | Dtype::F64 => 8,
        }
    }

    /// Whether elements are integers (or booleans).
    #[must_use]
    pub fn is_integer(self) -> bool {
        !matches!(self, Dtype::F16 | Dtype::F32 | Dtype::F64)
    }

    fn parse(code: &str) -> Option<Dtype> {
        Some(match code {
            "b1" => Dtype::Bool,
            "u1" => Dtype::U8,
            "i1" => Dtype::I8,
            "u2" => Dtype::U16,
            "i2" => Dtype::I16,
            "u4" => Dtype::U32,
            "i4" => Dtype::I32,
            "u8" => Dtype::U64,
            "i8" => Dtype::I64,
            "f2" => Dtype::F16,
            "f4" => Dtype::F32,
            "f8" => Dtype::F64,
            _ => return None,
        })
    }
}

/// An array whose header was read and whose values are still the file's bytes.
#[derive(Clone, Debug)]
pub struct NpyArray<'a> {
    pub shape: Shape,
    pub dtype: Dtype,
    big_endian: bool,
    fortran: bool,
    bytes: &'a [u8],
}

impl<'a> NpyArray<'a> {
    /// Reads the header and checks that the values are all there.
    pub fn parse(file: &'a [u8]) -> Result<NpyArray<'a>, NpyError> {
        let rest = file.strip_prefix(MAGIC).ok_or(NpyError::Magic)?;
        let &[major, _minor, ..] = rest else { return Err(NpyError::Header("no version")) };
        let (length, start): (usize, usize) = match (major, &rest[2..]) {
            (1, &[a, b, ..]) => (usize::from(u16::from_le_bytes([a, b])), 4),
            (2 | 3, &[a, b, c, d, ..]) => (u32::from_le_bytes([a, b, c, d]) as usize, 6),
            (1..=3, _) => return Err(NpyError::Header("no length")),
            _ => return Err(NpyError::Version(major)),
        };
        let end = start.checked_add(length).filter(|&e| e <= rest.len()).ok_or(NpyError::Header("cut short"))?;
        let header = std::str::from_utf8(&rest[start..end]).map_err(|_| NpyError::Header("not text"))?;
        let (descr, fortran, shape) = parse_header(header)?;
        let (big_endian, code) = match descr.split_at_checked(1) {
            Some((">", code)) => (true, code),
            Some(("<" | "|" | "=", code)) => (false, code),
            _ => (false, descr),
        };
        let dtype = Dtype::parse(code).ok_or_else(|| NpyError::Dtype(descr.to_owned()))?;
        let needed =
            shape.iter().try_fold(dtype.size(), |product, &d| product.checked_mul(d)).ok_or(NpyError::Shape)?;
        let values = &rest[end..];
        let bytes = values.get(..needed).ok_or(NpyError::Truncated { needed, held: values.len() })?;
        Ok(NpyArray { shape, dtype, big_endian, fortran, bytes })
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Values as `f32`, row-major. Large integers and `f64` are rounded.
    #[must_use]
    pub fn to_f32(&self) -> Tensor<f32> {
        self.collect(|raw| match self.dtype {
            Dtype::F16 => half_to_f32(bits(raw) as u16),
            Dtype::F32 => f32::from_bits(bits(raw) as u32),
            Dtype::F64 => f64::from_bits(bits(raw)) as f32,
            Dtype::U64 => bits(raw) as f32,
            _ => integer(self.dtype, bits(raw)) as f32,
        })
    }

    /// Values as `i64`, row-major. Floats are truncated towards zero and saturate; `u64` wraps.
    #[must_use]
    pub fn to_i64(&self) -> Tensor<i64> {
        self.collect(|raw| match self.dtype {
            Dtype::F16 => half_to_f32(bits(raw) as u16) as i64,
            Dtype::F32 => f32::from_bits(bits(raw) as u32) as i64,
            Dtype::F64 => f64::from_bits(bits(raw)) as i64,
            _ => integer(self.dtype, bits(raw)),
        })
    }

    /// Elements in row-major order; `value` gets the bytes of one of them, least significant first.
    fn collect<T: Clone>(&self, value: impl Fn(&[u8]) -> T) -> Tensor<T> {
        let size = self.dtype.size();
        let read = |i: usize| {
            let mut raw = [0u8; 8];
            raw[..size].copy_from_slice(&self.bytes[i * size..(i + 1) * size]);
            if self.big_endian {
                raw[..size].reverse();
            }
            value(&raw[..size])
        };
        let n = self.len();
        let data = if self.fortran && n > 0 {
            let row_major = strides(&self.shape);
            // Fortran order: the first axis is the fastest.
            let mut step = 1;
            let column_major: Vec<usize> = self
                .shape
                .iter()
                .map(|&d| {
                    let s = step;
                    step *= d;
                    s
                })
                .collect();
            (0..n)
                .map(|i| {
                    let at =
                        (0..self.shape.len()).map(|a| i / row_major[a] % self.shape[a] * column_major[a]).sum();
                    read(at)
                })
                .collect()
        } else {
            (0..n).map(read).collect()
        };
        Tensor { shape: self.shape.clone(), data }
    }
}

/// A `.npy` file of `f32`.
#[must_use]
pub fn write_f32(t: &Tensor<f32>) -> Vec<u8> {
    let mut out = header("<f4", &t.shape, t.data.len() * 4);
    out.extend(t.data.iter().flat_map(|v| v.to_le_bytes()));
    out
}

/// A `.npy` file of `i64`.
#[must_use]
pub fn write_i64(t: &Tensor<i64>) -> Vec<u8> {
    let mut out = header("<i8", &t.shape, t.data.len() * 8);
    out.extend(t.data.iter().flat_map(|v| v.to_le_bytes()));
    out
}

/// Version 1 header, padded so that the values start at a multiple of 64.
fn header(descr: &str, shape: &[usize], values: usize) -> Vec<u8> {
    let mut dims: String = shape.iter().map(|d| format!("{d}, ")).collect();
    if shape.len() > 1 {
        dims.truncate(dims.len() - 2);
    } else if shape.len() == 1 {
        dims.truncate(dims.len() - 1);
    }
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({dims}), }}");
    let padding = (64 - (MAGIC.len() + 4 + text.len() + 1) % 64) % 64;
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let mut out = Vec::with_capacity(MAGIC.len() + 4 + text.len() + values);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[1, 0]);
    out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    out
}

/// The three entries of the header's Python dictionary.
fn parse_header(text: &str) -> Result<(&str, bool, Shape), NpyError> {
    let after = |key: &'static str, missing: &'static str| {
        let start = text.find(key).ok_or(NpyError::Header(missing))? + key.len();
        text[start..].trim_start().strip_prefix(':').map(str::trim_start).ok_or(NpyError::Header(missing))
    };
    let descr = after("'descr'", "no descr")?;
    let descr = descr.strip_prefix('\'').and_then(|d| d.split_once('\'')).ok_or(NpyError::Records)?.0;
    let order = after("'fortran_order'", "no fortran_order")?;
    let fortran = match (order.starts_with("True"), order.starts_with("False")) {
        (true, _) => true,
        (_, true) => false,
        _ => return Err(NpyError::Header("fortran_order is neither True nor False")),
    };
    let shape = after("'shape'", "no shape")?;
    let dims =
        shape.strip_prefix('(').and_then(|s| s.split_once(')')).ok_or(NpyError::Header("shape is not a tuple"))?.0;
    let shape = dims
        .split(',')
        .map(str::trim)
        .filter(|d| !d.is_empty())
        .map(|d| d.parse::<usize>().map_err(|_| NpyError::Header("an extent is not a number")))
        .collect::<Result<Shape, _>>()?;
    if shape.len() > MAX_RANK {
        return Err(NpyError::Shape);
    }
    Ok((descr, fortran, shape))
}

/// Up to eight little-endian bytes as one word.
fn bits(raw: &[u8]) -> u64 {
    raw.iter().rev().fold(0, |word, &b| word << 8 | u64::from(b))
}

/// Sign-extends the `dtype.size()` low bytes of `word` where the type is signed.
fn integer(dtype: Dtype, word: u64) -> i64 {
    match dtype {
        Dtype::Bool => i64::from(word != 0),
        Dtype::I8 => i64::from(word as u8 as i8),
        Dtype::I16 => i64::from(word as u16 as i16),
        Dtype::I32 => i64::from(word as u32 as i32),
        _ => word as i64,
    }
}

/// IEEE 754 binary16 to binary32; exact.
#[must_use]
pub fn half_to_f32(h: u16) -> f32 {
    let sign = u32::from(h >> 15) << 31;
    let exponent = u32::from(h >> 10 & 0x1f);
    let fraction = u32::from(h & 0x3ff);
    match exponent {
        0 => f32::from_bits(sign) + if sign == 0 { 1.0 } else { -1.0 } * fraction as f32 / (1 << 24) as f32,
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        e => f32::from_bits(sign | (e + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, fortran: &str, shape: &str, values: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&[1, 0]);
        out.extend_from_slice(&(text.len() as u16).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(values);
        out
    }

    #[test]
    fn what_is_written_is_read_back() {
        for shape in [&[][..], &[3], &[2, 3], &[2, 1, 3]] {
            let n = shape.iter().product::<usize>();
            let t = Tensor::new(shape, (0..n).map(|i| i as f32 - 1.5).collect());
            let bytes = write_f32(&t);
            assert_eq!((bytes.len() - n * 4) % 64, 0);
            assert_eq!(NpyArray::parse(&bytes).unwrap().to_f32(), t);
            let t = Tensor::new(shape, (0..n).map(|i| i as i64 - 7).collect());
            assert_eq!(NpyArray::parse(&write_i64(&t)).unwrap().to_i64(), t);
        }
    }

    #[test]
    fn fortran_order_is_transposed() {
        let bytes = file("|u1", "True", "(2, 3)", &[0, 3, 1, 4, 2, 5]);
        let t = NpyArray::parse(&bytes).unwrap().to_i64();
        assert_eq!(t, Tensor::new(&[2, 3], vec![0, 1, 2, 3, 4, 5]));
    }

    #[test]
    fn element_types_keep_their_signs_and_order() {
        let read = |descr: &str, values: &[u8]| {
            NpyArray::parse(&file(descr, "False", "(1,)", values)).unwrap().to_f32().data[0]
        };
        assert_eq!(read("|i1", &[0xff]), -1.0);
        assert_eq!(read("|u1", &[0xff]), 255.0);
        assert_eq!(read("|b1", &[1]), 1.0);
        assert_eq!(read(">i2", &[0xff, 0xfe]), -2.0);
        assert_eq!(read("<u2", &[0xfe, 0xff]), 65534.0);
        assert_eq!(read("<f2", &[0x00, 0x3c]), 1.0);
        assert_eq!(read("<f2", &[0x01, 0x80]), -5.960_464_5e-8);
        assert_eq!(read(">f4", &1.25f32.to_be_bytes()), 1.25);
        assert_eq!(read("<f8", &(-2.5f64).to_le_bytes()), -2.5);
        assert_eq!(read("<i8", &(-3i64).to_le_bytes()), -3.0);
    }

    #[test]
    fn hostile_files_are_refused() {
        assert_eq!(NpyArray::parse(b"PK\x03\x04").unwrap_err(), NpyError::Magic);
        let huge = file("<f4", "False", "(4294967296, 4294967296)", &[]);
        assert_eq!(NpyArray::parse(&huge).unwrap_err(), NpyError::Shape);
        let short = file("<f4", "False", "(4,)", &[0; 15]);
        assert_eq!(NpyArray::parse(&short).unwrap_err(), NpyError::Truncated { needed: 16, held: 15 });
        let object = file("|O", "False", "(1,)", &[0; 8]);
        assert_eq!(NpyArray::parse(&object).unwrap_err(), NpyError::Dtype("|O".to_owned()));
        let good = write_f32(&Tensor::new(&[2, 2], vec![1.0; 4]));
        for end in 0..good.len() {
            assert!(NpyArray::parse(&good[..end]).is_err(), "{end}");
        }
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 0x15;
            let _ = NpyArray::parse(&bad).map(|a| a.to_f32());
        }
    }
}
