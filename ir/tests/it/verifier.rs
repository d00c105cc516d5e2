//! Rejections: each invariant has a graph that breaks it, and it alone.

use crate::random;
use crate::support::{Seeded, client, fix, secure_graph, server};
use picc_ir::mpc::{MulOt, Reveal, Share};
use picc_ir::ops::{Add, Const, ConstValue, Conv, Dequantize, Input, Mul, Relu, Softmax, TruncReduce, Weight};
use picc_ir::text::parse;
use picc_ir::verify::{Violation, who_learns};
use picc_ir::{Fixed, Graph, Id, Op, Owner, Party, Stage, Ty, verify};

fn violations(g: &Graph, stage: Stage) -> Vec<String> {
    verify(g, stage).map_or_else(|v| v.iter().map(ToString::to_string).collect(), |()| Vec::new())
}

fn only(g: &Graph, stage: Stage, expected: &str) {
    assert_eq!(violations(g, stage), [expected], "\n{g}");
}

const F: Fixed = Fixed { ring_bits: 32, frac_bits: 4, lo: -64, hi: 64 };

/// `%0` input, `%1` its share, `%2` weight, all `[2]`.
fn start() -> Graph {
    let mut g = Graph::default();
    let mut add = |op: Op, args: &[Id]| g.add(op, args, "").expect("typed");
    let x = add(Input { name: "x".into(), ty: client(&[2], F) }.into(), &[]);
    add(Share {}.into(), &[x]);
    add(Weight { name: "w".into(), ty: server(&[2], F) }.into(), &[]);
    g
}

fn add(g: &mut Graph, op: impl Into<Op>, args: &[Id]) -> Id {
    g.add(op, args, "").expect("typed")
}

fn output(g: &mut Graph, id: Id) {
    g.outputs.push(("y".into(), id));
}

const X: Id = Id(0);
const SHARED: Id = Id(1);
const W: Id = Id(2);
const REVEAL: Reveal = Reveal { to: Party::Client };

#[test]
fn programs_of_each_stage_are_accepted() {
    assert_eq!(verify(&secure_graph(), Stage::Mpc), Ok(()));
    let mut g = start();
    let product = add(&mut g, Mul {}, &[SHARED, W]);
    let relu = add(&mut g, Relu {}, &[product]);
    let short = add(&mut g, TruncReduce { shift: 4 }, &[relu]);
    let y = add(&mut g, REVEAL, &[short]);
    let real = add(&mut g, Dequantize {}, &[y]);
    let y = add(&mut g, Softmax { axis: 0 }, &[real]);
    output(&mut g, y);
    assert_eq!(verify(&g, Stage::Ring), Ok(()));
    let mut g = Graph::default();
    let x = add(&mut g, Input { name: "x".into(), ty: Ty::real(&[1, 1, 3, 3], Owner::Client) }, &[]);
    let w = add(&mut g, Weight { name: "w".into(), ty: Ty::real(&[1, 1, 3, 3], Owner::Server) }, &[]);
    let y = add(&mut g, Conv { stride: [1, 1], pads: [0; 4], dilation: [1, 1], groups: 1 }, &[x, w]);
    let y = add(&mut g, Softmax { axis: 1 }, &[y]);
    output(&mut g, y);
    assert_eq!(verify(&g, Stage::Real), Ok(()));
}

#[test]
fn arguments_come_first_and_exist() {
    let mut g = secure_graph();
    g.nodes[4].args[0] = Id(5);
    assert!(
        violations(&g, Stage::Mpc).contains(&"%4 relu.ot (`r`): argument %5 does not come before it".to_owned())
    );
    g.nodes[4].args[0] = Id(4_000_000_000);
    g.nodes[6].args[0] = Id(6);
    let found = violations(&g, Stage::Mpc);
    assert!(found.contains(&"%4 relu.ot (`r`): argument %4000000000 does not come before it".to_owned()));
    assert!(
        found.contains(&"%6 reveal (`o`): argument %6 does not come before it".to_owned()),
        "all are collected"
    );
}

