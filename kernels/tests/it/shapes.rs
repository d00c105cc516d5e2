//! Loops of every length and stride that code generation treats apart: blocks, overlaps, remainders, long sums, kernels
//! in place.

use crate::memory;
use picc_ir::kernel::{
    Access, Accumulator, Affine, BinaryOp, Buffer, CompareOp, Index, Inst, Kernel, Lane, Nest, Reg, ShiftOp, Step,
    interp, testing, verify::verify,
};
use picc_kernels::jit::Jit;

const LANES: [Lane; 3] = [Lane::U16, Lane::U32, Lane::U64];
const BINARY: [BinaryOp; 6] =
    [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::And, BinaryOp::Or, BinaryOp::Xor];

fn buffer(name: &str, lane: Lane, len: usize, access: Access) -> Buffer {
    Buffer { name: name.to_owned(), lane, len, access }
}

fn at(offset: i64, strides: &[i64]) -> Index {
    Index::Affine(Affine::new(offset, strides))
}

fn load(buffer: u32, index: Index) -> Inst {
    Inst::Load { buffer, index }
}

fn store(buffer: u32, index: Index, a: u32) -> Inst {
    Inst::Store { buffer, index, a: Reg(a) }
}

fn binary(op: BinaryOp, a: u32, b: u32) -> Inst {
    Inst::Binary { op, a: Reg(a), b: Reg(b) }
}

/// Compiles all kernels at once and compares each with the interpreter.
fn check(kernels: Vec<(String, Kernel)>) {
    let verified: Vec<_> = kernels
        .into_iter()
        .map(|(what, k)| {
            let v = verify(k).unwrap_or_else(|e| panic!("{what}: {e}"));
            (what, v)
        })
        .collect();
    let all: Vec<_> = verified.iter().map(|(_, k)| k).collect();
    let (codes, _) = Jit::with_cache(None).unwrap().compile(&all).unwrap();
    for ((what, kernel), code) in verified.iter().zip(&codes) {
        let mut expected = testing::memory(kernel, 7);
        let mut found = expected.clone();
        let mut in_parts = expected.clone();
        interp::run(kernel, &mut expected).unwrap();
        memory::run(code, kernel, &mut found).unwrap();
        assert!(found == expected, "{what}");
        memory::run_in_parts(code, kernel, &mut in_parts, 3).unwrap();
        assert!(in_parts == expected, "{what}, three parts");
        #[cfg(unix)]
        crate::guard::check(what, kernel, code);
    }
}

#[test]
fn every_length_and_stride() {
    let mut kernels = Vec::new();
    for lane in LANES {
        for n in (1..=40).chain([63, 64, 65, 129, 1000]) {
            for stride in [1, 2, 3] {
                let read = buffer("x", lane, (n - 1) * stride + 1, Access::Read);
                let finish = vec![
                    load(0, at(0, &[stride as i64])),
                    Inst::Const { lane, value: 3 },
                    binary(BinaryOp::Mul, 0, 1),
                    store(1, at(0, &[1]), 2),
                ];
                let nest = Nest { loops: [n as u32][..].into(), finish, ..Nest::default() };
                let kernel = Kernel {
                    buffers: vec![read, buffer("y", lane, n, Access::Write)],
                    tables: vec![],
                    steps: vec![Step::Nest(nest)],
                };
                kernels.push((format!("{lane:?} {n} by {stride}"), kernel));
            }
        }
    }
    check(kernels);
}

