//! Images: decoding, size, channels. What becomes of the pixels is [`Preprocess`]'s.

use super::no_image;
use crate::error::{BadInput, Result};
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use picc_ir::Tensor;
use picc_ir::preprocess::Preprocess;
use picc_ir::program::InputSpec;
use std::io::Cursor;

/// Largest extent of an image that is decoded.
const MAX_EXTENT: u32 = 16_384;

/// Bytes of a decoded image: 64 megapixels in color.
const MAX_DECODED: u64 = 192 << 20;

/// Pixels 0..=255 in the order height, width, channel (red, green, blue).
pub struct Pixels(Vec<f32>);

impl Pixels {
    /// The image in the size and with the channels of the input.
    pub fn decode(bytes: &[u8], spec: &InputSpec, preprocess: &Preprocess, resize: bool) -> Result<Pixels> {
        let [height, width, channels] = preprocess.extents(&spec.shape).map_err(|e| no_image(spec, e))?;
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(unreadable)?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_EXTENT);
        limits.max_image_height = Some(MAX_EXTENT);
        reader.limits(limits);
        let decoder = reader.into_decoder().map_err(unreadable)?;
        let (w, h) = (decoder.dimensions().0 as usize, decoder.dimensions().1 as usize);
        // A few bytes can claim any size: it is looked at before there is memory for the pixels.
        if (h, w) != (height, width) && !resize {
            return Err(BadInput::ImageExtent { got: [w, h], needs: [width, height] }.into());
        }
        if decoder.total_bytes() > MAX_DECODED {
            return Err(BadInput::ImageSize { extent: [w, h] }.into());
        }
        let mut image = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
        if (h, w) != (height, width) {
            image = image.resize_exact(width as u32, height as u32, FilterType::Triangle);
        }
        Ok(Pixels(samples(&image, channels)))
    }

    /// `(pixel / divisor - mean) / std` in the input's layout.
    pub fn to_input(&self, spec: &InputSpec, preprocess: &Preprocess) -> Result<Tensor<f32>> {
        preprocess.input(&self.0, &spec.shape).map_err(|e| no_image(spec, e))
    }
}

fn unreadable(e: impl std::fmt::Display) -> BadInput {
    BadInput::Image { why: e.to_string() }
}

fn samples(image: &DynamicImage, channels: usize) -> Vec<f32> {
    let bytes = if channels == 1 { image.to_luma8().into_raw() } else { image.to_rgb8().into_raw() };
    bytes.into_iter().map(f32::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
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

    /// A header alone, of an image of 16,000 x 16,000 pixels.
    #[test]
    fn a_claimed_size_is_refused_before_there_is_memory_for_it() {
        let mut file = png();
        file[16..20].copy_from_slice(&16_000u32.to_be_bytes());
        file[20..24].copy_from_slice(&16_000u32.to_be_bytes());
        let crc = crc32(&file[12..29]);
        file[29..33].copy_from_slice(&crc.to_be_bytes());
        let (nchw, p) = (spec(&[1, 3, 2, 3]), preprocess(Layout::Nchw, false));
        let refused = |resize| Pixels::decode(&file, &nchw, &p, resize).err().unwrap().to_string();
        assert!(refused(false).contains("16000 x 16000, the program needs 3 x 2"), "{}", refused(false));
        assert!(refused(true).contains("too large to be scaled"), "{}", refused(true));
    }

    /// Of PNG: reflected, polynomial 0xedb88320.
    fn crc32(bytes: &[u8]) -> u32 {
        let step = |crc: u32, _| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        !bytes.iter().fold(!0, |crc, &b| (0..8).fold(crc ^ u32::from(b), step))
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
