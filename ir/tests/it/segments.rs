//! Lists of segments that are refused.

use crate::support::{client, fix};
use picc_ir::kernel::construct::Lanes;
use picc_ir::mpc::{ReluOt, Reveal, Share};
use picc_ir::ops::{Add, Input, Neg};
use picc_ir::segment::{Segment, SegmentError, Work, check, is_protocol, memory, one_each, timeline};
use picc_ir::{Graph, Id, Party};

/// `%1 = share, %2 = neg, %3 = relu(%1), %4 = neg(%3), %5 = %4 + %2, %6 = relu(%1), %7 = %5 + %6, %8 = reveal`
fn graph() -> Graph {
    let mut g = Graph::default();
    let mut add = |op: picc_ir::Op, args: &[u32]| {
        let args: Vec<Id> = args.iter().map(|&a| Id(a)).collect();
        g.add(op, &args, "").expect("typed");
    };
    add(Input { name: "x".into(), ty: client(&[8], fix(32, 4, -64, 64)) }.into(), &[]);
    add(Share {}.into(), &[0]);
    add(Neg {}.into(), &[1]);
    add(ReluOt::exact(4).into(), &[1]);
    add(Neg {}.into(), &[3]);
    add(Add {}.into(), &[4, 2]);
    add(ReluOt::exact(4).into(), &[1]);
    add(Add {}.into(), &[5, 6]);
    add(Reveal { to: Party::Client }.into(), &[7]);
    g.outputs.push(("y".into(), Id(8)));
    g
}

fn list(segments: &[&[u32]]) -> Vec<Segment> {
    segments.iter().map(|s| Segment { nodes: s.iter().map(|&id| Id(id)).collect() }).collect()
}

fn refused(segments: &[&[u32]]) -> SegmentError {
    check(&graph(), &list(segments)).expect_err("refused")
}

#[test]
fn good_lists_are_placed() {
    let g = graph();
    let placed = check(&g, &list(&[&[1, 2], &[4, 5], &[7]])).expect("valid");
    assert_eq!(placed.after, [None, Some(Id(3)), Some(Id(6))]);
    assert_eq!(placed.following(None), 0..1);
    assert_eq!(placed.following(Some(Id(3))), 1..2);
    assert_eq!(placed.following(Some(Id(8))), 3..3);
    assert_eq!(check(&g, &one_each(&g)).expect("valid").after.len(), 5);
    check(&g, &list(&[&[1], &[2, 4, 5, 7]])).expect("later than need be");
    assert!(is_protocol(&g, Id(8)) && !is_protocol(&g, Id(0)));
}

#[test]
fn bad_lists_are_refused() {
    assert_eq!(refused(&[&[1, 2], &[], &[4, 5], &[7]]), SegmentError::Empty { segment: 1 });
    assert_eq!(refused(&[&[2, 1], &[4, 5], &[7]]), SegmentError::Order { segment: 0 });
    assert_eq!(refused(&[&[1, 1, 2], &[4, 5], &[7]]), SegmentError::Order { segment: 0 });
    assert_eq!(refused(&[&[1, 2], &[4, 5], &[7, 99]]), SegmentError::Unknown { segment: 2, id: Id(99) });
    assert_eq!(refused(&[&[0, 1, 2], &[4, 5], &[7]]), SegmentError::NotLocal { segment: 0, id: Id(0) });
    assert_eq!(refused(&[&[1, 2], &[3, 4, 5], &[7]]), SegmentError::NotLocal { segment: 1, id: Id(3) });
    assert_eq!(refused(&[&[1, 2], &[4, 5], &[5, 7]]), SegmentError::Twice { id: Id(5) });
    assert_eq!(refused(&[&[1, 2], &[4, 5]]), SegmentError::InNone { id: Id(7) });
    assert_eq!(refused(&[&[2], &[1], &[4, 5], &[7]]), SegmentError::Later { segment: 0, later: 1 });
    assert_eq!(refused(&[&[1], &[4, 7], &[2, 5]]), SegmentError::Later { segment: 1, later: 2 });
    let unsorted = SegmentError::Unsorted { segment: 2, before: Some(Id(3)), after: None };
    assert_eq!(refused(&[&[1], &[4], &[2], &[5], &[7]]), unsorted);
    // Out of the segment through %3 and back into it.
    assert_eq!(refused(&[&[1, 2, 4, 5], &[7]]), SegmentError::TooLate { id: Id(3), segment: 0 });
}

#[test]
fn the_timeline_says_what_and_frees_when() {
    let g = graph();
    let segments = list(&[&[1, 2], &[4, 5], &[7]]);
    let events = timeline(&g, &segments, &check(&g, &segments).expect("valid"));
    let said: Vec<(Work, Vec<u32>)> =
        events.iter().map(|e| (e.work, e.frees.iter().map(|id| id.0).collect())).collect();
    let expect = [
        (Work::Own(Id(0)), vec![]),
        (Work::Segment(0), vec![0]),
        (Work::Protocol(Id(3)), vec![]),
        (Work::Segment(1), vec![2, 3]),
        (Work::Protocol(Id(6)), vec![1]),
        (Work::Segment(2), vec![5, 6]),
        (Work::Protocol(Id(8)), vec![7]),
    ];
    assert_eq!(said, expect);
}

/// Values of 8 elements and 4 bytes: `%1` and `%2` wait for the first protocol, whose result joins them.
#[test]
fn memory_is_that_of_the_widest_moment() {
    let g = graph();
    let segments = list(&[&[1, 2], &[4, 5], &[7]]);
    let placed = check(&g, &segments).expect("valid");
    let narrow = memory(&g, &segments, &placed, Lanes::Narrow);
    assert_eq!((narrow.peak, narrow.total), (4 * 32, 6 * 32));
    assert_eq!(memory(&g, &segments, &placed, Lanes::Wide).peak, 2 * narrow.peak);
}
