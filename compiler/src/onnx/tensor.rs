//! Tensors of a model file: embedded, or in a file beside the model.

use super::known::{Data, Known};
use onnx_protobuf::TensorProto;
use onnx_protobuf::tensor_proto::{DataLocation, DataType};
use picc_ir::npy::half_to_f32;
use picc_ir::{Shape, Tensor};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Where tensors that are stored beside the model are found.
#[derive(Clone, Debug, Default)]
pub struct ExternalData {
    /// Folder of the model; none if the model did not come from a file.
    pub folder: Option<PathBuf>,
}

/// Reads a tensor of at most `limit` elements. `public` as in [`Known`].
pub fn read(proto: &TensorProto, external: &ExternalData, limit: usize, public: bool) -> Result<Known, String> {
    let dtype = DataType::try_from_i32(proto.data_type)?;
    let shape = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| format!("extent {d}")))
        .collect::<Result<Shape, String>>()?;
    let count = shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= limit)
        .ok_or_else(|| format!("shape {:?} has more than {limit} elements", &shape[..]))?;
    let outside;
    let raw: Option<&[u8]> = if proto.data_location.enum_value_or_default() == DataLocation::EXTERNAL {
        outside = read_external(proto, external, byte_length(dtype, count))?;
        Some(&outside)
    } else if proto.raw_data.is_empty() {
        None
    } else {
        Some(&proto.raw_data)
    };
    let data = match dtype {
        DataType::FLOAT | DataType::DOUBLE | DataType::FLOAT16 | DataType::BFLOAT16 => {
            let values = match raw {
                Some(raw) => raw_floats(dtype, raw, count)?,
                None => typed_floats(dtype, proto),
            };
            Data::Float(Arc::new(Tensor { data: exactly(values, count)?, shape }))
        }
        _ => {
            let values = match raw {
                Some(raw) => raw_ints(dtype, raw, count)?,
                None => typed_ints(dtype, proto),
            };
            Data::Int(Arc::new(Tensor { data: exactly(values, count)?, shape }))
        }
    };
    Ok(Known { data, dtype, public, name: proto.name.clone() })
}

/// Element types that can be read.
trait SupportedType: Sized {
    fn try_from_i32(code: i32) -> Result<Self, String>;
}

impl SupportedType for DataType {
    fn try_from_i32(code: i32) -> Result<DataType, String> {
        use protobuf::Enum;
        match DataType::from_i32(code) {
            Some(
                t @ (DataType::FLOAT
                | DataType::DOUBLE
                | DataType::FLOAT16
                | DataType::BFLOAT16
                | DataType::BOOL
                | DataType::UINT8
                | DataType::INT8
                | DataType::UINT16
                | DataType::INT16
                | DataType::UINT32
                | DataType::INT32
                | DataType::UINT64
                | DataType::INT64
                | DataType::UINT4
                | DataType::INT4),
            ) => Ok(t),
            Some(t) => Err(format!("element type {t:?} is not supported")),
            None => Err(format!("element type {code} is not known")),
        }
    }
}

fn exactly<T>(values: Vec<T>, count: usize) -> Result<Vec<T>, String> {
    match values.len() == count {
        true => Ok(values),
        false => Err(format!("the shape has {count} elements, {} are given", values.len())),
    }
}

/// Bytes that `count` elements occupy in raw form.
fn byte_length(dtype: DataType, count: usize) -> usize {
    match dtype {
        DataType::UINT4 | DataType::INT4 => count.div_ceil(2),
        DataType::BOOL | DataType::UINT8 | DataType::INT8 => count,
        DataType::FLOAT16 | DataType::BFLOAT16 | DataType::UINT16 | DataType::INT16 => count * 2,
        DataType::DOUBLE | DataType::UINT64 | DataType::INT64 => count * 8,
        _ => count * 4,
    }
}

fn raw_floats(dtype: DataType, raw: &[u8], count: usize) -> Result<Vec<f32>, String> {
    check_length(dtype, raw, count)?;
    Ok(match dtype {
        DataType::FLOAT16 => words(raw, |b: [u8; 2]| half_to_f32(u16::from_le_bytes(b))),
        DataType::BFLOAT16 => words(raw, |b: [u8; 2]| bfloat(u16::from_le_bytes(b))),
        DataType::DOUBLE => words(raw, |b: [u8; 8]| f64::from_le_bytes(b) as f32),
        _ => words(raw, f32::from_le_bytes),
    })
}

