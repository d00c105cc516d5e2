//! Images: decoding, size, channels. What becomes of the pixels is [`Preprocess`]'s.

use crate::error::{Error, Result};
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, Limits};
use picc_ir::Tensor;
use picc_ir::preprocess::{PixelsError, Preprocess};
use picc_ir::program::InputSpec;
use std::io::Cursor;

/// Largest extent of an image that is decoded.
const MAX_EXTENT: u32 = 16_384;

/// Pixels 0..=255 in the order height, width, channel (red, green, blue).
pub struct Pixels(Vec<f32>);

impl Pixels {
    /// The image in the size and with the channels of the input.
    pub fn decode(bytes: &[u8], spec: &InputSpec, preprocess: &Preprocess, resize: bool) -> Result<Pixels> {
        let [height, width, channels] = preprocess.extents(&spec.shape).map_err(|e| no_image(spec, &e))?;
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_EXTENT);
        limits.max_image_height = Some(MAX_EXTENT);
        reader.limits(limits);
        let mut image = reader.decode().map_err(|e| Error::Input(e.to_string()))?;
        let (w, h) = (image.width() as usize, image.height() as usize);
        if (h, w) != (height, width) {
            if !resize {
                return Err(Error::Input(format!(
                    "the image is {w} x {h}, the program needs {width} x {height} (--resize scales it)"
                )));
            }
            image = image.resize_exact(width as u32, height as u32, FilterType::Triangle);
        }
        Ok(Pixels(samples(&image, channels)))
    }

    /// `(pixel / divisor - mean) / std` in the input's layout.
    pub fn to_input(&self, spec: &InputSpec, preprocess: &Preprocess) -> Result<Tensor<f32>> {
        preprocess.input(&self.0, &spec.shape).map_err(|e| no_image(spec, &e))
    }
}

/// Names the input that images do not fit.
pub(super) fn no_image(spec: &InputSpec, error: &PixelsError) -> Error {
    Error::Input(format!("input `{}`: {error}", spec.name))
}

fn samples(image: &DynamicImage, channels: usize) -> Vec<f32> {
    let bytes = if channels == 1 { image.to_luma8().into_raw() } else { image.to_rgb8().into_raw() };
    bytes.into_iter().map(f32::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, RgbImage};
    use picc_ir::Shape;
    use picc_ir::program::Layout;

    fn png() -> Vec<u8> {
        // Two rows of three pixels.
        let image = RgbImage::from_raw(3, 2, (0..18).map(|v| v * 10).collect()).unwrap();
        let mut file = Cursor::new(Vec::new());
        image.write_to(&mut file, ImageFormat::Png).unwrap();
        file.into_inner()
    }

    fn spec(shape: &[usize]) -> InputSpec {
        InputSpec { name: "x".into(), shape: Shape::from_slice(shape), frac_bits: 8, preprocess: None }
    }

    fn preprocess(layout: Layout, bgr: bool) -> Preprocess {
        Preprocess {
            divisor: 10.0.into(),
            mean: vec![1.0.into(), 2.0.into(), 3.0.into()],
            std: vec![0.5.into()],
            layout,
            bgr,
        }
    }

    #[test]
    fn layout_order_and_normalization() {
        let (nchw, nhwc) = (spec(&[1, 3, 2, 3]), spec(&[1, 2, 3, 3]));
        let at = |spec: &InputSpec, p: &Preprocess| {
            Pixels::decode(&png(), spec, p, false).unwrap().to_input(spec, p).unwrap().data
        };
        // Pixel 0 is (0, 10, 20): divided by 10, minus (1, 2, 3), times 2.
        let first = at(&nhwc, &preprocess(Layout::Nhwc, false));
        assert_eq!(first[..3], [-2.0, -2.0, -2.0]);
        let planes = at(&nchw, &preprocess(Layout::Nchw, false));
        assert_eq!([planes[0], planes[1]], [-2.0, 4.0]);
        let swapped = at(&nhwc, &preprocess(Layout::Nhwc, true));
        assert_eq!(swapped[..3], [2.0, -2.0, -6.0]);
    }

    #[test]
    fn another_size_is_refused_unless_scaling_is_asked_for() {
        let (other, p) = (spec(&[1, 3, 4, 4]), preprocess(Layout::Nchw, false));
        let error = Pixels::decode(&png(), &other, &p, false).err().unwrap().to_string();
        assert!(error.contains("3 x 2") && error.contains("--resize"), "{error}");
        assert_eq!(Pixels::decode(&png(), &other, &p, true).unwrap().0.len(), 48);
    }

    #[test]
    fn garbage_is_an_error() {
        let p = preprocess(Layout::Nchw, false);
        for bytes in [&b""[..], b"\x89PNG\r\n\x1a\n", &png()[..40]] {
            assert!(matches!(Pixels::decode(bytes, &spec(&[1, 3, 2, 3]), &p, false), Err(Error::Input(_))));
        }
        assert!(Pixels::decode(&png(), &spec(&[1, 10]), &p, false).is_err());
    }
}