/// Windows of two and three side by side, unrolled: even and odd elements out of the same vectors, up to both ends.
#[test]
fn windows() {
    let mut kernels = Vec::new();
    for lane in LANES {
        for n in [4usize, 9, 16, 33] {
            for taps in [1usize, 2, 3] {
                for (offset, tail) in [(0, 0), (1, 0), (0, 1), (3, 2)] {
                    let len = offset + 2 * (n - 1) + taps + tail;
                    let mut finish = vec![load(0, at(offset as i64, &[2]))];
                    for t in 1..taps {
                        let sum = finish.len() as u32 - 1;
                        finish.push(load(0, at((offset + t) as i64, &[2])));
                        finish.push(binary(BinaryOp::Add, sum, sum + 1));
                    }
                    let last = finish.len() as u32 - 1;
                    finish.push(store(1, at(0, &[1]), last));
                    let body = vec![load(0, at(offset as i64, &[2, 1])), Inst::Accumulate { acc: 0, a: Reg(0) }];
                    let summed = Nest {
                        loops: [n as u32][..].into(),
                        reduce: [taps as u32][..].into(),
                        accs: vec![Accumulator { lane, op: BinaryOp::Add, start: 0 }],
                        body,
                        finish: vec![Inst::Total { acc: 0 }, store(2, at(0, &[1]), 0)],
                    };
                    let buffers = vec![
                        buffer("x", lane, len, Access::Read),
                        buffer("y", lane, n, Access::Write),
                        buffer("z", lane, n, Access::Write),
                    ];
                    let straight = Nest { loops: [n as u32][..].into(), finish, ..Nest::default() };
                    let steps = vec![Step::Nest(straight), Step::Nest(summed)];
                    kernels.push((
                        format!("{lane:?} {n} windows of {taps} from {offset}"),
                        Kernel { buffers, tables: vec![], steps },
                    ));
                }
            }
        }
    }
    check(kernels);
}

/// All instructions between all lanes, with lengths that leave every remainder.
#[test]
fn every_instruction_in_every_lane() {
    let mut kernels = Vec::new();
    for from in LANES {
        for to in LANES {
            for n in [5usize, 16, 23, 50] {
                let mut finish = vec![load(0, at(0, &[1])), load(1, at(0, &[1])), load(1, at(2, &[]))];
                for op in BINARY {
                    finish.push(binary(op, 0, 1));
                    finish.push(binary(op, finish.len() as u32 - 1, 2));
                }
                for op in [CompareOp::Equal, CompareOp::LessUnsigned, CompareOp::LessSigned] {
                    let last = finish.len() as u32 - 1;
                    finish.push(Inst::Compare { op, a: Reg(0), b: Reg(1) });
                    finish.push(Inst::Select { mask: Reg(last + 1), a: Reg(last), b: Reg(1) });
                    // A mask of any bits.
                    finish.push(Inst::Select { mask: Reg(0), a: Reg(last + 2), b: Reg(2) });
                }
                for op in [ShiftOp::Left, ShiftOp::Logical, ShiftOp::Arithmetic] {
                    for bits in [0, 1, from.bits() as u8 - 1] {
                        let last = finish.len() as u32 - 1;
                        finish.push(Inst::Shift { op, a: Reg(last), bits });
                        finish.push(binary(BinaryOp::Xor, last, last + 1));
                    }
                }
                let last = finish.len() as u32 - 1;
                for signed in [true, false] {
                    finish.push(Inst::Convert { lane: to, signed, a: Reg(last) });
                    finish.push(Inst::Convert { lane: to, signed, a: Reg(2) });
                    let c = finish.len() as u32 - 2;
                    finish.push(binary(BinaryOp::Sub, c, c + 1));
                }
                let c = finish.len() as u32;
                finish.push(store(2, at(0, &[1]), c - 4));
                finish.push(store(3, at(n as i64 - 1, &[-1]), c - 1));
                let nest = Nest { loops: [n as u32][..].into(), finish, ..Nest::default() };
                let buffers = vec![
                    buffer("x", from, n, Access::Read),
                    buffer("y", from, n, Access::Read),
                    buffer("z", to, n, Access::Write),
                    buffer("backwards", to, n, Access::Write),
                ];
                let kernel = Kernel { buffers, tables: vec![], steps: vec![Step::Nest(nest)] };
                kernels.push((format!("{from:?} to {to:?}, {n}"), kernel));
            }
        }
    }
    check(kernels);
}

