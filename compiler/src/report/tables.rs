//! The tables of the page: cost by layer, a run beside its prediction, rules.

use super::html::{agreement, escape};
use super::{Layer, Report, bytes, seconds};
use picc_passes::egraph::{RuleReport, Totals, saved_columns};
use std::fmt::Write;

fn percent(part: f64, of: f64) -> String {
    if of > 0.0 { format!("{:.1} %", 100.0 * part / of) } else { String::new() }
}

/// Every layer with its share of the whole, and what adds up to it.
pub(super) fn layers(out: &mut String, report: &Report) {
    let all = |pick: fn(&Totals) -> f64| {
        let of = |l: &Layer| {
            [Some(l.after), l.before, l.measured].into_iter().flatten().map(|t| pick(&t)).fold(0.0, f64::max)
        };
        report.layers.iter().map(of).fold(f64::MIN_POSITIVE, f64::max)
    };
    let most = (all(|t| t.bytes as f64), all(|t| t.seconds));
    let key = |class: &str, what: &str| format!("<span><i class=\"{class}\"></i>{what}</span>");
    let before = if report.before.is_some() { key("b", "without rewriting") } else { String::new() };
    let run = if report.measured.is_some() { key("m", "measured, own messages") } else { String::new() };
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<h2>Cost by layer</h2>\n<p class=\"key small\">{before}{}{}{run}</p>\n<div class=\"scroll\">\n\
         <table class=\"layers\">\n<colgroup><col style=\"width:25%\"><col style=\"width:8%\"><col style=\"width:6%\">\
         <col style=\"width:13%\"><col style=\"width:6%\"><col style=\"width:7%\"><col style=\"width:6%\">\
         <col style=\"width:12%\"><col></colgroup>\n<thead><tr><th class=\"left\">layer</th><th>bytes</th><th>of all</th>\
         <th></th><th>rounds</th><th>time</th><th>of all</th><th></th><th class=\"left\">rules</th></tr></thead>\n<tbody>",
        key("a", "chosen, predicted: own messages"),
        key("e", "its share of the OT extension"),
    );
    for layer in &report.layers {
        row(out, report, layer, most);
    }
    out.push_str("</tbody>\n<tfoot>\n");
    let mut foot = |class: &str, name: &str, t: Totals, whole: bool| {
        let (share, time) = if whole {
            (percent(t.bytes as f64, report.after.bytes as f64), percent(t.seconds, report.after.seconds))
        } else {
            (String::new(), String::new())
        };
        let _ = writeln!(
            out,
            "<tr class=\"{class}\"><td class=\"left wrap\">{name}</td><td>{}</td><td class=\"small\">{share}</td><td></td>\
             <td>{}</td><td>{}</td><td class=\"small\">{time}</td><td></td><td></td></tr>",
            bytes(t.bytes),
            t.rounds,
            seconds(t.seconds),
        );
    };
    foot("", "the request, flights and headers of the OT extension", report.rest(), true);
    foot("sum", "one inference", report.after, true);
    if let Some(before) = report.before {
        foot("", "one inference without rewriting", before, false);
    }
    foot("", "setup, once a session", report.setup, false);
    out.push_str("</tfoot>\n</table>\n</div>\n");
}

fn row(out: &mut String, report: &Report, layer: &Layer, (most_bytes, most_seconds): (f64, f64)) {
    let chart = |pick: fn(&Totals) -> f64, most: f64| {
        let bar = |class: &str, t: Option<Totals>| {
            let percent = t.map_or(0.0, |t| pick(&t) / most * 100.0);
            if percent > 0.0 {
                format!("<i class=\"{class}\" style=\"width:{percent:.2}%\"></i>")
            } else {
                String::new()
            }
        };
        let (before, own) = (bar("b", layer.before), bar("a", Some(layer.own)));
        let (after, run) = (bar("e", Some(layer.after)), bar("m", layer.measured));
        format!("<div class=\"bar\">{before}</div><div class=\"bar\">{after}{own}{run}</div>")
    };
    let ring = layer.ring_bits.map(|b| format!(", {b} bits")).unwrap_or_default();
    let what = if layer.protocols.is_empty() {
        "sends nothing any more".to_owned()
    } else {
        format!("{} {}{ring}: {}", layer.kind, layer.shape, layer.protocols.join(", "))
    };
    let _ = writeln!(
        out,
        "<tr{}><td class=\"left wrap\">{}<span class=\"small\">{}</span></td><td>{}</td><td class=\"small\">{}</td>\
         <td class=\"bars\">{}</td><td>{}</td><td>{}</td><td class=\"small\">{}</td><td class=\"bars\">{}</td>\
         <td class=\"left small wrap\">{}</td></tr>",
        if layer.protocols.is_empty() { " class=\"idle\"" } else { "" },
        escape(&layer.name),
        escape(&what),
        bytes(layer.after.bytes),
        percent(layer.after.bytes as f64, report.after.bytes as f64),
        chart(|t| t.bytes as f64, most_bytes),
        layer.after.rounds,
        seconds(layer.after.seconds),
        percent(layer.after.seconds, report.after.seconds),
        chart(|t| t.seconds, most_seconds),
        escape(&layer.chain.join(" > ")),
    );
}

