//! The report of a small residual network: its text, the structure of its page, and that it compares like with like.

mod builder;

use builder::Builder;
use picc_compiler::onnx::{ExternalData, Options as Import, import};
use picc_compiler::report::{Known, Measured, Report, html, text};
use picc_ir::Tensor;
use picc_ir::cost::profile::Profile;
use picc_ir::mpc::schedule::program_cost;
use picc_ir::program::{Layout, Preprocess};
use picc_passes::{Compiled, Options, compile};
use std::collections::BTreeMap;

/// Weights of mixed signs that are the same everywhere.
fn values(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 % 17) as f32 - 8.0) / 16.0).collect()
}

/// conv1 - relu1 - conv2 - add - relu2 - head, with a skip connection from relu1 to add.
fn model() -> Builder {
    let model = Builder::new(13).input("image", &[1, 1, 6, 6]);
    let model = model.weight("w1", &[4, 1, 3, 3], &values(36)).weight("w2", &[4, 4, 3, 3], &values(144));
    let model = model.weight("w3", &[144, 3], &values(432));
    let model = model.node("Conv", &["image", "w1"], &["conv1"]).ints("pads", &[1, 1, 1, 1]);
    let model = model.node("Relu", &["conv1"], &["relu1"]);
    let model = model.node("Conv", &["relu1", "w2"], &["conv2"]).ints("pads", &[1, 1, 1, 1]);
    let model = model.node("Add", &["conv2", "relu1"], &["add"]).node("Relu", &["add"], &["relu2"]);
    model.node("Flatten", &["relu2"], &["flat"]).node("MatMul", &["flat", "w3"], &["scores"]).output("scores")
}

fn compiled(families: Option<&str>) -> Compiled {
    let imported = import(&model().bytes(), &ExternalData::default(), &Import::default()).unwrap();
    let one = |seed: usize| {
        let data = (0..36).map(|i| ((i * seed) % 11) as f32 / 5.0 - 1.0).collect();
        BTreeMap::from([("image".to_owned(), Tensor::new(&[1, 1, 6, 6], data))])
    };
    let options = Options {
        model: "residual".to_owned(),
        profile: Some(Profile::lan()),
        families: families.map(|f| vec![f.to_owned()]),
        preprocess: Some(Preprocess {
            divisor: 255.0.into(),
            mean: vec![0.5.into()],
            std: vec![0.5.into()],
            layout: Layout::Nchw,
            bgr: false,
        }),
        labels: ["cat", "dog", "<neither>"].map(str::to_owned).to_vec(),
        ..Options::plain()
    };
    compile(&imported.graph, &imported.weights, &options, &[one(3), one(5)]).unwrap()
}

fn report(compiled: &Compiled, measured: Option<Measured>) -> Report {
    let prediction = compiled.report.prediction.as_ref().unwrap();
    let known = Known::of(compiled, 2);
    let explanation = compiled.explanation.as_ref();
    Report::new(&compiled.program, prediction, explanation, &known, None, measured).unwrap()
}

/// What a meter counts in a session of `n` inferences, as `pirun local --json` prints it.
fn run(compiled: &Compiled, n: u64) -> Measured {
    let cost = program_cost(&compiled.program).unwrap();
    let phase = |t: picc_ir::cost::Traffic| {
        serde_json::json!({"bytes_client_to_server": t.client_to_server, "bytes_server_to_client": t.server_to_client,
                           "rounds": t.rounds, "seconds": 0.5})
    };
    let times = |t: picc_ir::cost::Traffic| (0..n).map(|_| t).sum();
    let row = |(node, t): (&picc_ir::Node, &picc_ir::cost::Traffic)| {
        let mut row = phase(times(*t));
        row["name"] = node.name.as_str().into();
        row["op"] = node.op.name().into();
        row
    };
    let nodes: Vec<_> = compiled.program.graph.nodes.iter().zip(&cost.nodes).map(row).collect();
    let mut object = phase(cost.session(n));
    object["model"] = "residual".into();
    object["network"] = "lan".into();
    object["inferences"] = n.into();
    object["as_predicted"] = true.into();
    object["nodes"] = nodes.into();
    object["setup"] = phase(cost.setup);
    object["extension"] = phase(times(cost.extension));
    Measured::parse(&object.to_string()).unwrap()
}

/// The digest depends on every bit of the program.
fn stable(page: &str, report: &Report) -> String {
    page.replace(&report.digest[..16], "[digest]")
}

#[test]
fn before_and_after_of_one_program_are_equal() {
    let compiled = compiled(Some("protocol"));
    let report = report(&compiled, None);
    assert_eq!(report.before, Some(report.after), "nothing may be rewritten, so nothing is saved");
    for form in [html(&report), text(&report)] {
        assert!(!form.contains("-0.0"), "{form}");
    }
    assert!(html(&report).contains("the same without rewriting"));
}

