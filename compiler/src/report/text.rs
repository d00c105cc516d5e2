//! The report for a terminal.

use super::{Report, bytes, seconds};
use picc_passes::egraph::saved_columns;
use std::fmt::Write;

const BAR: usize = 40;

/// The report as lines of text, with bars of `#` (chosen) and `.` (what rewriting saved).
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}, program {}, profile {}", report.model, &report.digest[..16], report.profile);
    for line in &report.learns {
        let _ = writeln!(out, "  {line}");
    }
    for note in &report.notes {
        let _ = writeln!(out, "  note: {note}");
    }
    if let Some(before) = report.before {
        let _ = writeln!(
            out,
            "without rewriting  {}, {} rounds, {}",
            bytes(before.bytes),
            before.rounds,
            seconds(before.seconds)
        );
    }
    let after = report.after;
    let _ = writeln!(
        out,
        "predicted          {} ({} of it OT extension), {} rounds, {}",
        bytes(after.bytes),
        bytes(report.extension_bytes),
        after.rounds,
        seconds(after.seconds)
    );
    if let Some(run) = &report.measured {
        let total = run.total;
        let _ = writeln!(
            out,
            "measured ({})  {} with setup, {} rounds, {}; bytes and rounds {}",
            run.network,
            bytes(total.bytes),
            total.rounds,
            seconds(total.seconds),
            if run.as_predicted { "as predicted" } else { "NOT as predicted" }
        );
    }
    let layers = &report.layers;
    let largest =
        layers.iter().map(|l| l.after.bytes.max(l.before.map_or(0, |b| b.bytes))).max().unwrap_or(1).max(1);
    let width = layers.iter().map(|l| l.name.chars().count()).max().unwrap_or(0).min(40);
    for layer in layers {
        let cells = |n: u64| (n as f64 / largest as f64 * BAR as f64).round() as usize;
        let (chosen, before) = (cells(layer.after.bytes), layer.before.map_or(0, |b| cells(b.bytes)));
        let bar = "#".repeat(chosen) + &".".repeat(before.saturating_sub(chosen));
        let name: String = layer.name.chars().take(width).collect();
        let _ = writeln!(
            out,
            "{name:<width$} {bar:<BAR$} {:>10} {:>4} rounds {:>9}  {}",
            bytes(layer.after.bytes),
            layer.after.rounds,
            seconds(layer.after.seconds),
            layer.protocols.join(", ")
        );
    }
    for rule in report.rules.iter().filter(|r| r.chosen > 0) {
        let [bytes, rounds, seconds] = saved_columns(rule.saved.as_ref());
        let _ = writeln!(
            out,
            "rule {:<26} {:<11} chosen {:>4}, saved {bytes} B, {rounds} rounds, {seconds} s",
            rule.name,
            rule.family.name(),
            rule.chosen
        );
    }
    out
}
