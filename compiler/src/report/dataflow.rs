//! The model as a picture: a box for each layer that costs something, top to bottom, and lines along the data.

use super::html::escape;
use super::{Layer, Report, bytes, seconds};
use std::fmt::Write;

const WIDTH: usize = 260;
const HEIGHT: usize = 34;
const GAP: [usize; 2] = [24, 26];

/// An SVG drawing of the layers with messages.
pub fn svg(report: &Report) -> String {
    let kept: Vec<usize> = (0..report.layers.len()).filter(|&i| !report.layers[i].protocols.is_empty()).collect();
    if kept.is_empty() {
        return String::new();
    }
    let levels = levels(&report.layers);
    let mut slots = vec![0usize; kept.iter().map(|&i| levels[i]).max().unwrap_or(0) + 1];
    let mut at = vec![(0, 0); report.layers.len()];
    for &i in &kept {
        let slot = &mut slots[levels[i]];
        at[i] = (GAP[0] + *slot * (WIDTH + GAP[0]), GAP[1] + (levels[i] - 1) * (HEIGHT + GAP[1]));
        *slot += 1;
    }
    let columns = slots.iter().copied().max().unwrap_or(1);
    let (w, h) = (GAP[0] + columns * (WIDTH + GAP[0]), GAP[1] + (slots.len() - 1) * (HEIGHT + GAP[1]));
    let mut out = format!(
        "<svg class=\"flow\" role=\"img\" aria-label=\"dataflow\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">\n"
    );
    let largest = kept.iter().map(|&i| report.layers[i].after.seconds).fold(f64::MIN_POSITIVE, f64::max);
    // Writing to a string cannot fail.
    for &i in &kept {
        for &from in &report.layers[i].reads {
            let ((x0, y0), (x1, y1)) = (at[from], at[i]);
            let (x0, x1, y0) = (x0 + WIDTH / 2, x1 + WIDTH / 2, y0 + HEIGHT);
            let middle = usize::midpoint(y0, y1);
            let _ = writeln!(out, "<path d=\"M{x0} {y0} C{x0} {middle} {x1} {middle} {x1} {y1}\"/>");
        }
    }
    for &i in &kept {
        let layer = &report.layers[i];
        let (x, y) = at[i];
        let heat = (layer.after.seconds / largest * 70.0).round();
        let _ = writeln!(
            out,
            "<g><title>{}: {}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"4\" \
             style=\"fill:color-mix(in srgb, var(--after) {heat}%, var(--page))\"/>\
             <text x=\"{}\" y=\"{}\">{}</text><text class=\"small\" x=\"{}\" y=\"{}\">{} | {}</text></g>",
            escape(&layer.name),
            escape(&layer.protocols.join(", ")),
            x + 8,
            y + 14,
            escape(&shortened(&layer.name)),
            x + 8,
            y + 28,
            bytes(layer.after.bytes),
            seconds(layer.after.seconds),
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Row of each layer, from 1: below everything that it reads.
fn levels(layers: &[Layer]) -> Vec<usize> {
    let mut levels: Vec<usize> = Vec::with_capacity(layers.len());
    for layer in layers {
        levels.push(1 + layer.reads.iter().map(|&f| levels[f]).max().unwrap_or(0));
    }
    levels
}

/// The end of a long name tells more than its beginning.
fn shortened(name: &str) -> String {
    const CHARS: usize = 36;
    let count = name.chars().count();
    if count <= CHARS {
        return name.to_owned();
    }
    format!("..{}", name.chars().skip(count - CHARS + 2).collect::<String>())
}
