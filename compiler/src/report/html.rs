//! The report as one HTML file: no script, no request, readable without style.

use super::{Layer, Report, bytes, dataflow, seconds};
use picc_passes::egraph::{Totals, saved_columns};
use std::fmt::Write;

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<meta name=\"viewport\" content=\"width=device-width\">
<style>
:root { --page: #fff; --ink: #1c2733; --pale: #5c6b7a; --line: #d8dfe6; --after: #1f6feb; --before: #c3d4ea;
  --measured: #d9480f; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14191f; --ink: #e3e9ef; --pale: #9aa8b5; --line: #303a44; --after: #4c8dff; --before: #2d405c;
    --measured: #ff8f4d; } }
body { background: var(--page); color: var(--ink); font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto;
  max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.pale, .small { color: var(--pale); fill: var(--pale); } .small { font-size: 11px; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .2rem .5rem; text-align: right;
  border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--pale); font-weight: 600; } .left { text-align: left; }
td.name { max-width: 14rem; overflow: hidden; text-overflow: ellipsis; }
table.layers { table-layout: fixed; } table.layers td.wrap { white-space: normal; }
.bar { position: relative; height: 6px; margin: 2px 0; }
.bar i { position: absolute; left: 0; top: 0; bottom: 0; border-radius: 2px; }
.bar .b { background: var(--before); } .bar .a { background: var(--after); }
.bar .m { background: var(--measured); top: 2px; bottom: 2px; }
.key i { display: inline-block; width: 1.2rem; height: 8px; border-radius: 2px; margin: 0 .3rem 0 1rem; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
.figures div { border: 1px solid var(--line); border-radius: 6px; padding: .6rem 1rem; min-width: 9rem; }
.figures b { display: block; font-size: 1.3rem; }
.scroll { overflow: auto; max-height: 44rem; border: 1px solid var(--line); border-radius: 6px; }
svg.flow path { fill: none; stroke: var(--pale); } svg.flow rect { stroke: var(--line); }
svg.flow text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg.flow text.small { font-size: 10px; }
</style>
";

/// The whole page.
#[must_use]
pub fn html(report: &Report) -> String {
    let mut out = HEAD.to_owned();
    let model = escape(&report.model);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "<title>{model}: cost of private inference</title>\n</head>\n<body>");
    let _ = writeln!(
        out,
        "<h1>{model}</h1>\n<p class=\"pale\">Private inference under profile {}. Program {}.</p>",
        escape(&report.profile),
        &report.digest[..16]
    );
    figures(&mut out, report);
    list(&mut out, "Who learns what", &report.learns);
    list(&mut out, "Notes", &report.notes);
    table(&mut out, report);
    let picture = dataflow::svg(report);
    if !picture.is_empty() {
        let _ = writeln!(out, "<h2>Dataflow</h2>\n<div class=\"scroll\">\n{picture}</div>");
    }
    rules(&mut out, report);
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
    let was = |pick: fn(&Totals) -> f64, show: &dyn Fn(&Totals) -> String| {
        let ratio =
            |b: &Totals| format!("{} without rewriting ({:.2}x)", show(b), pick(b) / pick(&after).max(1e-12));
        report.before.as_ref().map(ratio).unwrap_or_default()
    };
    figure("bytes", &bytes(after.bytes), &was(|t| t.bytes as f64, &|t| bytes(t.bytes)));
    figure("rounds", &after.rounds.to_string(), &was(|t| t.rounds as f64, &|t| t.rounds.to_string()));
    figure("predicted", &seconds(after.seconds), &was(|t| t.seconds, &|t| seconds(t.seconds)));
    figure("OT extension", &bytes(report.extension_bytes), "within the bytes");
    figure("setup", &bytes(report.setup_bytes), "once a session");
    figure("memory", &bytes(report.memory[0]), &format!("client; server {}", bytes(report.memory[1])));
    if let Some(run) = &report.measured {
        let agrees =
            if run.as_predicted { "bytes and rounds as predicted" } else { "bytes or rounds NOT as predicted" };
        figure("measured", &seconds(run.total.seconds), &format!("network: {}; {agrees}", escape(&run.network)));
    }
    out.push_str("</div>\n");
}

fn list(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "<h2>{title}</h2>\n<ul>");
    for line in lines {
        let _ = writeln!(out, "<li>{}</li>", escape(line));
    }
    out.push_str("</ul>\n");
}

