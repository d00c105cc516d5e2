//! Images that a client brings.

use picc_ir::program::{InputSpec, Layout, Preprocess};
use picc_ir::{Shape, Tensor};
use picc_runtime::inputs::Pixels;

/// Extent of the square inputs.
const EXTENT: usize = 8;

/// Byte 0, bit 0: scale; bit 1: gray, channels last. Then a PNG or JPEG file.
///
/// # Panics
/// If an accepted image is no input of the program.
pub fn image(data: &[u8]) -> bool {
    let Some((&how, file)) = data.split_first() else { return false };
    let (shape, layout) = match how & 2 {
        0 => ([1, 3, EXTENT, EXTENT], Layout::Nchw),
        _ => ([1, EXTENT, EXTENT, 1], Layout::Nhwc),
    };
    let spec = InputSpec { name: "x".into(), shape: Shape::from_slice(&shape), frac_bits: 8, preprocess: None };
    let preprocess =
        Preprocess { divisor: 255.0.into(), mean: vec![0.5.into()], std: vec![0.25.into()], layout, bgr: false };
    let Ok(pixels) = Pixels::decode(file, &spec, &preprocess, how & 1 == 1) else { return false };
    let input: Tensor<f32> = pixels.to_input(&spec, &preprocess).expect("one value for all channels");
    assert_eq!(input.shape[..], shape);
    assert!(input.data.iter().all(|v| (-2.0..=2.0).contains(v)), "{input:?}");
    true
}
