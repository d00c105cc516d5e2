//! The report as one HTML file: no script, no request, readable without style.

use super::tables;
use super::{Report, bytes, dataflow, seconds};
use picc_passes::egraph::Totals;
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");

/// The whole page.
#[must_use]
pub fn html(report: &Report) -> String {
    let model = escape(&report.model);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>\n{STYLE}</style>\n\
         <title>{model}: cost of private inference</title>\n</head>\n<body>\n"
    );
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<h1>{model}</h1>\n<p class=\"pale\">Private inference under profile {}. Program {}.</p>",
        escape(&report.profile),
        &report.digest[..16]
    );
    figures(&mut out, report);
    facts(&mut out, report);
    tables::layers(&mut out, report);
    tables::measured(&mut out, report);
    let picture = dataflow::svg(report);
    if !picture.is_empty() {
        let _ = writeln!(
            out,
            "<h2>Dataflow</h2>\n<p class=\"small\">Every layer that sends something, bluer the longer it takes, and \
             the local steps in which results of several layers meet. Dashed lines pass layers by.</p>\n\
             <div class=\"scroll tall\">\n{picture}</div>"
        );
    }
    tables::rules(&mut out, report);
    out.push_str("</body>\n</html>\n");
    out
}

fn figures(out: &mut String, report: &Report) {
    out.push_str("<div class=\"figures\">\n");
    let mut figure = |what: &str, value: &str, more: &str| {
        let _ = writeln!(
            out,
            "<div><span class=\"pale\">{what}</span><b>{value}</b><span class=\"small\">{more}</span></div>"
        );
    };
    let after = report.after;
    let was = |pick: fn(&Totals) -> f64, show: &dyn Fn(&Totals) -> String| match &report.before {
        Some(before) if pick(before) == pick(&after) => "the same without rewriting".to_owned(),
        Some(before) => {
            format!("{} without rewriting ({:.2}x)", show(before), pick(before) / pick(&after).max(1e-12))
        }
        None => String::new(),
    };
    figure("bytes of one inference", &bytes(after.bytes), &was(|t| t.bytes as f64, &|t| bytes(t.bytes)));
    figure("its rounds", &after.rounds.to_string(), &was(|t| t.rounds as f64, &|t| t.rounds.to_string()));
    figure("its time, predicted", &seconds(after.seconds), &was(|t| t.seconds, &|t| seconds(t.seconds)));
    let extension = report.extension;
    let part = 100.0 * extension.bytes as f64 / after.bytes.max(1) as f64;
    figure("OT extension", &bytes(extension.bytes), &format!("{part:.0} % of the bytes, within them"));
    let setup = report.setup;
    figure("setup", &bytes(setup.bytes), &format!("once a session, {} rounds", setup.rounds));
    figure(
        "memory",
        &bytes(report.memory[0]),
        &format!("at the client; {} at the server", bytes(report.memory[1])),
    );
    if let (Some(run), Some(session)) = (&report.measured, &report.session) {
        figure(
            "measured session",
            &seconds(run.total.seconds),
            &format!(
                "{} predicted; network {}; bytes and rounds {}",
                seconds(session.seconds),
                escape(&run.network),
                agreement(run.as_predicted)
            ),
        );
    }
    out.push_str("</div>\n");
}

/// Whether a run took what was said.
pub(super) fn agreement(as_predicted: bool) -> &'static str {
    if as_predicted { "as predicted" } else { "NOT as predicted" }
}

fn facts(out: &mut String, report: &Report) {
    out.push_str("<div class=\"facts\">\n");
    for section in &report.sections {
        let _ = writeln!(out, "<section>\n<h2>{}</h2>\n<ul>", section.title);
        for line in &section.lines {
            let _ = writeln!(out, "<li>{}</li>", escape(&sentence(line)));
        }
        out.push_str("</ul>\n</section>\n");
    }
    out.push_str("</div>\n");
}

/// A line of `picc inspect` as a sentence.
pub(super) fn sentence(line: &str) -> String {
    let mut chars = line.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if line.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// Text for an element or an attribute: names come from strangers' models.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