/// A run beside what was predicted for it: the same session in both columns.
pub(super) fn measured(out: &mut String, report: &Report) {
    let (Some(run), Some(session)) = (&report.measured, report.session) else { return };
    let many =
        if run.inferences == 1 { "1 inference".to_owned() } else { format!("{} inferences", run.inferences) };
    let _ = writeln!(
        out,
        "<h2>Measured beside predicted</h2>\n<p class=\"small\">The same session in both: setup, {many}, end. Bytes and \
         rounds are {}. Seconds are those of the client, waiting included; predictions leave out the setup's base \
         OTs.</p>\n<div class=\"scroll\">\n<table class=\"plain\">\n<thead><tr><th class=\"left\">part</th>\
         <th>predicted bytes</th><th>measured</th><th>predicted rounds</th><th>measured</th><th>predicted time</th>\
         <th>measured</th></tr></thead>\n<tbody>",
        agreement(run.as_predicted)
    );
    for (name, predicted, taken) in parts(report, session) {
        let cells = |show: &dyn Fn(&Totals) -> String| {
            format!("<td>{}</td><td>{}</td>", show(&predicted), taken.as_ref().map_or("-".to_owned(), show))
        };
        let _ = writeln!(
            out,
            "<tr><td class=\"left\">{name}</td>{}{}{}</tr>",
            cells(&|t| bytes(t.bytes)),
            cells(&|t| t.rounds.to_string()),
            cells(&|t| seconds(t.seconds))
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

/// Parts of a measured session: what was predicted, and what it took where the run says it.
pub(super) fn parts(report: &Report, session: Totals) -> Vec<(&'static str, Totals, Option<Totals>)> {
    let Some(run) = &report.measured else { return Vec::new() };
    let times = |t: Totals| Totals {
        bytes: t.bytes * run.inferences,
        rounds: t.rounds * run.inferences,
        seconds: t.seconds * run.inferences as f64,
        ..t
    };
    let own = times(report.layers.iter().fold(Totals::default(), |sum, l| sum + l.own));
    let layers = times(report.layers.iter().filter_map(|l| l.measured).fold(Totals::default(), |sum, m| sum + m));
    let extension = times(report.extension);
    let less = |whole: Totals, part: Totals| Totals {
        bytes: whole.bytes.saturating_sub(part.bytes),
        rounds: whole.rounds.saturating_sub(part.rounds),
        seconds: (whole.seconds - part.seconds).max(0.0),
        ..whole
    };
    let rest = run.setup.zip(run.extension).map(|(setup, made)| less(run.total, setup + made + layers));
    vec![
        ("setup", report.setup, run.setup),
        ("OT extension", extension, run.extension),
        ("messages of the layers", own, Some(layers)),
        ("requests and end", less(session, report.setup + extension + own), rest),
        ("whole session", session, Some(run.total)),
    ]
}

/// Rules that were chosen, and folded, those that changed nothing.
pub(super) fn rules(out: &mut String, report: &Report) {
    if report.rules.is_empty() {
        return;
    }
    let (chosen, idle): (Vec<&RuleReport>, Vec<&RuleReport>) = report.rules.iter().partition(|r| r.chosen > 0);
    let stop = report.stop.as_deref().map(escape).unwrap_or_default();
    let _ = writeln!(
        out,
        "<h2>Rules</h2>\n<p class=\"small\">Search: {stop}. Saved: against the best program without them.</p>"
    );
    rule_table(out, &chosen);
    if !idle.is_empty() {
        let plural = if idle.len() == 1 { "1 rule".to_owned() } else { format!("{} rules", idle.len()) };
        let _ = writeln!(out, "<details>\n<summary>{plural} that changed nothing</summary>");
        rule_table(out, &idle);
        out.push_str("</details>\n");
    }
}

fn rule_table(out: &mut String, rules: &[&RuleReport]) {
    if rules.is_empty() {
        out.push_str("<p>None was chosen.</p>\n");
        return;
    }
    out.push_str(
        "<div class=\"scroll\">\n<table class=\"plain\">\n<thead><tr><th class=\"left\">rule</th>\
         <th class=\"left\">family</th><th class=\"left\">class</th><th>matched</th><th>fired</th><th>chosen</th>\
         <th>saved bytes</th><th>rounds</th><th>seconds</th></tr></thead>\n<tbody>\n",
    );
    for rule in rules {
        let [bytes, rounds, seconds] = saved_columns(rule.saved.as_ref());
        let _ = writeln!(
            out,
            "<tr><td class=\"left wrap\">{}<span class=\"small\">{}</span></td><td class=\"left\">{}</td>\
             <td class=\"left\">{:?}</td><td>{}</td><td>{}</td><td>{}</td><td>{bytes}</td><td>{rounds}</td>\
             <td>{seconds}</td></tr>",
            escape(&rule.name),
            escape(&rule.says),
            rule.family.name(),
            rule.class,
            rule.matched,
            rule.fired,
            rule.chosen,
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}