#[test]
fn arity_is_checked() {
    let mut g = secure_graph();
    g.nodes[4].args.push(Id(3));
    only(&g, Stage::Mpc, "%4 relu.ot (`r`): relu.ot takes Exactly(1) arguments, got 2");
}

#[test]
fn stated_types_are_the_inferred_ones() {
    let mut g = secure_graph();
    g.nodes[5].ty.elem = picc_ir::Elem::Fixed(fix(28, 4, 0, 495));
    let found = violations(&g, Stage::Mpc);
    let expected = "%5 trunc_reduce.faithful (`t`): stated type `shared [1x2x1x1] fix28.4 [0, 495]` is not the inferred `shared [1x2x1x1] fix28.4 [0, 496]`";
    assert_eq!(found[0], expected);
}

#[test]
fn impossible_types_do_no_harm() {
    let mut g = secure_graph();
    g.nodes[3].ty.shape = [usize::MAX, usize::MAX, 0, 7].into_iter().collect();
    assert!(!violations(&g, Stage::Mpc).is_empty());
    g = secure_graph();
    g.nodes[3].ty.elem = picc_ir::Elem::Fixed(fix(0, 255, 5, -5));
    assert!(!violations(&g, Stage::Mpc).is_empty());
}

#[test]
fn names_are_unambiguous() {
    let mut g = start();
    let w = add(&mut g, Weight { name: "w".into(), ty: server(&[1], F) }, &[]);
    let sum = add(&mut g, Add {}, &[SHARED, w]);
    let y = add(&mut g, REVEAL, &[sum]);
    output(&mut g, y);
    only(&g, Stage::Mpc, "%3 weight (``): weight `w` is declared with another type elsewhere");
    let mut g = secure_graph();
    g.outputs[1].0 = "logits".into();
    only(&g, Stage::Mpc, "two outputs are called `logits`");
}

#[test]
fn outputs_exist() {
    let mut g = secure_graph();
    g.outputs.push(("z".into(), Id(99)));
    only(&g, Stage::Mpc, "output `z` is %99, which is not in the graph");
    let mut g = start();
    g.outputs.clear();
    only(&g, Stage::Mpc, "the graph has no output");
}

#[test]
fn real_graphs_say_what_over_the_reals() {
    let mut g = start();
    output(&mut g, SHARED);
    let found = violations(&g, Stage::Real);
    assert!(found.contains(&"%0 input (``): not allowed in a real graph: a fixed-point value".to_owned()));
    assert!(found.contains(&"%1 share (``): not allowed in a real graph: it says how, not what".to_owned()));
}

#[test]
fn ring_graphs_hold_no_protocol() {
    only_stage(Stage::Ring, |g| add(g, MulOt {}, &[SHARED, W]), "it says how, not what");
}

#[test]
fn mpc_graphs_compute_on_shares_by_protocols_only() {
    let protocol = "a shared value needs a protocol";
    only_stage(Stage::Mpc, |g| add(g, Relu {}, &[SHARED]), protocol);
    only_stage(Stage::Mpc, |g| add(g, TruncReduce { shift: 1 }, &[SHARED]), protocol);
    let product = "a product of two secrets needs a protocol";
    only_stage(Stage::Mpc, |g| add(g, Mul {}, &[SHARED, W]), product);
    only_stage(Stage::Mpc, |g| add(g, Mul {}, &[SHARED, SHARED]), product);
    only_stage(Stage::Mpc, |g| add(g, Mul {}, &[X, W]), product);
}

/// Adds one node with an owner that is revealed afterwards.
fn only_stage(stage: Stage, node: impl FnOnce(&mut Graph) -> Id, why: &str) {
    let mut g = start();
    let id = node(&mut g);
    let y = add(&mut g, REVEAL, &[id]);
    output(&mut g, y);
    let at = format!("%{} {} (``)", id.0, g.node(id).op.name());
    only(&g, stage, &format!("{at}: not allowed in a {stage} graph: {why}"));
}