fn raw_ints(dtype: DataType, raw: &[u8], count: usize) -> Result<Vec<i64>, String> {
    check_length(dtype, raw, count)?;
    Ok(match dtype {
        DataType::BOOL => raw.iter().map(|&b| i64::from(b != 0)).collect(),
        DataType::UINT8 => raw.iter().map(|&b| i64::from(b)).collect(),
        DataType::INT8 => raw.iter().map(|&b| i64::from(b as i8)).collect(),
        DataType::UINT4 => nibbles(raw.iter().map(|&b| i32::from(b)), count, i64::from),
        DataType::INT4 => nibbles(raw.iter().map(|&b| i32::from(b)), count, sign_nibble),
        DataType::UINT16 => words(raw, |b| i64::from(u16::from_le_bytes(b))),
        DataType::INT16 => words(raw, |b| i64::from(i16::from_le_bytes(b))),
        DataType::UINT32 => words(raw, |b| i64::from(u32::from_le_bytes(b))),
        DataType::INT32 => words(raw, |b| i64::from(i32::from_le_bytes(b))),
        _ => words(raw, i64::from_le_bytes),
    })
}

fn check_length(dtype: DataType, raw: &[u8], count: usize) -> Result<(), String> {
    let needed = byte_length(dtype, count);
    match raw.len() == needed {
        true => Ok(()),
        false => Err(format!("{needed} bytes are needed, {} are given", raw.len())),
    }
}

fn words<const N: usize, T>(raw: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    raw.as_chunks::<N>().0.iter().map(|&b| value(b)).collect()
}

/// Values of the typed fields, where they are not given as raw bytes.
fn typed_floats(dtype: DataType, proto: &TensorProto) -> Vec<f32> {
    match dtype {
        DataType::DOUBLE => proto.double_data.iter().map(|&v| v as f32).collect(),
        DataType::FLOAT16 => proto.int32_data.iter().map(|&v| half_to_f32(v as u16)).collect(),
        DataType::BFLOAT16 => proto.int32_data.iter().map(|&v| bfloat(v as u16)).collect(),
        _ => proto.float_data.clone(),
    }
}

fn typed_ints(dtype: DataType, proto: &TensorProto) -> Vec<i64> {
    let count = proto.dims.iter().map(|&d| usize::try_from(d).unwrap_or(0)).product();
    match dtype {
        DataType::INT64 => proto.int64_data.clone(),
        DataType::UINT32 | DataType::UINT64 => proto.uint64_data.iter().map(|&v| v as i64).collect(),
        DataType::BOOL => proto.int32_data.iter().map(|&v| i64::from(v != 0)).collect(),
        DataType::UINT4 => nibbles(proto.int32_data.iter().copied(), count, i64::from),
        DataType::INT4 => nibbles(proto.int32_data.iter().copied(), count, sign_nibble),
        _ => proto.int32_data.iter().map(|&v| i64::from(v)).collect(),
    }
}

/// Two elements a byte, the low one first.
fn nibbles(bytes: impl Iterator<Item = i32>, count: usize, value: impl Fn(i32) -> i64) -> Vec<i64> {
    bytes.flat_map(|b| [b & 15, b >> 4 & 15]).take(count).map(value).collect()
}

fn sign_nibble(v: i32) -> i64 {
    i64::from(if v > 7 { v - 16 } else { v })
}

fn bfloat(v: u16) -> f32 {
    f32::from_bits(u32::from(v) << 16)
}

/// What to do about a tensor that cannot be read.
pub(super) fn way_out(proto: &TensorProto) -> &'static str {
    if proto.external_data.is_empty() {
        ""
    } else {
        "the weights are in a file of their own: keep it whole, under this name, in the model's folder"
    }
}

