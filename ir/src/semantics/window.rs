//! Geometry of windows that slide over the last two axes of `[n, c, h, w]`.

use crate::semantics::extent::checked;
use crate::ty::{Shape, Ty, TypeError};

/// A window with its placement. Pads are `[top, left, bottom, right]`, everything else `[vertical, horizontal]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub pads: [usize; 4],
    pub dilation: [usize; 2],
}

impl Window {
    /// Height and width of the dilated window.
    pub fn extent(&self) -> Result<[usize; 2], TypeError> {
        let extent = |i: usize| {
            let k = self.kernel[i].checked_sub(1)?;
            (self.dilation[i] > 0).then_some(())?;
            k.checked_mul(self.dilation[i])?.checked_add(1)
        };
        match (extent(0), extent(1)) {
            (Some(h), Some(w)) => Ok([h, w]),
            _ => Err(TypeError::new(format!("no window: kernel {:?}, dilation {:?}", self.kernel, self.dilation))),
        }
    }

    /// Height and width of the output for an input `[n, c, h, w]`.
    pub fn out_hw(&self, shape: &[usize]) -> Result<[usize; 2], TypeError> {
        let &[n, c, h, w] = shape else {
            return Err(TypeError::new(format!("windows need [n, c, h, w], got {shape:?}")));
        };
        let extent = self.extent()?;
        let padded = |d: usize, a: usize, b: usize| {
            d.checked_add(a).and_then(|d| d.checked_add(b)).ok_or_else(|| TypeError::new("padding is too large"))
        };
        let padded = [padded(h, self.pads[0], self.pads[2])?, padded(w, self.pads[1], self.pads[3])?];
        checked(&[n, c, padded[0], padded[1]])?;
        let mut out = [0; 2];
        for i in 0..2 {
            if self.stride[i] == 0 {
                return Err(TypeError::new("stride 0"));
            }
            let room = padded[i].checked_sub(extent[i]).ok_or_else(|| {
                TypeError::new(format!("a window of {extent:?} does not fit into {padded:?} (padded)"))
            })?;
            out[i] = room / self.stride[i] + 1;
        }
        Ok(out)
    }

    /// Shape of a pooled value.
    pub fn pooled(&self, x: &Ty) -> Result<Shape, TypeError> {
        let [oh, ow] = self.out_hw(&x.shape)?;
        checked(&[x.shape[0], x.shape[1], oh, ow])
    }

    /// Every window covers at least one element, so that padding need not have a value.
    ///
    /// Taps of a window start before the end of the axis and end after its start (pads are shorter than the
    /// window); their distance is at most the axis, so they cannot jump over it.
    pub fn never_only_padding(&self, shape: &[usize]) -> Result<(), TypeError> {
        let extent = self.extent()?;
        for i in 0..2 {
            let (a, b) = (self.pads[i], self.pads[i + 2]);
            let inside = a < extent[i] && b < extent[i] && (a + b == 0 || shape[2 + i] >= self.dilation[i]);
            if !inside {
                return Err(TypeError::new(format!("a window may lie in the padding {:?} only", self.pads)));
            }
        }
        Ok(())
    }

    pub fn is_padded(&self) -> bool {
        self.pads != [0; 4]
    }

    /// Number of taps.
    pub fn taps(&self) -> usize {
        self.kernel[0].saturating_mul(self.kernel[1])
    }
}