/// A second nest works in place on what the first one stored: nothing may be computed twice.
#[test]
fn in_place() {
    let mut kernels = Vec::new();
    for lane in LANES {
        for n in [3u32, 8, 9, 31, 100] {
            let first = vec![load(0, at(0, &[1])), store(1, at(0, &[1]), 0)];
            let second = vec![
                load(1, at(0, &[1])),
                load(0, at(0, &[1])),
                binary(BinaryOp::Add, 0, 1),
                binary(BinaryOp::Mul, 2, 2),
                store(1, at(0, &[1]), 3),
            ];
            let nest = |finish| Step::Nest(Nest { loops: [n][..].into(), finish, ..Nest::default() });
            let kernel = Kernel {
                buffers: vec![
                    buffer("x", lane, n as usize, Access::Read),
                    buffer("y", lane, n as usize, Access::Write),
                ],
                tables: vec![],
                steps: vec![nest(first), nest(second)],
            };
            kernels.push((format!("{lane:?} {n}"), kernel));
        }
    }
    check(kernels);
}

/// Sums along the fast axis (partial sums in vectors), along the slow one, and over both; every fold.
#[test]
fn folds() {
    let mut kernels = Vec::new();
    let folds = [BinaryOp::Add, BinaryOp::Mul, BinaryOp::And, BinaryOp::Or, BinaryOp::Xor];
    for (lane, acc) in
        [(Lane::U16, Lane::U64), (Lane::U32, Lane::U32), (Lane::U64, Lane::U64), (Lane::U64, Lane::U16)]
    {
        for (rows, cols) in [(1u32, 37u32), (3, 64), (5, 131), (40, 7), (17, 33)] {
            for op in folds {
                for (name, loops, reduce, strides) in [
                    ("rows", vec![rows], vec![cols], vec![i64::from(cols), 1]),
                    ("columns", vec![cols], vec![rows], vec![1, i64::from(cols)]),
                    ("all", vec![], vec![rows, cols], vec![i64::from(cols), 1]),
                    ("nothing", vec![rows, cols], vec![1, 1], vec![i64::from(cols), 1]),
                ] {
                    let out: u32 = loops.iter().product();
                    let dense: Vec<i64> =
                        if loops.len() == 2 { vec![i64::from(cols), 1] } else { vec![1; loops.len()] };
                    let mut summed = strides.clone();
                    summed[..loops.len()].fill(0);
                    let nest = Nest {
                        loops: loops[..].into(),
                        reduce: reduce[..].into(),
                        accs: vec![Accumulator { lane: acc, op, start: 5 }; 2],
                        body: vec![
                            load(0, at(0, &strides)),
                            Inst::Convert { lane: acc, signed: true, a: Reg(0) },
                            load(1, at(0, &summed)),
                            binary(BinaryOp::Add, 1, 2),
                            Inst::Accumulate { acc: 0, a: Reg(3) },
                            Inst::Accumulate { acc: 1, a: Reg(2) },
                        ],
                        finish: vec![
                            Inst::Total { acc: 0 },
                            Inst::Total { acc: 1 },
                            binary(BinaryOp::Sub, 0, 1),
                            store(2, at(0, &dense), 2),
                        ],
                    };
                    let buffers = vec![
                        buffer("x", lane, (rows * cols) as usize, Access::Read),
                        buffer("w", acc, (rows * cols) as usize, Access::Read),
                        buffer("y", acc, out as usize, Access::Write),
                    ];
                    let kernel = Kernel { buffers, tables: vec![], steps: vec![Step::Nest(nest)] };
                    kernels.push((format!("{lane:?} {acc:?} {op:?} {rows}x{cols} {name}"), kernel));
                }
            }
        }
    }
    check(kernels);
}