/// The bytes of a tensor beside the model: a relative path that does not leave the model's folder, and no more
/// bytes than the file has.
fn read_external(proto: &TensorProto, external: &ExternalData, needed: usize) -> Result<Vec<u8>, String> {
    let entry = |key: &str| proto.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(v) => v.parse::<u64>().map(Some).map_err(|_| format!("external data: {key} is `{v}`")),
    };
    let location = entry("location").ok_or("external data without a location")?;
    let path = Path::new(location);
    if location.is_empty() || !path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err(format!("external data at `{location}`: only paths below the model's folder are read"));
    }
    let folder = external.folder.as_ref().ok_or("external data, but the model did not come from a file")?;
    let at = |e: std::io::Error| format!("external data `{location}`: {e}");
    let full = folder.join(path).canonicalize().map_err(at)?;
    if !full.starts_with(folder.canonicalize().map_err(at)?) {
        return Err(format!("external data at `{location}`: only paths below the model's folder are read"));
    }
    let mut file = File::open(full).map_err(at)?;
    let held = file.metadata().map_err(at)?.len();
    let offset = number("offset")?.unwrap_or(0);
    let length = number("length")?.unwrap_or(held.saturating_sub(offset));
    if length != needed as u64 {
        return Err(format!("external data `{location}`: {needed} bytes are needed, {length} are given"));
    }
    if offset.checked_add(length).is_none_or(|end| end > held) {
        return Err(format!(
            "external data `{location}`: the file ends after {held} bytes, before the tensor does"
        ));
    }
    file.seek(SeekFrom::Start(offset)).map_err(at)?;
    let mut bytes = vec![0; needed];
    file.read_exact(&mut bytes).map_err(at)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnx_protobuf::StringStringEntryProto;

    fn outside(location: &str, offset: &str, length: &str) -> TensorProto {
        let entry = |key: &str, value: &str| StringStringEntryProto {
            key: key.to_owned(),
            value: value.to_owned(),
            ..StringStringEntryProto::default()
        };
        TensorProto {
            dims: vec![2],
            data_type: DataType::FLOAT as i32,
            data_location: DataLocation::EXTERNAL.into(),
            external_data: vec![entry("location", location), entry("offset", offset), entry("length", length)],
            ..TensorProto::default()
        }
    }

    #[test]
    fn external_data_stays_below_the_model_and_within_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<u8> = [1.0f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(folder.path().join("w.bin"), values).unwrap();
        std::fs::write(folder.path().parent().unwrap().join("picc-outside.bin"), [0; 8]).unwrap();
        let external = ExternalData { folder: Some(folder.path().to_owned()) };
        let read = |location: &str, offset: &str, length: &str| {
            read(&outside(location, offset, length), &external, 100, false)
        };
        assert_eq!(read("w.bin", "4", "8").unwrap().to_float().data, [2.0, 3.0]);
        assert!(read("./w.bin", "4", "8").is_ok());
        assert!(read("w.bin", "8", "8").unwrap_err().contains("ends after 12 bytes"));
        assert!(read("w.bin", "18446744073709551615", "8").unwrap_err().contains("ends after 12 bytes"));
        assert!(read("w.bin", "0", "12").unwrap_err().contains("8 bytes are needed"));
        assert!(read("../picc-outside.bin", "0", "8").unwrap_err().contains("below the model's folder"));
        assert!(read("/etc/hostname", "0", "8").unwrap_err().contains("below the model's folder"));
        assert!(read("missing.bin", "0", "8").is_err());
        #[cfg(unix)]
        {
            let link = folder.path().join("link.bin");
            std::os::unix::fs::symlink(folder.path().parent().unwrap().join("picc-outside.bin"), link).unwrap();
            assert!(read("link.bin", "0", "8").unwrap_err().contains("below the model's folder"));
        }
    }

    #[test]
    fn shapes_and_lengths_must_agree() {
        let tensor = |dims: &[i64], values: usize| TensorProto {
            dims: dims.to_vec(),
            data_type: DataType::FLOAT as i32,
            float_data: vec![0.0; values],
            ..TensorProto::default()
        };
        let read = |t: &TensorProto| read(t, &ExternalData::default(), 100, false);
        assert!(read(&tensor(&[2, 3], 6)).is_ok());
        assert!(read(&tensor(&[2, 3], 5)).is_err());
        assert!(read(&tensor(&[-1], 1)).is_err());
        assert!(read(&tensor(&[101], 101)).is_err());
        assert!(read(&tensor(&[i64::MAX, i64::MAX, 4], 1)).is_err());
    }
}
