//! Geometry of the linear layers: the public shapes that both the meaning and the cost of a layer depend on.

use serde::{Deserialize, Serialize};

/// A two-dimensional convolution `[n, c_in, h, w] * [c_out, c_in / groups, kh, kw] -> [n, c_out, oh, ow]`.
///
/// Cross-correlation, as ONNX `Conv`: weights are not flipped. Padding is with zeros and may be asymmetric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConvGeom {
    pub n: usize,
    pub c_in: usize,
    pub h: usize,
    pub w: usize,
    pub c_out: usize,
    pub kh: usize,
    pub kw: usize,
    /// `[vertical, horizontal]`
    pub stride: [usize; 2],
    /// `[top, left, bottom, right]`
    pub pads: [usize; 4],
    /// `[vertical, horizontal]`
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl ConvGeom {
    /// Extent of the dilated kernel, `[vertical, horizontal]`.
    #[must_use]
    pub fn kernel_extent(&self) -> [usize; 2] {
        [(self.kh - 1) * self.dilation[0] + 1, (self.kw - 1) * self.dilation[1] + 1]
    }

    /// Height and width of the output.
    #[must_use]
    pub fn out_hw(&self) -> [usize; 2] {
        let [eh, ew] = self.kernel_extent();
        [
            (self.h + self.pads[0] + self.pads[2] - eh) / self.stride[0] + 1,
            (self.w + self.pads[1] + self.pads[3] - ew) / self.stride[1] + 1,
        ]
    }

    /// Number of weights that one output element multiplies.
    #[must_use]
    pub fn fan_in(&self) -> usize {
        self.c_in / self.groups * self.kh * self.kw
    }
}

/// A matrix product `[rows, inner] x [inner, cols] -> [rows, cols]`, repeated `batch` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatMulGeom {
    pub batch: usize,
    pub rows: usize,
    pub inner: usize,
    pub cols: usize,
}