#[test]
fn products_with_the_public_and_within_one_party_are_local() {
    let mut g = start();
    let two = Const { ty: Ty::fixed(&[1], fix(32, 0, 2, 2), Owner::Public), value: ConstValue::Int(vec![2]) };
    let two = add(&mut g, two, &[]);
    let double = add(&mut g, Mul {}, &[SHARED, two]);
    let own = add(&mut g, Mul {}, &[X, X]);
    let own = add(&mut g, Relu {}, &[own]);
    let y = add(&mut g, REVEAL, &[double]);
    let z = add(&mut g, Mul {}, &[y, own]);
    output(&mut g, z);
    assert_eq!(verify(&g, Stage::Mpc), Ok(()));
}

#[test]
fn only_the_client_computes_over_the_reals() {
    let mut g = start();
    let w = add(&mut g, Weight { name: "r".into(), ty: Ty::real(&[2], Owner::Server) }, &[]);
    let y = add(&mut g, REVEAL, &[SHARED]);
    let y = add(&mut g, Dequantize {}, &[y]);
    output(&mut g, y);
    let at = format!("%{} weight (``)", w.0);
    only(
        &g,
        Stage::Mpc,
        &format!("{at}: not allowed in a mpc graph: only the client computes over the reals, on what it knows"),
    );
}

#[test]
fn a_weight_is_no_output() {
    for stage in [Stage::Mpc, Stage::Ring] {
        let mut g = start();
        output(&mut g, W);
        only(&g, stage, "output `y` belongs to Server: it is not revealed to the client");
    }
}

#[test]
fn a_shared_value_is_no_output() {
    let mut g = start();
    output(&mut g, SHARED);
    only(&g, Stage::Mpc, "output `y` belongs to Shared: it is not revealed to the client");
}

/// The type rules already refuse to reveal a weight; the flow rules do so on their own when types lie.
#[test]
fn weights_and_shares_do_not_flow_to_the_client() {
    for (arg, from) in [(W, "Server"), (SHARED, "Shared")] {
        for (owner, to) in [(Owner::Client, "Client"), (Owner::Public, "Public")] {
            let mut g = start();
            let y = add(&mut g, Add {}, &[arg, arg]);
            g.nodes[y.index()].ty.owner = owner;
            output(&mut g, y);
            let leak = format!("%3 add (``): information of {from} flows to {to}");
            assert!(violations(&g, Stage::Mpc).contains(&leak));
        }
    }
    let mut g = start();
    let y = add(&mut g, REVEAL, &[SHARED]);
    g.nodes[y.index()].args[0] = W;
    output(&mut g, y);
    let found = violations(&g, Stage::Mpc);
    assert!(found.contains(&"%3 reveal (``): information of Server flows to Client".to_owned()), "{found:?}");
}

#[test]
fn nothing_reaches_the_server() {
    for (arg, from) in [(X, "Client"), (SHARED, "Shared")] {
        let mut g = start();
        let y = add(&mut g, Add {}, &[arg, arg]);
        g.nodes[y.index()].ty.owner = Owner::Server;
        output(&mut g, y);
        let leak = format!("%3 add (``): information of {from} flows to Server");
        assert!(violations(&g, Stage::Mpc).contains(&leak));
    }
    let mut g = start();
    let y = add(&mut g, REVEAL, &[SHARED]);
    g.nodes[y.index()].op = Reveal { to: Party::Server }.into();
    output(&mut g, y);
    only(&g, Stage::Mpc, "%3 reveal (``): nothing is revealed to the server");
}

