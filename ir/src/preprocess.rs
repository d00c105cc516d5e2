//! How pixels become an input. What a user says on either command line means the same: [`Given`].

use crate::op::F32;
use crate::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a client turns an image into the model's input: recorded by picc, so that a client needs only the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Per channel: `(pixel / divisor - mean) / std`, pixels 0..=255.
    pub divisor: F32,
    pub mean: Vec<F32>,
    pub std: Vec<F32>,
    pub layout: Layout,
    /// Channels in the order blue, green, red.
    pub bgr: bool,
}

impl Preprocess {
    /// Whether every pixel becomes a number.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        let nonzero = |v: &F32| v.value().is_finite() && v.value() != 0.0;
        nonzero(&self.divisor) && self.std.iter().all(nonzero) && self.mean.iter().all(|m| m.value().is_finite())
    }

    /// Smallest and largest value that it makes of a pixel; zero, which pads, lies between.
    #[must_use]
    pub fn range(&self) -> (f32, f32) {
        let divisor = self.divisor.value();
        let ends = self
            .mean
            .iter()
            .zip(&self.std)
            .flat_map(|(m, s)| [0.0, 255.0].map(|pixel: f32| (pixel / divisor - m.value()) / s.value()));
        ends.fold((0.0, 0.0), |(lo, hi): (f32, f32), v| (lo.min(v), hi.max(v)))
    }

    /// Why values that should be ready for the model look as if they were not: all are those of pixels of which nothing
    /// but the division was done, while dark pixels are made negative.
    #[must_use]
    pub fn doubt(&self, values: &[f32]) -> Option<String> {
        let (lo, hi) = self.range();
        let divided = values.iter().all(|v| (0.0..=1.0).contains(v)) && values.iter().any(|v| *v > 0.5);
        (divided && lo < -0.1).then(|| {
            format!(
                "all values lie in 0 to 1, as those of pixels divided by 255 do; --mean, --std and --divisor make {lo} to {hi} \
                 of pixels: if that was not done yet, do it, or give pixels (uint8, channels last)"
            )
        })
    }

    /// Height, width and channels of an image that becomes an input of this shape.
    ///
    /// # Errors
    /// If it is the shape of no image.
    pub fn extents(&self, shape: &[usize]) -> Result<[usize; 3], PixelsError> {
        match (shape, self.layout) {
            (&[1, c, h, w], Layout::Nchw) | (&[1, h, w, c], Layout::Nhwc) if c == 1 || c == 3 => Ok([h, w, c]),
            (&[c, h, w], Layout::Nchw) | (&[h, w, c], Layout::Nhwc) if c == 1 || c == 3 => Ok([h, w, c]),
            (shape, layout) => Err(PixelsError::NoImage { shape: shape.to_vec(), layout }),
        }
    }

    /// `(pixel / divisor - mean) / std` in the input's layout, of pixels in the order height, width, channel.
    ///
    /// # Errors
    /// If this is the shape of no image, or means or deviations are not one or one for each channel.
    pub fn input(&self, pixels: &[f32], shape: &[usize]) -> Result<Tensor<f32>, PixelsError> {
        let [height, width, c] = self.extents(shape)?;
        let per_channel = |values: &[F32], what: &'static str| match values {
            [one] => Ok(vec![one.value(); c]),
            several if several.len() == c => Ok(several.iter().map(|v| v.value()).collect()),
            several => Err(PixelsError::Channels { what, given: several.len(), channels: c }),
        };
        let (mean, std) = (per_channel(&self.mean, "mean")?, per_channel(&self.std, "std")?);
        let divisor = self.divisor.value();
        let plane = height * width;
        let mut data = vec![0.0; plane * c];
        for (i, &pixel) in pixels.iter().enumerate().take(plane * c) {
            let (at, from) = (i / c, i % c);
            let to = if self.bgr { c - 1 - from } else { from };
            let index = match self.layout {
                Layout::Nchw => to * plane + at,
                Layout::Nhwc => at * c + to,
            };
            data[index] = (pixel / divisor - mean[to]) / std[to];
        }
        Ok(Tensor::new(shape, data))
    }

    /// Samples of an array of pixels: `[n, h, w, c]`, `[h, w, c]`, and without `c` if it is one.
    ///
    /// # Errors
    /// If the array holds no such images.
    pub fn inputs(&self, array: &Tensor<f32>, shape: &[usize]) -> Result<Vec<Tensor<f32>>, PixelsError> {
        let [height, width, channels] = self.extents(shape)?;
        let fits = match array.shape[..] {
            [.., h, w, c] if [h, w, c] == [height, width, channels] && array.shape.len() <= 4 => true,
            [.., h, w] if channels == 1 && [h, w] == [height, width] && array.shape.len() <= 3 => true,
            // With one channel, the axis of the channels may come first as well.
            [.., 1, h, w] if channels == 1 && [h, w] == [height, width] && array.shape.len() <= 4 => true,
            _ => false,
        };
        if !fits || array.data.is_empty() {
            let image = [height, width, channels];
            return Err(PixelsError::Shape { given: array.shape.to_vec(), image });
        }
        array.data.chunks(height * width * channels).map(|pixels| self.input(pixels, shape)).collect()
    }
}