#[test]
fn totals_are_those_of_the_meter_and_rows_add_up_to_them() {
    let compiled = compiled(None);
    let report = report(&compiled, None);
    let inference = compiled.report.cost.inference();
    assert_eq!((report.after.bytes, report.after.rounds), (inference.total(), inference.rounds));
    let explained = compiled.explanation.as_ref().unwrap().inference.unwrap();
    assert_eq!(explained.after, report.after);
    assert!(explained.before.seconds >= explained.after.seconds * 0.999, "{explained:?}");
    let sum = report.layers.iter().fold(report.rest(), |sum, layer| sum + layer.after);
    assert_eq!((sum.bytes, sum.rounds), (report.after.bytes, report.after.rounds));
    assert!(report.rest().bytes * 20 < report.after.bytes, "what no layer has is small: {:?}", report.rest());
    for alone in &compiled.explanation.as_ref().unwrap().alone {
        assert!(alone.inference.is_some_and(|i| i.rounds > alone.after.rounds), "{alone:?}");
    }
}

#[test]
fn a_run_is_compared_over_the_same_span() {
    let compiled = compiled(None);
    for inferences in [1, 3] {
        let report = report(&compiled, Some(run(&compiled, inferences)));
        let (measured, session) = (report.measured.as_ref().unwrap(), report.session.unwrap());
        assert_eq!((measured.total.bytes, measured.total.rounds), (session.bytes, session.rounds), "{inferences}");
        for layer in report.layers.iter().filter(|l| l.measured.is_some()) {
            let (own, taken) = (layer.own, layer.measured.unwrap());
            assert_eq!((own.bytes, own.rounds), (taken.bytes, taken.rounds), "{}", layer.name);
        }
        let page = html(&report);
        assert!(page.contains("Measured beside predicted") && page.contains("as predicted"), "{page}");
        assert!(!page.contains("NOT as predicted"));
    }
}

#[test]
fn skip_connections_are_drawn_past_the_layers_between() {
    let report = report(&compiled(None), None);
    let at = |name: &str| report.flow.iter().position(|s| s.name == name).unwrap_or_else(|| panic!("{name}"));
    let join = report.flow.iter().find(|s| s.layer.is_none()).expect("a sum of two layers' results");
    assert_eq!((join.kind, join.reads.len()), ("add", 2), "{join:?}");
    assert!(join.reads.contains(&at("relu1")) && join.reads.contains(&at("conv2")), "{join:?}");
    assert_eq!(html(&report).matches("class=\"skip\"").count(), 1);
}

#[test]
fn another_deployment_is_not_compared() {
    let compiled = compiled(None);
    let other = picc_passes::predict(&compiled.program, &Profile::mobile()).unwrap();
    let report =
        Report::new(&compiled.program, &other, compiled.explanation.as_ref(), &Known::default(), None, None);
    let report = report.unwrap();
    assert_eq!((report.before, report.rules.len()), (None, 0));
    assert!(!html(&report).contains("without rewriting"));
}

/// Elements of the page with their classes, one line each, runs of equal rows counted.
fn structure(page: &str) -> String {
    let body = page.split("<body>").nth(1).unwrap();
    let mut lines: Vec<(String, usize)> = Vec::new();
    for tag in body.split('<').skip(1).filter(|t| !t.starts_with('/')) {
        let name = tag.split([' ', '>', '\n']).next().unwrap();
        if !["h1", "h2", "section", "div", "table", "tfoot", "tr", "details", "summary", "svg", "g", "li"]
            .contains(&name)
        {
            continue;
        }
        let class =
            tag.split("class=\"").nth(1).filter(|_| tag.contains("class=")).and_then(|c| c.split('"').next());
        let title = if name.starts_with('h') { tag.split('>').nth(1).unwrap_or_default().trim() } else { "" };
        let line = format!("{name} {} {title}", class.unwrap_or_default()).trim_end().to_owned();
        match lines.last_mut() {
            Some((last, n)) if *last == line => *n += 1,
            _ => lines.push((line, 1)),
        }
    }
    let line = |(line, n): (String, usize)| if n > 1 { format!("{line} x{n}\n") } else { format!("{line}\n") };
    lines.into_iter().map(line).collect()
}

#[test]
fn the_text_and_the_structure_of_the_page() {
    let compiled = compiled(None);
    let report = report(&compiled, Some(run(&compiled, 2)));
    let (page, text) = (html(&report), text(&report));
    insta::assert_snapshot!("text", stable(&text, &report));
    insta::assert_snapshot!("structure", structure(&page));
    // Nothing is loaded, nothing runs, names stay text.
    for part in ["http:", "https:", "<script", "src=", "url(", "@import", "<neither>", "-0.0"] {
        assert!(!page.contains(part), "`{part}` in the page");
    }
    assert!(page.contains("&lt;neither&gt;") && page.contains("(pixel / 255 - 0.5) / 0.5"), "{page}");
    assert!(page.contains("<details>") && page.contains("changed nothing</summary>"), "{page}");
}
