//! Linearization (SNL, DELPHI's planner): channels whose ReLU matters least become straight lines, under a public mask.

use super::mask::Kind;
use super::moments::Moments;
use super::sites::Site;

/// The line that fits one channel best, and its squared error: any line if the layer before takes it in, else the
/// value itself or nothing, which cost no product.
pub(super) fn channel(site: &Site, m: &Moments) -> (Kind, f64) {
    let free = if m.zero_error() < m.identity_error() {
        (Kind::Zero, m.zero_error())
    } else {
        (Kind::Identity, m.identity_error())
    };
    let (line, error) = m.line();
    let fitted = Kind::Line { slope: line.slope as f32, offset: line.offset as f32 };
    if site.before.is_some() && error < free.1 { (fitted, error) } else { free }
}