/// Why pixels do not become an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PixelsError {
    #[error("an input of shape {shape:?} is no image of one or three channels in layout {layout}")]
    NoImage { shape: Vec<usize>, layout: Layout },
    #[error("{what} has {given} values for {channels} channels")]
    Channels { what: &'static str, given: usize, channels: usize },
    #[error(
        "pixels of shape {given:?} are no images of {} x {} x {} (height, width, channels): pixels are uint8 with their \
         channels last; values that are ready for the model are floats",
        image[0], image[1], image[2]
    )]
    Shape { given: Vec<usize>, image: [usize; 3] },
}

/// Order of the axes of an image input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    Nchw,
    Nhwc,
}

impl Layout {
    fn other(self) -> Layout {
        match self {
            Layout::Nchw => Layout::Nhwc,
            Layout::Nhwc => Layout::Nchw,
        }
    }
}

impl fmt::Display for Layout {
    /// As `--layout` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layout::Nchw => "nchw",
            Layout::Nhwc => "nhwc",
        })
    }
}

/// What a pixel is divided by if nobody says otherwise.
pub const DIVISOR: f32 = 255.0;

/// Why preprocessing is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreprocessError {
    #[error("--{option} {value}: {needed}")]
    Value { option: &'static str, value: String, needed: &'static str },
    #[error(
        "--{option} has {given} values, the input of shape {shape:?} has {channels} channels: give one, or one for each channel"
    )]
    Channels { option: &'static str, given: usize, channels: usize, shape: Vec<usize> },
    #[error(
        "--{option} {value} is that of pixels 0..=255, and pixels are divided by {DIVISOR} first: add --divisor 1, or give \
         means and deviations of pixels 0..=1 (add --divisor {DIVISOR} if it is meant)"
    )]
    Scale { option: &'static str, value: String },
    #[error(
        "--mean, --std, --divisor, --layout and --bgr say how an image becomes an input, and one of shape {shape:?} is no \
         image of one or three channels in layout {layout}: {way_out}"
    )]
    NoImage { shape: Vec<usize>, layout: Layout, way_out: &'static str },
    #[error("--bgr: an input of shape {shape:?} has one channel, which has no order: leave it away")]
    Gray { shape: Vec<usize> },
}

/// What the user says.
#[derive(Clone, Debug, Default)]
pub struct Given {
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
    pub divisor: Option<f32>,
    pub layout: Option<Layout>,
    pub bgr: bool,
}

