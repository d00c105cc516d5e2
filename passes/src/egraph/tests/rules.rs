//! Every rule of the table, on random graphs that it matches: the two sides mean the same, to the bit or to the bound.

use super::left_sides::left_side;
use super::ring_graph::Ring;
use crate::egraph::emit::{Emitted, Emitter};
use crate::egraph::language::Enode;
use crate::egraph::rules::{ErrorClass, Expr, Offer, Rule, rules};
use crate::egraph::saturate::{Grown, RuleOptions};
use picc_ir::Graph;
use picc_ir::eval::{Value, run_ring};
use picc_ir::op::Op;
use picc_ir::weights::RingWeights;
use picc_ir::{Elem, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

const SEEDS: u64 = 24;

/// What lets `rule` fire: some do in exact programs only.
fn options(rule: &Rule) -> RuleOptions {
    let exact = matches!(rule.offer, Offer::ExactLayers(..));
    RuleOptions { priced_only: true, exact, ..RuleOptions::default() }
}

/// The graphs that `rule` makes of `left`, one for each statement.
fn right_sides(rule: &Rule, left: &Ring) -> Vec<Emitted> {
    let import = || Grown::import(&left.graph, &options(rule)).unwrap();
    let index = import().rules.iter().position(|r| r.name == rule.name).unwrap();
    let found = import().search(&[index]);
    found
        .into_iter()
        .map(|(_, of, class, expr)| {
            let mut grown = import();
            // Statements name classes of an equal e-graph: importing is deterministic.
            let mut choice: HashMap<egg::Id, Enode> = HashMap::new();
            let originals: Vec<(egg::Id, Enode)> = left
                .graph
                .iter()
                .filter(|(_, n)| !matches!(n.op, Op::Assume(_)))
                .map(|(id, n)| {
                    let args: Vec<egg::Id> = n.args.iter().map(|a| grown.class[a.index()]).collect();
                    (grown.class[id.index()], Enode::new(n.op.clone(), &args))
                })
                .collect();
            grown.state(index, &of, class, &expr);
            grown.eg.rebuild();
            let eg = &grown.eg;
            for (c, n) in &originals {
                choice.entry(eg.find(*c)).or_insert_with(|| n.canonical(eg));
            }
            let chosen = choose(&expr, &grown, &mut choice);
            let own = match &expr {
                Expr::Class(x) => originals.iter().find(|(c, _)| c == x).unwrap().1.canonical(eg),
                Expr::Apply(..) => chosen.unwrap(),
            };
            choice.insert(eg.find(class), own);
            let names: Vec<String> = left.graph.nodes.iter().map(|n| n.name.clone()).collect();
            let of_node = |id: picc_ir::Id| eg.find(grown.class[id.index()]);
            let outputs: Vec<_> = left.graph.outputs.iter().map(|(n, id)| (n.clone(), of_node(*id))).collect();
            Emitter::new(eg, &choice, &names, &left.weights).emit(&[], &outputs, false).unwrap()
        })
        .collect()
}

/// Chooses the nodes of an expression for their classes; the node of its root.
fn choose(expr: &Expr, grown: &Grown, choice: &mut HashMap<egg::Id, Enode>) -> Option<Enode> {
    let Expr::Apply(op, args) = expr else { return None };
    let class_of = |e: &Expr, choice: &mut HashMap<egg::Id, Enode>| match e {
        Expr::Class(id) => grown.eg.find(*id),
        Expr::Apply(..) => {
            let node = choose(e, grown, choice).unwrap();
            let class = grown.eg.find(grown.eg.lookup(node.clone()).unwrap());
            choice.entry(class).or_insert(node);
            class
        }
    };
    let args: Vec<egg::Id> = args.iter().map(|a| class_of(a, choice)).collect();
    Some(Enode::new(op.clone(), &args))
}

/// Outputs; every value on the way lies in the range that its type states.
fn run(
    graph: &Graph,
    weights: &RingWeights,
    inputs: &BTreeMap<String, Tensor<i64>>,
    rule: &str,
) -> Vec<Tensor<i64>> {
    let mut check = |id: picc_ir::Id, value: &Value| {
        if let (Elem::Fixed(f), Value::Ring(t)) = (graph.ty(id).elem, value) {
            let bad = t.data.iter().find(|v| !(f.lo..=f.hi).contains(v));
            assert!(bad.is_none(), "{rule}: {bad:?} is not in {}\n{graph}", graph.ty(id));
        }
    };
    let out = run_ring(graph, inputs, weights, &mut check).unwrap_or_else(|e| panic!("{rule}: {e}\n{graph}"));
    out.into_iter().map(|(_, v)| v.as_ring().unwrap().clone()).collect()
}

#[test]
fn both_sides_mean_the_same() {
    for rule in rules() {
        let mut statements = 0;
        for seed in 0..SEEDS {
            let mut left = left_side(rule.name, seed).unwrap_or_else(|| panic!("no left side for `{}`", rule.name));
            let rights = right_sides(rule, &left);
            statements += rights.len();
            for _ in 0..2 {
                let inputs = left.inputs();
                let expected = run(&left.graph, &left.weights, &inputs, rule.name);
                for right in &rights {
                    let got = run(&right.graph, &right.weights, &inputs, rule.name);
                    compare(rule, &left.graph, &right.graph, &expected, &got);
                }
            }
        }
        assert!(statements > 0, "`{}` matches none of its left sides", rule.name);
    }
}

fn compare(rule: &Rule, left: &Graph, right: &Graph, expected: &[Tensor<i64>], got: &[Tensor<i64>]) {
    let bound = match rule.class {
        ErrorClass::Exact => 0,
        ErrorClass::Ulp(n) => u64::from(n),
        ErrorClass::Approx | ErrorClass::Retrain => return,
    };
    for ((e, g), (_, id)) in expected.iter().zip(got).zip(&left.outputs) {
        assert_eq!(e.shape, g.shape);
        let bits = left.ty(*id).as_fixed().unwrap().ring_bits;
        for (a, b) in e.data.iter().zip(&g.data) {
            // Differences are modulo the ring.
            let off = picc_ir::ty::wrap(a.wrapping_sub(*b), bits).unsigned_abs();
            assert!(off <= bound, "`{}`: {a} became {b}\n{left}\nbecame\n{right}", rule.name);
        }
    }
}

/// Without a fact there is no rewrite.
#[test]
fn unknown_conditions_are_false() {
    let matches = |rule: &str, known: &str, unknown: &str| {
        let count = |text: &str| {
            let graph: Graph = text.parse().unwrap();
            let row = rules().find(|r| r.name == rule).unwrap();
            let mut grown = Grown::import(&graph, &options(row)).unwrap();
            let index = grown.rules.iter().position(|r| r.name == rule).unwrap();
            grown.search(&[index]).len()
        };
        assert!(count(known) > 0, "{rule} does not match\n{known}");
        assert_eq!(count(unknown), 0, "{rule} matches\n{unknown}");
    };
    let one = |range: &str, op: &str| {
        format!(
            "%0 = input {{\"name\":\"x\"}} : client [1x2x4x4] fix24.6 {range}\n%1 = share %0\n%2 = {op} %1\noutput \"y\" %2\n"
        )
    };
    let full = "[-8388608, 8388607]";
    let pair = |rule: &str, range: &str, unknown: &str, op: &str| matches(rule, &one(range, op), &one(unknown, op));
    pair("relu_of_nonnegative", "[0, 100]", "[-1, 100]", "relu");
    pair("relu_of_nonpositive", "[-100, 0]", "[-100, 1]", "relu");
    pair("compare_on_short_ring", "[-100, 100]", full, "relu");
    pair("trunc_on_short_ring", "[-100, 100]", full, r#"trunc_reduce {"shift":3}"#);
    let two = |range: &str, a: &str, b: &str| {
        one(range, a).replace("output \"y\" %2", &format!("%3 = {b} %2\noutput \"y\" %3"))
    };
    let pair = |rule: &str, known: &str, unknown: &str, a: &str, b: &str| {
        matches(rule, &two(known, a, b), &two(unknown, a, b));
    };
    let trunc = r#"trunc_reduce {"shift":3}"#;
    pair("trunc_after_relu", "[-100, 100]", full, trunc, "relu");
    pair(
        "extend_of_reduce",
        "[-100, 100]",
        "[-200, 100]",
        r#"reduce {"ring_bits":8}"#,
        r#"extend {"ring_bits":24}"#,
    );
    let extended = r#"extend {"ring_bits":30}"#;
    pair("relu_rescale_ot", "[-100, 100]", full, "relu", extended);
    let product = |second: &str| {
        let other = r#"%2 = input {"name":"y"} : client [1x2x4x4] fix24.6 [-100, 100]"#;
        one("[-100, 100]", "mul").replace(
            "%2 = mul %1\noutput \"y\" %2",
            &format!("{other}\n%3 = share %2\n%4 = mul %1 {second}\noutput \"y\" %4"),
        )
    };
    // Two inputs of one type are two values.
    for rule in ["square_ot_client", "square_ot_server"] {
        matches(rule, &product("%1"), &product("%3"));
    }
    let pool = r#"sum_pool {"kernel":[2,2],"stride":[2,2],"pads":[0,0,0,0],"dilation":[1,1]}"#;
    pair("sum_before_extend", "[-100, 100]", full, r#"extend {"ring_bits":30}"#, pool);
}

/// The text of both sides, blessed in `filetests/rewrites`.
#[test]
fn filetests() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests").join("rewrites");
    for rule in rules() {
        let left =
            (0..SEEDS).filter_map(|seed| left_side(rule.name, seed)).find(|l| !right_sides(rule, l).is_empty());
        let Some(left) = left else { panic!("`{}` matches none of its left sides", rule.name) };
        let right = &right_sides(rule, &left)[0];
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&dir);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_description(format!("{:?}: {}", rule.class, rule.says));
        settings.bind(|| insta::assert_snapshot!(rule.name, format!("{}# becomes\n{}", left.graph, right.graph)));
    }
}