#[test]
fn sources_keep_their_owner() {
    let mut g = start();
    g.nodes[W.index()].ty.owner = Owner::Public;
    let y = add(&mut g, Add {}, &[X, W]);
    output(&mut g, y);
    let found = violations(&g, Stage::Mpc);
    assert!(found.contains(&"%2 weight (``): information of Server flows to Public".to_owned()), "{found:?}");
}

#[test]
fn what_is_revealed_does_not_flow_back() {
    let mut g = start();
    let y = add(&mut g, REVEAL, &[SHARED]);
    let again = add(&mut g, Share {}, &[y]);
    let z = add(&mut g, REVEAL, &[again]);
    output(&mut g, z);
    only(&g, Stage::Mpc, "%4 share (``): a value that was revealed flows back into the protocol");
    let mut g = start();
    let y = add(&mut g, REVEAL, &[SHARED]);
    let sum = add(&mut g, Add {}, &[y, W]);
    let z = add(&mut g, REVEAL, &[sum]);
    output(&mut g, z);
    only(&g, Stage::Mpc, "%4 add (``): a value that was revealed flows back into the protocol");
}

#[test]
fn every_reveal_is_declared() {
    let mut g = start();
    let y = add(&mut g, REVEAL, &[SHARED]);
    output(&mut g, y);
    let more = add(&mut g, Add {}, &[SHARED, W]);
    let second = add(&mut g, REVEAL, &[more]);
    only(&g, Stage::Mpc, "%5 reveal (``): reveals a value that no declared output needs");
    let _ = add(&mut g, Dequantize {}, &[second]);
    assert_eq!(violations(&g, Stage::Mpc).len(), 2, "a dead tail declares nothing");
}

#[test]
fn everybody_is_told_what_is_learned() {
    let lines: Vec<String> = who_learns(&secure_graph()).iter().map(|(p, l)| format!("{p}: {l}")).collect();
    assert_eq!(lines, ["client: `o`, client [1x2x1x1] fix28.4 [0, 496], for `logits`, `p`", "server: nothing"]);
}

#[test]
fn violations_are_data() {
    let mut g = start();
    output(&mut g, SHARED);
    let found = verify(&g, Stage::Mpc).expect_err("refused");
    assert_eq!(found, [Violation::OutputOwner { output: "y".into(), owner: Owner::Shared }]);
}

/// Whatever graph parses, verification ends; and what typed well has no structural violation.
#[test]
fn random_graphs_verify_or_are_refused() {
    let mut r = Seeded(30);
    for _ in 0..300 {
        let mut g = random::graph(&mut r, 20);
        for stage in [Stage::Real, Stage::Ring, Stage::Mpc] {
            for v in verify(&g, stage).err().unwrap_or_default() {
                let structural = matches!(
                    v,
                    Violation::ArgumentOrder { .. } | Violation::Untyped { .. } | Violation::WrongType { .. }
                );
                assert!(!structural, "{v}\n{g}");
            }
        }
        // Damage it: any verdict will do.
        for _ in 0..20 {
            let at = r.within(0, g.nodes.len() - 1);
            let other = g.nodes[r.within(0, g.nodes.len() - 1)].clone();
            match r.within(0, 3) {
                0 => g.nodes[at].ty = other.ty,
                1 => g.nodes[at].op = other.op,
                2 => g.nodes[at].args = other.args,
                _ => g.nodes[at].args.iter_mut().for_each(|a| *a = Id(r.next() as u32 % 40)),
            }
            for stage in [Stage::Real, Stage::Ring, Stage::Mpc] {
                let _ = verify(&g, stage);
            }
        }
    }
}

#[test]
fn a_text_with_a_shared_output_is_refused() {
    let g = parse(
        "%0 = input {\"name\":\"x\"} : client [2] fix8.0 [-5, 5]\n%1 = share %0\n%2 = add %1 %1\noutput \"y\" %2",
    );
    only(&g.expect("parses"), Stage::Mpc, "output `y` belongs to Shared: it is not revealed to the client");
}