impl Given {
    /// On top of what the program says; `None` if neither says anything.
    ///
    /// # Errors
    /// If a value is no number that means anything, if there are other numbers of them than channels of an input of
    /// this shape, or if means are those of pixels in another scale.
    pub fn over(&self, base: Option<&Preprocess>, shape: &[usize]) -> Result<Option<Preprocess>, PreprocessError> {
        let Given { mean, std, divisor, layout, bgr } = self;
        let said = !mean.is_empty() || !std.is_empty() || divisor.is_some() || layout.is_some() || *bgr;
        if !said {
            return Ok(base.cloned());
        }
        let value = |option: &'static str, value: f32, good: bool, needed: &'static str| {
            if value.is_finite() && good {
                return Ok(());
            }
            Err(PreprocessError::Value { option, value: value.to_string(), needed })
        };
        mean.iter().try_for_each(|m| value("mean", *m, true, "a mean must be a number"))?;
        let positive = "it is divided by, so it must be larger than zero";
        std.iter().try_for_each(|s| value("std", *s, *s > 0.0, positive))?;
        divisor.iter().try_for_each(|d| value("divisor", *d, *d > 0.0, positive))?;
        let layout = layout.or(base.map(|b| b.layout)).unwrap_or(Layout::Nchw);
        let channels = match (channels(shape, layout), channels(shape, layout.other())) {
            (Some(c @ (1 | 3)), _) => c,
            (_, other) => {
                let way_out = match other {
                    Some(1 | 3) if layout == Layout::Nchw => "add --layout nhwc",
                    Some(1 | 3) => "add --layout nchw",
                    _ => "leave them away and give values that are ready for the model",
                };
                return Err(PreprocessError::NoImage { shape: shape.to_vec(), layout, way_out });
            }
        };
        if *bgr && channels == 1 {
            return Err(PreprocessError::Gray { shape: shape.to_vec() });
        }
        let each = |option: &'static str, values: &[f32], or: Option<&Vec<F32>>, default: f32| {
            let values: Vec<F32> = match (values, or) {
                ([], Some(base)) => base.clone(),
                ([], None) => vec![default.into()],
                (values, _) => values.iter().map(|v| (*v).into()).collect(),
            };
            if values.len() == 1 || values.len() == channels {
                return Ok(values);
            }
            let (given, shape) = (values.len(), shape.to_vec());
            Err(PreprocessError::Channels { option, given, channels, shape })
        };
        let mut means = each("mean", mean, base.map(|b| &b.mean), 0.0)?;
        let mut stds = each("std", std, base.map(|b| &b.std), 1.0)?;
        // A program has as many of the one as of the other.
        let n = means.len().max(stds.len());
        for values in [&mut means, &mut stds] {
            if let [one] = values[..] {
                *values = vec![one; n];
            }
        }
        if divisor.is_none() && base.is_none_or(|b| b.divisor.value() == DIVISOR) {
            // Of pixels 0..=1 no mean is above 1, and no deviation above 1/2.
            let large = |option: &'static str, values: &[f32]| match values.iter().find(|v| v.abs() > 1.0) {
                Some(v) => Err(PreprocessError::Scale { option, value: v.to_string() }),
                None => Ok(()),
            };
            large("mean", mean)?;
            large("std", std)?;
        }
        Ok(Some(Preprocess {
            divisor: divisor.map_or_else(|| base.map_or(DIVISOR.into(), |b| b.divisor), F32::from),
            mean: means,
            std: stds,
            layout,
            bgr: *bgr || base.is_some_and(|b| b.bgr),
        }))
    }
}