fn table(out: &mut String, report: &Report) {
    let layers: Vec<&Layer> = report.layers.iter().collect();
    let all = |pick: fn(&Totals) -> f64| {
        let of = |l: &&Layer| {
            [Some(l.after), l.before, l.measured].into_iter().flatten().map(|t| pick(&t)).fold(0.0, f64::max)
        };
        layers.iter().map(of).fold(f64::MIN_POSITIVE, f64::max)
    };
    let (most_bytes, most_seconds) = (all(|t| t.bytes as f64), all(|t| t.seconds));
    let _ = writeln!(
        out,
        "<h2>Cost by layer</h2>\n<p class=\"key small\"><i style=\"background:var(--before)\"></i>without rewriting\
         <i style=\"background:var(--after)\"></i>chosen, predicted\
         <i style=\"background:var(--measured)\"></i>measured (messages of the layer, without OT extension)</p>\n\
         <table class=\"layers\">\n<colgroup><col style=\"width:16%\"><col style=\"width:12%\"><col style=\"width:8%\">\
         <col style=\"width:18%\"><col style=\"width:6%\"><col style=\"width:7%\"><col style=\"width:18%\">\
         <col></colgroup>\n<tr><th class=\"left\">layer</th><th class=\"left\">protocols</th><th>bytes</th><th></th>\
         <th>rounds</th><th>seconds</th><th></th><th class=\"left\">rules</th></tr>"
    );
    for layer in layers {
        let chart = |pick: fn(&Totals) -> f64, most: f64| {
            let bar = |class: &str, t: Option<Totals>| {
                let percent = t.map_or(0.0, |t| pick(&t) / most * 100.0);
                format!("<i class=\"{class}\" style=\"width:{percent:.2}%\"></i>")
            };
            let (before, after) = (bar("b", layer.before), bar("a", Some(layer.after)));
            format!("<div class=\"bar\">{before}</div><div class=\"bar\">{after}{}</div>", bar("m", layer.measured))
        };
        let _ = writeln!(
            out,
            "<tr><td class=\"left name\" title=\"{name}\">{name}</td><td class=\"left small wrap\">{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"left small wrap\">{}</td></tr>",
            escape(&layer.protocols.join(", ")),
            bytes(layer.after.bytes),
            chart(|t| t.bytes as f64, most_bytes),
            layer.after.rounds,
            seconds(layer.after.seconds),
            chart(|t| t.seconds, most_seconds),
            escape(&layer.chain.join(" > ")),
            name = escape(&layer.name),
        );
    }
    out.push_str("</table>\n");
}

fn rules(out: &mut String, report: &Report) {
    if report.rules.is_empty() {
        return;
    }
    let stop = report.stop.as_deref().map(escape).unwrap_or_default();
    let _ = writeln!(
        out,
        "<h2>Rules</h2>\n<p class=\"small\">{stop}</p>\n<table>\n<tr><th class=\"left\">rule</th>\
         <th class=\"left\">family</th><th class=\"left\">class</th><th>matched</th><th>fired</th><th>chosen</th>\
         <th>saved bytes</th><th>rounds</th><th>seconds</th></tr>"
    );
    for rule in report.rules.iter().filter(|r| r.matched + r.fired > 0) {
        let [bytes, rounds, seconds] = saved_columns(rule.saved.as_ref());
        let _ = writeln!(
            out,
            "<tr title=\"{}\"><td class=\"left\">{}</td><td class=\"left\">{}</td><td class=\"left\">{:?}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{bytes}</td><td>{rounds}</td><td>{seconds}</td></tr>",
            escape(&rule.says),
            escape(&rule.name),
            rule.family.name(),
            rule.class,
            rule.matched,
            rule.fired,
            rule.chosen,
        );
    }
    out.push_str("</table>\n");
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
