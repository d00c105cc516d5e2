//! The text form: snapshots, round trips, errors, hostile texts.

use crate::random;
use crate::support::{Seeded, secure_graph};
use picc_ir::Graph;
use picc_ir::text::parse;
use std::collections::BTreeSet;

#[test]
fn a_program_prints() {
    insta::assert_snapshot!(secure_graph().to_string());
}

#[test]
fn random_graphs_round_trip() {
    let mut r = Seeded(10);
    let mut operators = BTreeSet::new();
    for _ in 0..400 {
        let g = random::graph(&mut r, 25);
        operators.extend(g.nodes.iter().map(|n| n.op.name()));
        let text = g.to_string();
        let parsed = parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(parsed, g, "\n{text}");
        assert_eq!(parsed.to_string(), text);
    }
    assert_eq!(operators.len(), 55, "every operator occurs: {operators:?}");
}

/// Types may be left out, comments and blank lines are skipped.
#[test]
fn texts_may_be_terse() {
    let text = "
        # two inputs
        %0 = input {\"name\":\"a\"} : client [2] real
        %1 = input {\"name\":\"b\"} : client [2, 1]x real
    ";
    assert!(parse(text).is_err());
    let text = text.replace("[2, 1]x", "[2x1]") + "\n%2 = add %0 %1\n%3 = neg %2 ; name \"n\"\noutput \"y\" %3";
    let g: Graph = text.parse().expect("parses");
    assert_eq!(g.nodes[3].ty.to_string(), "client [2x2] real");
    assert_eq!(g.nodes[3].name, "n");
}

#[test]
fn errors_name_the_line_and_the_cause() {
    let first = "%0 = input {\"name\":\"x\"} : client [2] fix8.0 [-5, 5]\n";
    for (line, message) in [
        ("%2 = neg %0", "expected %1, found %2"),
        ("%1 = neg %1", "%1 is not defined before %1"),
        ("%1 = negate %0", "unknown operator `negate`"),
        ("%1 = neg", "neg: neg takes Exactly(1) arguments, got 0"),
        ("%1 = neg {\"x\":1} %0", "neg has no attribute `x`"),
        (
            "%1 = neg %0 : client [2] fix8.0 [-5, 4]",
            "stated type `client [2] fix8.0 [-5, 4]` is not the inferred `client [2] fix8.0 [-5, 5]`",
        ),
        ("%1 = neg %0 : nobody [2] real", "expected an owner at `nobody [2] real`"),
        ("%1 = neg %0 : client [2] rea", "expected `real` or `fix` at `rea`"),
        ("%1 = neg %0 : client [2", "expected `x` at end of line"),
        ("%1 = neg %0 : client [99999999999999999999] real", "expected a number at `99999999999999999999`"),
        ("%1 = neg %0 ; nam \"n\"", "expected `name` at `nam \"n\"`"),
        ("%1 = neg %0 !", "unexpected `!`"),
        ("%1 = shl {\"bits\":300} %0", "shl: invalid value: integer `300`, expected u8"),
        ("%1 = input : client [2] real", "input: missing field `name`"),
        ("%1 = input {\"name\":\"y\"} : client [0] real", "input: shape [0] has an empty axis"),
        ("%1 = input {\"name\":\"y\"} : client [2] fix70.0 [0, 1]", "input: a ring has 1 to 64 bits, not 70"),
        (
            "%1 = slice {\"start\":[0],\"size\":[3],\"step\":[1]} %0",
            "slice: slice of 3 from 0 by 1 leaves axis 0 of client [2] fix8.0 [-5, 5]",
        ),
        ("output \"y\" %1", "%1 is not defined"),
        ("output y %0", "expected a string at `y %0`"),
        ("outputs %0", "expected `%` at `outputs %0`"),
    ] {
        let error = parse(&format!("{first}\n{line}\n")).expect_err(line);
        assert_eq!(error.to_string(), format!("line 3: {message}"));
    }
}

/// Whatever the text, parsing ends with a graph or an error.
#[test]
fn mutated_texts_never_panic() {
    let mut r = Seeded(11);
    let seeds: Vec<Vec<u8>> = (0..20).map(|_| random::graph(&mut r, 12).to_string().into_bytes()).collect();
    for _ in 0..6000 {
        let mut text = seeds[r.within(0, seeds.len() - 1)].clone();
        for _ in 0..r.within(1, 4) {
            let at = r.within(0, text.len().max(1) - 1);
            match r.within(0, 3) {
                0 if at < text.len() => text[at] = r.next() as u8 & 0x7f,
                1 if at < text.len() => drop(text.remove(at)),
                0..=2 => text.insert(at, b"0123456789-%[]{}\",x:;"[r.within(0, 20)]),
                _ => text.truncate(at),
            }
        }
        if let Ok(text) = String::from_utf8(text)
            && let Ok(g) = parse(&text)
        {
            assert_eq!(parse(&g.to_string()).as_ref(), Ok(&g));
        }
    }
}