/// Channels of an image of this shape, if it is one.
fn channels(shape: &[usize], layout: Layout) -> Option<usize> {
    let image = match shape {
        [_, image @ ..] if image.len() == 3 => image,
        image => image,
    };
    match (image, layout) {
        (&[c, _, _], Layout::Nchw) | (&[_, _, c], Layout::Nhwc) => Some(c),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: [usize; 4] = [1, 3, 8, 8];

    fn given(mean: &[f32], std: &[f32], divisor: Option<f32>) -> Given {
        Given { mean: mean.to_vec(), std: std.to_vec(), divisor, ..Given::default() }
    }

    fn floats(values: &[F32]) -> Vec<f32> {
        values.iter().map(|v| v.value()).collect()
    }

    #[test]
    fn what_is_not_said_has_one_default() {
        assert_eq!(Given::default().over(None, &IMAGE), Ok(None));
        let p = given(&[0.5], &[], None).over(None, &IMAGE).unwrap().unwrap();
        assert_eq!((p.divisor.value(), floats(&p.mean), floats(&p.std)), (255.0, vec![0.5], vec![1.0]));
        let p = given(&[0.4, 0.5, 0.6], &[0.2], None).over(None, &IMAGE).unwrap().unwrap();
        assert_eq!((p.mean.len(), floats(&p.std)), (3, vec![0.2; 3]));
        // On top of a program's.
        let base = given(&[104.0, 117.0, 123.0], &[], Some(1.0)).over(None, &IMAGE).unwrap();
        let over = Given { bgr: true, ..Given::default() }.over(base.as_ref(), &IMAGE).unwrap().unwrap();
        assert!(over.bgr && over.divisor.value() == 1.0 && over.mean[0].value() == 104.0);
        assert!(given(&[100.0], &[], None).over(base.as_ref(), &IMAGE).is_ok(), "the program says the scale");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (given, says) in [
            (given(&[f32::NAN], &[], None), "--mean NaN"),
            (given(&[], &[0.0], None), "--std 0: it is divided by"),
            (given(&[], &[-0.5], None), "--std -0.5"),
            (given(&[], &[f32::INFINITY], None), "--std inf"),
            (given(&[], &[], Some(0.0)), "--divisor 0"),
            (given(&[0.4, 0.5], &[], None), "--mean has 2 values, the input of shape [1, 3, 8, 8] has 3 channels"),
            (given(&[], &[0.2; 4], None), "--std has 4 values"),
            (given(&[123.675, 116.28, 103.53], &[58.4, 57.1, 57.4], None), "--divisor 1"),
            (given(&[], &[255.0], None), "--std 255 is that of pixels 0..=255"),
        ] {
            let error = given.over(None, &IMAGE).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let nhwc = Given { layout: Some(Layout::Nhwc), ..given(&[0.1, 0.2, 0.3], &[], None) };
        assert!(nhwc.over(None, &[1, 8, 8, 3]).is_ok() && nhwc.over(None, &IMAGE).is_err());
        for (given, shape, says) in [
            (
                given(&[0.1], &[], None),
                &[1, 784][..],
                "[1, 784] is no image of one or three channels in layout nchw: leave them",
            ),
            (given(&[0.1], &[], None), &[1, 28, 28, 1], "add --layout nhwc"),
            (Given { layout: Some(Layout::Nhwc), ..Given::default() }, &[1, 1, 8, 8], "add --layout nchw"),
            (Given { bgr: true, ..Given::default() }, &[1, 1, 8, 8], "leave it away"),
        ] {
            let error = given.over(None, shape).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn values_that_were_only_divided_are_noticed() {
        let p = given(&[0.5], &[0.5], None).over(None, &IMAGE).unwrap().unwrap();
        assert!(p.doubt(&[0.0, 0.2, 1.0]).unwrap().contains("make -1 to 1 of pixels"));
        for fine in [&[-0.3, 0.2, 1.0][..], &[0.1, 0.2], &[0.5, 1.5]] {
            assert_eq!(p.doubt(fine), None, "{fine:?}");
        }
        let plain = given(&[], &[], Some(255.0)).over(None, &IMAGE).unwrap().unwrap();
        assert_eq!(plain.doubt(&[0.0, 1.0]), None, "nothing but the division is asked for");
    }
}
