//! Windows of convolutions and pools: attributes, automatic padding, one spatial axis as two.

use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::Value;
use crate::onnx::node::{NodeView, extents};

/// Placement of a window over two spatial axes. Pads are `[top, left, bottom, right]`.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    pub pads: [usize; 4],
}

/// How a node pads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoPad {
    NotSet,
    Valid,
    /// The output has the input's extent divided by the stride; the odd pad goes to the end.
    SameUpper,
    /// As `SameUpper`, the odd pad goes to the beginning.
    SameLower,
}

impl AutoPad {
    pub fn read(node: &NodeView<'_>) -> Result<AutoPad, Cause> {
        match node.string("auto_pad", "NOTSET")?.as_str() {
            "NOTSET" | "" => Ok(AutoPad::NotSet),
            "VALID" => Ok(AutoPad::Valid),
            "SAME_UPPER" => Ok(AutoPad::SameUpper),
            "SAME_LOWER" => Ok(AutoPad::SameLower),
            other => Err(Cause::attribute("auto_pad", format!("is `{other}`"))),
        }
    }
}

/// `[n, c, l]` as `[n, c, 1, l]`; `[n, c, h, w]` as it is. The flag says that there was one spatial axis.
pub fn as_2d(importer: &mut Importer, x: &Value) -> Result<(Value, bool), Cause> {
    match importer.shape(x)[..] {
        [_, _, _, _] => Ok((x.clone(), false)),
        [n, c, l] => Ok((importer.reshape(x, &[n, c, 1, l])?, true)),
        ref other => Err(Cause::unsupported(
            format!("an input of shape {other:?}; one or two spatial axes are supported"),
            "use two-dimensional layers",
        )),
    }
}

/// Undoes [`as_2d`].
pub fn back(importer: &mut Importer, y: &Value, was_1d: bool) -> Result<Value, Cause> {
    match (was_1d, &importer.shape(y)[..]) {
        (true, &[n, c, 1, l]) => importer.reshape(y, &[n, c, l]),
        _ => Ok(y.clone()),
    }
}

/// One value for each of two axes from an attribute for one or two.
pub fn two(node: &NodeView<'_>, name: &str, was_1d: bool, default: usize) -> Result<[usize; 2], Cause> {
    let Some(list) = node.ints(name)? else { return Ok([default; 2]) };
    match (was_1d, &extents(&list, name)?[..]) {
        (true, &[v]) => Ok([default, v]),
        (false, &[a, b]) => Ok([a, b]),
        (_, other) => Err(Cause::attribute(name, format!("has {} values", other.len()))),
    }
}

/// Explicit pads as `[top, left, bottom, right]`.
pub fn explicit_pads(node: &NodeView<'_>, was_1d: bool) -> Result<[usize; 4], Cause> {
    let Some(list) = node.ints("pads")? else { return Ok([0; 4]) };
    if list.iter().any(|&p| p < 0) {
        return Err(Cause::unsupported(format!("negative pads {list:?}"), "slice the input instead"));
    }
    match (was_1d, &extents(&list, "pads")?[..]) {
        (true, &[a, b]) => Ok([0, a, 0, b]),
        (false, &[t, l, b, r]) => Ok([t, l, b, r]),
        (_, other) => Err(Cause::attribute("pads", format!("has {} values", other.len()))),
    }
}

impl Window {
    /// Reads stride, dilation and padding of a node with this kernel over an input of `[h, w]`.
    pub fn read(node: &NodeView<'_>, kernel: [usize; 2], hw: [usize; 2], was_1d: bool) -> Result<Window, Cause> {
        let stride = two(node, "strides", was_1d, 1)?;
        let dilation = two(node, "dilations", was_1d, 1)?;
        if kernel.contains(&0) || stride.contains(&0) || dilation.contains(&0) {
            return Err(Cause::malformed("a kernel, stride or dilation of 0"));
        }
        let mut window = Window { kernel, stride, dilation, pads: [0; 4] };
        let auto = AutoPad::read(node)?;
        match auto {
            AutoPad::NotSet => window.pads = explicit_pads(node, was_1d)?,
            AutoPad::Valid => {}
            AutoPad::SameUpper | AutoPad::SameLower => {
                for i in 0..2 {
                    let out = hw[i].div_ceil(stride[i]);
                    let covered = out.saturating_sub(1) * stride[i] + window.extent()[i];
                    let total = covered.saturating_sub(hw[i]);
                    let (less, more) = (total / 2, total - total / 2);
                    let (begin, end) = if auto == AutoPad::SameUpper { (less, more) } else { (more, less) };
                    window.pads[i] = begin;
                    window.pads[i + 2] = end;
                }
            }
        }
        Ok(window)
    }

    /// Extent of the dilated kernel.
    #[must_use]
    pub fn extent(&self) -> [usize; 2] {
        [0, 1].map(|i| (self.kernel[i] - 1).saturating_mul(self.dilation[i]).saturating_add(1))
    }

    /// Extent of the output along each axis. With `ceil`, a last window may reach beyond the padding, as long as
    /// it starts inside the input or the padding before it.
    pub fn out_hw(&self, hw: [usize; 2], ceil: bool) -> Result<[usize; 2], Cause> {
        let mut out = [0; 2];
        for i in 0..2 {
            let padded = hw[i] + self.pads[i] + self.pads[i + 2];
            let room = padded.checked_sub(self.extent()[i]).ok_or_else(|| {
                Cause::malformed(format!(
                    "a window of {:?} does not fit into {hw:?} with its padding",
                    self.extent()
                ))
            })?;
            out[i] = if ceil { room.div_ceil(self.stride[i]) + 1 } else { room / self.stride[i] + 1 };
            if ceil && (out[i] - 1) * self.stride[i] >= hw[i] + self.pads[i] {
                out[i] -= 1;
            }
        }
        Ok(out)
    }
}
