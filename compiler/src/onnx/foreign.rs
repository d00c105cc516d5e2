//! Files that are no ONNX models, told by their first bytes, and what to do with each.

use super::ImportError;

/// What a file of another kind is, if it is one that is likely to be given for a model.
pub(super) fn foreign(file: &[u8]) -> Option<ImportError> {
    const TO_ONNX: &str = "export it: torch.onnx.export(model, example, 'model.onnx') in PyTorch, \
                           tf2onnx.convert.from_keras(model) in Keras";
    let at = |offset: usize, magic: &[u8]| file.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let page = || {
        let start = file.trim_ascii_start();
        [&b"<!doctype"[..], b"<html"]
            .iter()
            .any(|tag| start.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag)))
    };
    let (what, way_out) = if file.is_empty() {
        ("an empty file", "export or copy the model again")
    } else if at(0, b"PICC") {
        ("a program, compiled already", "`picc inspect` shows it, `pirun` runs it")
    } else if at(0, b"version https://git-lfs") {
        ("the pointer that Git LFS keeps in place of a file", "fetch the file: git lfs pull")
    } else if page() {
        ("a web page", "download the file itself (on GitHub: Raw)")
    } else if at(0, b"PK\x03\x04") {
        ("a zip archive, as PyTorch and Keras save models and NumPy arrays", TO_ONNX)
    } else if at(0, b"\x89HDF\r\n\x1a\n") {
        ("an HDF5 file, as Keras saves models", TO_ONNX)
    } else if at(0, b"\x80\x02") || at(0, b"\x80\x03") || at(0, b"\x80\x04") || at(0, b"\x80\x05") {
        ("a Python pickle, as PyTorch and scikit-learn save models", TO_ONNX)
    } else if at(4, b"\0\0\0\0{\"") {
        ("a safetensors file: weights without a network", TO_ONNX)
    } else if at(4, b"TFL3") {
        ("a TensorFlow Lite model", "convert it: python -m tf2onnx.convert --tflite FILE --output model.onnx")
    } else if at(4, b"ORTM") {
        ("a model in onnxruntime's own format", "give the .onnx that it was made from")
    } else if at(0, b"\x93NUMPY") {
        ("a NumPy array", "the model comes first, arrays after --calibrate or --input")
    } else {
        return None;
    };
    Some(ImportError::Foreign { what, way_out })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_model_is_named() {
        for (file, says) in [
            (&b""[..], "an empty file"),
            (b"PICC\x04\0\0\0", "picc inspect"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            (b"\n<!DOCTYPE html>", "Raw"),
            (b"PK\x03\x04....", "torch.onnx.export"),
            (b"\x89HDF\r\n\x1a\n", "tf2onnx"),
            (b"\x80\x02}q\0", "pickle"),
            (b"\x10\0\0\0\0\0\0\0{\"w\":", "safetensors"),
            (b"\x1c\0\0\0TFL3", "--tflite"),
            (b"\x20\0\0\0ORTM", "onnxruntime"),
            (b"\x93NUMPY\x01\0", "--calibrate"),
        ] {
            let error = foreign(file).unwrap();
            let text = format!("{error} {}", error.way_out().unwrap());
            assert!(text.contains(says), "{text}");
        }
        // Version 8 and the producer, as models begin.
        assert_eq!(foreign(b"\x08\x08\x12\x07pytorch"), None);
    }
}
