//! The report for a terminal.

use super::html::{agreement, sentence};
use super::{Report, bytes, seconds, tables};
use picc_passes::egraph::{Totals, saved_columns};
use std::fmt::Write;

const BAR: usize = 40;

/// The report as lines of text, with bars of `#` (chosen) and `.` (what rewriting saved).
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}, program {}, profile {}", report.model, &report.digest[..16], report.profile);
    for section in &report.sections {
        let _ = writeln!(out, "{}", section.title);
        for line in &section.lines {
            let _ = writeln!(out, "  {}", sentence(line));
        }
    }
    out.push_str("\nOne inference\n");
    let whole = |t: Totals| format!("{:>10} {:>4} rounds {:>9}", bytes(t.bytes), t.rounds, seconds(t.seconds));
    if let Some(before) = report.before {
        let _ = writeln!(out, "  without rewriting  {}", whole(before));
    }
    let extension = bytes(report.extension.bytes);
    let _ = writeln!(out, "  predicted          {}, {extension} of it OT extension", whole(report.after));
    if let (Some(run), Some(session)) = (&report.measured, report.session) {
        let _ = writeln!(
            out,
            "\nMeasured session ({}, {} inference{}): bytes and rounds {}",
            run.network,
            run.inferences,
            if run.inferences == 1 { "" } else { "s" },
            agreement(run.as_predicted)
        );
        for (name, predicted, taken) in tables::parts(report, session) {
            let taken = taken.map_or_else(|| "not said".to_owned(), whole);
            let _ = writeln!(out, "  {name:<22} predicted {}   measured {taken}", whole(predicted));
        }
    }
    layers(&mut out, report);
    rules(&mut out, report);
    out
}

fn layers(out: &mut String, report: &Report) {
    let layers = &report.layers;
    let largest =
        layers.iter().map(|l| l.after.bytes.max(l.before.map_or(0, |b| b.bytes))).max().unwrap_or(1).max(1);
    let width = layers.iter().map(|l| l.name.chars().count()).max().unwrap_or(0).min(40);
    out.push_str("\nCost by layer (# chosen, . saved by rewriting)\n");
    for layer in layers {
        let cells = |n: u64| (n as f64 / largest as f64 * BAR as f64).round() as usize;
        let (chosen, before) = (cells(layer.after.bytes), layer.before.map_or(0, |b| cells(b.bytes)));
        let bar = "#".repeat(chosen) + &".".repeat(before.saturating_sub(chosen));
        let name: String = layer.name.chars().take(width).collect();
        let ring = layer.ring_bits.map(|b| format!(", {b} bits")).unwrap_or_default();
        let what = if layer.protocols.is_empty() {
            "sends nothing any more".to_owned()
        } else {
            format!("{} ({}{ring})", layer.protocols.join(", "), layer.shape)
        };
        let _ = writeln!(
            out,
            "{name:<width$} {bar:<BAR$} {:>10} {:>5.1} % {:>4} rounds {:>9}  {what}",
            bytes(layer.after.bytes),
            100.0 * layer.after.bytes as f64 / report.after.bytes.max(1) as f64,
            layer.after.rounds,
            seconds(layer.after.seconds),
        );
    }
    let rest = report.rest();
    let _ = writeln!(
        out,
        "and {}, {} rounds, {} for the request, flights and headers of the OT extension",
        bytes(rest.bytes),
        rest.rounds,
        seconds(rest.seconds)
    );
}

fn rules(out: &mut String, report: &Report) {
    let idle = report.rules.iter().filter(|r| r.chosen == 0).count();
    if report.rules.is_empty() {
        return;
    }
    out.push_str("\nRules\n");
    for rule in report.rules.iter().filter(|r| r.chosen > 0) {
        let [bytes, rounds, seconds] = saved_columns(rule.saved.as_ref());
        // Without a protocol there is no program to compare with.
        let saved = if rule.saved.is_some() {
            format!(", saved {bytes} B, {rounds} rounds, {seconds} s")
        } else {
            String::new()
        };
        let _ = writeln!(out, "  {:<26} {:<11} chosen {:>4}{saved}", rule.name, rule.family.name(), rule.chosen);
    }
    let _ = writeln!(out, "  {idle} more changed nothing");
}
