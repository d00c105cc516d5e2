//! The model as a picture: a box for each stop of the data, top to bottom, and lines along it.

use super::html::escape;
use super::{Report, Stop, bytes, seconds};
use std::fmt::Write;

const WIDTH: usize = 264;
const HEIGHT: usize = 50;
/// A local step is lower.
const LOCAL: usize = 34;
const GAP: [usize; 2] = [24, 24];
/// Between two lines beside the boxes.
const LANE: usize = 12;

/// Where a stop is drawn.
#[derive(Clone, Copy)]
struct Place {
    x: usize,
    y: usize,
    height: usize,
}

/// An SVG drawing of the stops.
pub fn svg(report: &Report) -> String {
    let stops = &report.flow;
    if stops.is_empty() {
        return String::new();
    }
    let levels = levels(stops);
    let mut slots = vec![0usize; levels.iter().copied().max().unwrap_or(0) + 1];
    let mut at = Vec::with_capacity(stops.len());
    for (stop, &level) in stops.iter().zip(&levels) {
        let slot = &mut slots[level];
        let height = if stop.layer.is_some() { HEIGHT } else { LOCAL };
        let top = GAP[1] + level * (HEIGHT + GAP[1]) + (HEIGHT - height) / 2;
        at.push(Place { x: GAP[0] + *slot * (WIDTH + GAP[0]), y: top, height });
        *slot += 1;
    }
    let boxes = GAP[0] + slots.iter().copied().max().unwrap_or(1) * (WIDTH + GAP[0]);
    let lanes = lanes(stops, &levels);
    let count = lanes.iter().map(|l| l.lane + 1).max().unwrap_or(0);
    let (w, h) = (boxes + count * LANE + GAP[0] / 2, GAP[1] + slots.len() * (HEIGHT + GAP[1]));
    let mut out = format!(
        "<svg class=\"flow\" role=\"img\" aria-label=\"dataflow\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">\n"
    );
    // Writing to a string cannot fail.
    for (i, stop) in stops.iter().enumerate() {
        for &from in stop.reads.iter().filter(|&&from| levels[i] == levels[from] + 1) {
            let (x0, x1) = (at[from].x + WIDTH / 2, at[i].x + WIDTH / 2);
            let (y0, y1) = (at[from].y + at[from].height, at[i].y);
            let middle = usize::midpoint(y0, y1);
            let _ = writeln!(out, "<path d=\"M{x0} {y0} C{x0} {middle} {x1} {middle} {x1} {y1}\"/>");
        }
    }
    for line in &lanes {
        let (from, to, x) = (at[line.from], at[line.to], boxes + line.lane * LANE);
        let (x0, x1) = (from.x + WIDTH, to.x + WIDTH);
        // A little apart, where a stop both ends one line and begins the next.
        let (y0, y1) = (from.y + from.height * 2 / 3, to.y + to.height / 3);
        let _ = writeln!(out, "<path class=\"skip\" d=\"M{x0} {y0} H{x} V{y1} H{x1}\"/>");
    }
    let largest = report.layers.iter().map(|l| l.after.seconds).fold(f64::MIN_POSITIVE, f64::max);
    for (stop, place) in stops.iter().zip(&at) {
        draw(&mut out, report, stop, *place, largest);
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, report: &Report, stop: &Stop, Place { x, y, height }: Place, largest: f64) {
    let layer = stop.layer.and_then(|l| report.layers.get(l));
    let (title, rect, what, cost) = match layer {
        Some(layer) => {
            let heat = (layer.after.seconds / largest * 45.0).round();
            let ring = layer.ring_bits.map(|b| format!(", {b} bits")).unwrap_or_default();
            (
                layer.protocols.join(", "),
                format!("style=\"fill:color-mix(in srgb, var(--after) {heat}%, var(--page))\""),
                format!("{} {}{ring}", layer.kind, layer.shape),
                format!(
                    "{}, {} rounds, {}",
                    bytes(layer.after.bytes),
                    layer.after.rounds,
                    seconds(layer.after.seconds)
                ),
            )
        }
        None => (
            "local".to_owned(),
            "class=\"local\"".to_owned(),
            format!("{} {}", stop.kind, stop.shape),
            String::new(),
        ),
    };
    let _ = write!(
        out,
        "<g><title>{}: {}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{height}\" rx=\"4\" {rect}/>",
        escape(&stop.name),
        escape(&title)
    );
    for (i, (line, class)) in [(shortened(&stop.name), ""), (what, " class=\"small\""), (cost, " class=\"small\"")]
        .into_iter()
        .enumerate()
        .filter(|(_, (line, _))| !line.is_empty())
    {
        let _ = write!(out, "<text{class} x=\"{}\" y=\"{}\">{}</text>", x + 8, y + 14 + i * 14, escape(&line));
    }
    out.push_str("</g>\n");
}

/// Row of each stop: below everything that it reads.
fn levels(stops: &[Stop]) -> Vec<usize> {
    let mut levels: Vec<usize> = Vec::with_capacity(stops.len());
    for stop in stops {
        levels.push(stop.reads.iter().map(|&f| levels[f] + 1).max().unwrap_or(0));
    }
    levels
}

/// A line that passes other rows by, beside the boxes.
struct Lane {
    from: usize,
    to: usize,
    lane: usize,
}

/// Lines over more than one row, each in the first lane that is free along it.
fn lanes(stops: &[Stop], levels: &[usize]) -> Vec<Lane> {
    let mut lines: Vec<(usize, usize)> = Vec::new();
    for (to, stop) in stops.iter().enumerate() {
        lines.extend(stop.reads.iter().filter(|&&from| levels[to] > levels[from] + 1).map(|&from| (from, to)));
    }
    // Short lines stay near the boxes.
    lines.sort_by_key(|&(from, to)| (levels[to] - levels[from], levels[from], from));
    let mut taken: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut placed = Vec::new();
    for (from, to) in lines {
        let (top, bottom) = (levels[from], levels[to]);
        let free = |rows: &Vec<(usize, usize)>| rows.iter().all(|&(a, b)| bottom <= a || b <= top);
        let lane = taken.iter().position(free).unwrap_or(taken.len());
        if lane == taken.len() {
            taken.push(Vec::new());
        }
        taken[lane].push((top, bottom));
        placed.push(Lane { from, to, lane });
    }
    placed
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(reads: &[usize]) -> Stop {
        Stop { layer: None, name: String::new(), kind: "add", shape: String::new(), reads: reads.to_vec() }
    }

    /// Two skip connections one after the other share a lane, one around both gets its own.
    #[test]
    fn lines_that_overlap_get_lanes_of_their_own() {
        let stops = [stop(&[]), stop(&[0]), stop(&[0, 1]), stop(&[2]), stop(&[0, 2, 3])];
        let levels = levels(&stops);
        assert_eq!(levels, [0, 1, 2, 3, 4]);
        let lanes: Vec<_> = lanes(&stops, &levels).iter().map(|l| (l.from, l.to, l.lane)).collect();
        assert_eq!(lanes, [(0, 2, 0), (2, 4, 0), (0, 4, 1)]);
    }
}
