//! NumPy's `.npz`: a zip archive of `.npy` files.

use crate::error::{BadInput, Error, Result};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Arrays in one archive, and bytes of each, that are read at most.
const MAX_ARRAYS: usize = 64;
const MAX_BYTES: u64 = 4 << 30;

/// The `.npy` bytes of each array, by name.
pub fn read_npz(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let bad = |e: zip::result::ZipError| BadInput::Archive { why: e.to_string() };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(bad)?;
    if archive.len() > MAX_ARRAYS {
        return Err(BadInput::ArchiveSize { arrays: archive.len() }.into());
    }
    let mut arrays = BTreeMap::new();
    for i in 0..archive.len() {
        let file = archive.by_index(i).map_err(bad)?;
        let name = file.name().map_err(bad)?.trim_end_matches(".npy").to_owned();
        let mut array = Vec::new();
        let read = file.take(MAX_BYTES).read_to_end(&mut array);
        read.map_err(|source| BadInput::ArchiveMember { array: name.clone(), source })?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// An archive of these `.npy` files.
pub fn write_npz(arrays: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let failed = |e: zip::result::ZipError| Error::Bug(format!("writing an .npz: {e}"));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, array) in arrays {
        archive.start_file(format!("{name}.npy"), options).map_err(failed)?;
        archive.write_all(array).map_err(|e| failed(e.into()))?;
    }
    Ok(archive.finish().map_err(failed)?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_and_truncation_are_errors() {
        let whole = write_npz(&[("a".into(), vec![1; 100])]).unwrap();
        assert_eq!(read_npz(&whole).unwrap()["a"], vec![1; 100]);
        assert!(read_npz(b"").is_err());
        for len in 0..whole.len() {
            assert!(read_npz(&whole[..len]).is_err(), "{len}");
        }
    }
}