/// Rows through a table: the row is looked up, its elements are dense.
#[test]
fn gathered_rows() {
    let mut kernels = Vec::new();
    for lane in LANES {
        for cols in [3u32, 8, 29] {
            let table: Vec<u32> = [4u32, 0, 2, 2, 3].iter().map(|r| r * cols).collect();
            let index =
                |t: &[i64], b: &[i64]| Index::Table { table: 0, at: Affine::new(0, t), base: Affine::new(0, b) };
            let finish = vec![
                load(0, index(&[1], &[0, 1])),
                // Elements through the table too, one for each point.
                load(0, index(&[1], &[])),
                binary(BinaryOp::Add, 0, 1),
                store(1, at(0, &[i64::from(cols), 1]), 2),
            ];
            let nest = Nest { loops: [5, cols][..].into(), finish, ..Nest::default() };
            let buffers = vec![
                buffer("x", lane, 5 * cols as usize, Access::Read),
                buffer("y", lane, 5 * cols as usize, Access::Write),
            ];
            kernels.push((
                format!("{lane:?} {cols}"),
                Kernel { buffers, tables: vec![table], steps: vec![Step::Nest(nest)] },
            ));
        }
    }
    check(kernels);
}

/// Nine planes whose elements share a set of the cache: their stores are done line by line.
#[test]
fn planes_that_crowd_a_set() {
    let mut kernels = Vec::new();
    for lane in LANES {
        let plane = 3 * 4096 / lane.bytes();
        for cols in [24, 32, plane] {
            let mut finish = vec![load(0, at(0, &[cols as i64, 1]))];
            for p in 0..9 {
                finish.push(binary(BinaryOp::Add, finish.len() as u32 - 1, 0));
                finish.push(store(1, at((p * plane) as i64, &[cols as i64, 1]), finish.len() as u32 - 1));
                finish.push(binary(BinaryOp::Mul, finish.len() as u32 - 2, 0));
            }
            let nest = Nest { loops: [(plane / cols) as u32, cols as u32][..].into(), finish, ..Nest::default() };
            let buffers = vec![buffer("x", lane, plane, Access::Read), buffer("y", lane, 9 * plane, Access::Write)];
            kernels.push((
                format!("{lane:?} {cols}"),
                Kernel { buffers, tables: vec![], steps: vec![Step::Nest(nest)] },
            ));
        }
    }
    check(kernels);
}

/// Images with a border of zeros, twice their values, and sums of neighbours of what was stored before: nests that take
/// turns by image, and more than a cache holds.
#[test]
fn steps_that_take_turns() {
    let mut kernels = Vec::new();
    for lane in LANES {
        for (images, h, w) in [(2u32, 3u32, 5u32), (24, 40, 40), (7, 64, 33)] {
            let (ph, pw) = (i64::from(h) + 2, i64::from(w) + 2);
            let plane = ph * pw;
            let nest = |loops: [u32; 3], finish: Vec<Inst>| {
                Step::Nest(Nest { loops: loops[..].into(), finish, ..Nest::default() })
            };
            let zero = |offset: i64, strides: [i64; 3]| {
                vec![Inst::Const { lane, value: 0 }, store(1, at(offset, &strides), 0)]
            };
            let inside = [plane, pw, 1];
            let twice = vec![
                load(0, at(0, &[i64::from(h * w), i64::from(w), 1])),
                binary(BinaryOp::Add, 0, 0),
                store(1, at(pw + 1, &inside), 1),
            ];
            let mut neighbours = vec![load(1, at(1, &inside)), load(1, at(2 * pw + 1, &inside))];
            neighbours.push(binary(BinaryOp::Add, 0, 1));
            neighbours.push(store(2, at(0, &[i64::from(h * w), i64::from(w), 1]), 2));
            let steps = vec![
                nest([images, h, w], twice),
                nest([images, 2, pw as u32], zero(0, [plane, plane - pw, 1])),
                nest([images, h, 2], zero(pw, [plane, pw, pw - 1])),
                nest([images, h, w], neighbours),
            ];
            let points = (images * h * w) as usize;
            let buffers = vec![
                buffer("x", lane, points, Access::Read),
                buffer("y", lane, (i64::from(images) * plane) as usize, Access::Write),
                buffer("z", lane, points, Access::Write),
            ];
            kernels.push((format!("{lane:?} {images} {h} {w}"), Kernel { buffers, tables: vec![], steps }));
        }
    }
    check(kernels);
}
