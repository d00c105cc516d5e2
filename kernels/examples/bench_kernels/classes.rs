//! The kernel classes: what is computed, as kernel IR, as operators and as plain Rust.

use crate::code::{Code, at, buffer, nest};
use picc_ir::kernel::{Access, Accumulator, BinaryOp, Buffer, Inst, Kernel, Lane, Nest, Reg, ShiftOp, Step};
use picc_ir::op::Op;
use picc_ir::ops::{Add, Concat, Pad, Sub, SumPool, TruncReduce};

/// One operator of the op-at-a-time interpreter: its arguments are buffers of the kernel that are read, then results of
/// earlier operators; the ring of the result.
pub struct Applied {
    pub op: Op,
    pub args: Vec<usize>,
    pub ring_bits: u8,
}

/// A class at one shape.
pub struct Class {
    pub name: &'static str,
    pub kernel: Kernel,
    /// Shapes of the buffers that are read.
    pub shapes: Vec<Vec<usize>>,
    pub ops: Vec<Applied>,
    /// The same over slices: inputs as the kernel's lanes, then output.
    pub rust: fn(&[usize], &[Slice<'_>], Out<'_>),
    /// Extents that `rust` needs.
    pub dims: Vec<usize>,
}

pub enum Slice<'a> {
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
}

pub enum Out<'a> {
    U16(&'a mut [u16]),
    U32(&'a mut [u32]),
    U64(&'a mut [u64]),
}

fn class(
    name: &'static str,
    kernel: Kernel,
    shapes: &[&[usize]],
    rust: fn(&[usize], &[Slice<'_>], Out<'_>),
) -> Class {
    let shapes = shapes.iter().map(|s| s.to_vec()).collect();
    Class { name, kernel, shapes, ops: Vec::new(), rust, dims: Vec::new() }
}

fn kernel(buffers: Vec<Buffer>, steps: Vec<Step>) -> Kernel {
    Kernel { buffers, tables: Vec::new(), steps }
}

/// `(a + b - c) mod 2^41`
pub fn chain(n: usize) -> Class {
    let mut c = Code::default();
    let (x, y, z) = (c.load(0, at(0, &[1])), c.load(1, at(0, &[1])), c.load(2, at(0, &[1])));
    let sum = c.op(BinaryOp::Add, x, y);
    let less = c.op(BinaryOp::Sub, sum, z);
    let mask = c.constant(Lane::U64, (1 << 41) - 1);
    let out = c.op(BinaryOp::And, less, mask);
    let steps = vec![nest(&[n], c.store(3, at(0, &[1]), out))];
    let read = |name| buffer(name, Lane::U64, n, Access::Read);
    let buffers = vec![read("a"), read("b"), read("c"), buffer("y", Lane::U64, n, Access::Write)];
    let mut class = class("add + wrap chain, u64", kernel(buffers, steps), &[&[n], &[n], &[n]], |_, x, out| {
        let ([Slice::U64(a), Slice::U64(b), Slice::U64(c)], Out::U64(out)) = (x, out) else { return };
        for (((o, a), b), c) in out.iter_mut().zip(*a).zip(*b).zip(*c) {
            *o = a.wrapping_add(*b).wrapping_sub(*c) & ((1 << 41) - 1);
        }
    });
    class.ops = vec![
        Applied { op: Op::Add(Add {}), args: vec![0, 1], ring_bits: 41 },
        Applied { op: Op::Sub(Sub {}), args: vec![3, 2], ring_bits: 41 },
    ];
    class
}

/// `floor((x + 2^11) / 2^12)` from 41 to 29 bits.
pub fn truncation(n: usize) -> Class {
    let mut c = Code::default();
    let x = c.load(0, at(0, &[1]));
    let half = c.constant(Lane::U64, 1 << 11);
    let sum = c.op(BinaryOp::Add, x, half);
    let down = c.shift(ShiftOp::Logical, sum, 12);
    let narrow = c.push(Inst::Convert { lane: Lane::U32, signed: false, a: down });
    let mask = c.constant(Lane::U32, (1 << 29) - 1);
    let out = c.op(BinaryOp::And, narrow, mask);
    let steps = vec![nest(&[n], c.store(1, at(0, &[1]), out))];
    let buffers = vec![buffer("x", Lane::U64, n, Access::Read), buffer("y", Lane::U32, n, Access::Write)];
    let mut class = class("truncation, u64 to u32", kernel(buffers, steps), &[&[n]], |_, x, out| {
        let ([Slice::U64(x)], Out::U32(out)) = (x, out) else { return };
        for (o, x) in out.iter_mut().zip(*x) {
            *o = (x.wrapping_add(1 << 11) >> 12) as u32 & ((1 << 29) - 1);
        }
    });
    class.ops = vec![Applied { op: Op::TruncReduce(TruncReduce { shift: 12 }), args: vec![0], ring_bits: 29 }];
    class
}

/// Truncation and the addition of a residual in one segment.
pub fn residual(n: usize) -> Class {
    let mut c = Code::default();
    let x = c.load(0, at(0, &[1]));
    let half = c.constant(Lane::U64, 1 << 11);
    let sum = c.op(BinaryOp::Add, x, half);
    let down = c.shift(ShiftOp::Logical, sum, 12);
    let narrow = c.push(Inst::Convert { lane: Lane::U32, signed: false, a: down });
    let skip = c.load(1, at(0, &[1]));
    let total = c.op(BinaryOp::Add, narrow, skip);
    let mask = c.constant(Lane::U32, (1 << 29) - 1);
    let out = c.op(BinaryOp::And, total, mask);
    let steps = vec![nest(&[n], c.store(2, at(0, &[1]), out))];
    let buffers = vec![
        buffer("x", Lane::U64, n, Access::Read),
        buffer("skip", Lane::U32, n, Access::Read),
        buffer("y", Lane::U32, n, Access::Write),
    ];
    let mut class = class("truncation + residual, fused", kernel(buffers, steps), &[&[n], &[n]], |_, x, out| {
        let ([Slice::U64(x), Slice::U32(skip)], Out::U32(out)) = (x, out) else { return };
        for ((o, x), s) in out.iter_mut().zip(*x).zip(*skip) {
            *o = ((x.wrapping_add(1 << 11) >> 12) as u32).wrapping_add(*s) & ((1 << 29) - 1);
        }
    });
    class.ops = vec![
        Applied { op: Op::TruncReduce(TruncReduce { shift: 12 }), args: vec![0], ring_bits: 29 },
        Applied { op: Op::Add(Add {}), args: vec![2, 1], ring_bits: 29 },
    ];
    class
}

/// `[c, h, w]` with a border of one zero.
pub fn pad(c: usize, h: usize, w: usize) -> Class {
    let (ph, pw) = (h + 2, w + 2);
    let mut inside = Code::default();
    let x = inside.load(0, at(0, &[h * w, w, 1]));
    let mut steps = vec![nest(&[c, h, w], inside.store(1, at(pw + 1, &[ph * pw, pw, 1]), x))];
    // Top and bottom rows, then both columns.
    for (offset, loops, strides) in
        [(0, [c, 2, pw], [ph * pw, (ph - 1) * pw, 1]), (pw, [c, h, 2], [ph * pw, pw, pw - 1])]
    {
        let mut code = Code::default();
        let zero = code.constant(Lane::U32, 0);
        steps.push(nest(&loops, code.store(1, at(offset, &strides), zero)));
    }
    let buffers =
        vec![buffer("x", Lane::U32, c * h * w, Access::Read), buffer("y", Lane::U32, c * ph * pw, Access::Write)];
    let mut class = class("pad by 1, u32", kernel(buffers, steps), &[&[1, c, h, w]], |d, x, out| {
        let ([Slice::U32(x)], Out::U32(out), &[h, w]) = (x, out, d) else { return };
        let (ph, pw) = (h + 2, w + 2);
        for (from, to) in x.chunks_exact(h * w).zip(out.chunks_exact_mut(ph * pw)) {
            to.fill(0);
            for (from, to) in from.chunks_exact(w).zip(to[pw..].chunks_exact_mut(pw)) {
                to[1..=w].copy_from_slice(from);
            }
        }
    });
    let op = Pad { before: vec![0, 0, 1, 1], after: vec![0, 0, 1, 1] };
    class.ops = vec![Applied { op: Op::Pad(op), args: vec![0], ring_bits: 29 }];
    class.dims = vec![h, w];
    class
}

/// Two tensors of `n` elements, one behind the other.
pub fn concat(n: usize) -> Class {
    let copy = |from, offset| {
        let mut c = Code::default();
        let x = c.load(from, at(0, &[1]));
        nest(&[n], c.store(2, at(offset, &[1]), x))
    };
    let buffers = vec![
        buffer("a", Lane::U64, n, Access::Read),
        buffer("b", Lane::U64, n, Access::Read),
        buffer("y", Lane::U64, 2 * n, Access::Write),
    ];
    let mut class =
        class("concat, u64", kernel(buffers, vec![copy(0, 0), copy(1, n)]), &[&[n], &[n]], |_, x, out| {
            let ([Slice::U64(a), Slice::U64(b)], Out::U64(out)) = (x, out) else { return };
            out[..a.len()].copy_from_slice(a);
            out[a.len()..].copy_from_slice(b);
        });
    class.ops = vec![Applied { op: Op::Concat(Concat { axis: 0 }), args: vec![0, 1], ring_bits: 41 }];
    class
}

/// 3x3 windows of `[c, h + 2, w + 2]` as `[c, 3, 3, h, w]`.
pub fn im2col(c: usize, h: usize, w: usize) -> Class {
    let (ph, pw) = (h + 2, w + 2);
    let mut code = Code::default();
    let x = code.load(0, at(0, &[ph * pw, pw, 1, pw, 1]));
    let steps = vec![nest(&[c, 3, 3, h, w], code.store(1, at(0, &[9 * h * w, 3 * h * w, h * w, w, 1]), x))];
    let buffers = vec![
        buffer("x", Lane::U32, c * ph * pw, Access::Read),
        buffer("y", Lane::U32, c * 9 * h * w, Access::Write),
    ];
    let mut class = class("im2col 3x3, u32", kernel(buffers, steps), &[&[c, ph, pw]], |d, x, out| {
        let ([Slice::U32(x)], Out::U32(out), &[h, w]) = (x, out, d) else { return };
        let (ph, pw) = (h + 2, w + 2);
        for (from, to) in x.chunks_exact(ph * pw).zip(out.chunks_exact_mut(9 * h * w)) {
            for (tap, to) in to.chunks_exact_mut(h * w).enumerate() {
                for (y, row) in to.chunks_exact_mut(w).enumerate() {
                    row.copy_from_slice(&from[(y + tap / 3) * pw + tap % 3..][..w]);
                }
            }
        }
    });
    class.dims = vec![h, w];
    class
}

/// Sums of windows of `k` x `k` side by side.
pub fn sum_pool(name: &'static str, c: usize, h: usize, k: usize) -> Class {
    let o = h / k;
    let body = vec![
        Inst::Load { buffer: 0, index: at(0, &[h * h, k * h, k, h, 1]) },
        Inst::Accumulate { acc: 0, a: Reg(0) },
    ];
    let finish = vec![Inst::Total { acc: 0 }, Inst::Store { buffer: 1, index: at(0, &[o * o, o, 1]), a: Reg(0) }];
    let accs = vec![Accumulator { lane: Lane::U64, op: BinaryOp::Add, start: 0 }];
    let (loops, reduce) = ([c as u32, o as u32, o as u32], [k as u32, k as u32]);
    let steps = vec![Step::Nest(Nest { loops: loops[..].into(), reduce: reduce[..].into(), accs, body, finish })];
    let buffers =
        vec![buffer("x", Lane::U64, c * h * h, Access::Read), buffer("y", Lane::U64, c * o * o, Access::Write)];
    let mut class = class(name, kernel(buffers, steps), &[&[1, c, h, h]], |d, x, out| {
        let ([Slice::U64(x)], Out::U64(out), &[h, k]) = (x, out, d) else { return };
        let o = h / k;
        for (from, to) in x.chunks_exact(h * h).zip(out.chunks_exact_mut(o * o)) {
            for (y, row) in to.chunks_exact_mut(o).enumerate() {
                for (x, out) in row.iter_mut().enumerate() {
                    let mut sum = 0u64;
                    for line in from[y * k * h..].chunks_exact(h).take(k) {
                        for v in &line[x * k..x * k + k] {
                            sum = sum.wrapping_add(*v);
                        }
                    }
                    *out = sum;
                }
            }
        }
    });
    let op = SumPool { kernel: [k, k], stride: [k, k], pads: [0; 4], dilation: [1, 1] };
    class.ops = vec![Applied { op: Op::SumPool(op), args: vec![0], ring_bits: 41 }];
    class.dims = vec![h, k];
    class
}

/// `B^T d B` of F(2x2, 3x3) for the 4x4 tiles of `[c, 2 t + 2, 2 t + 2]`, as `[16, c, t, t]`.
pub fn winograd(name: &'static str, c: usize, t: usize) -> Class {
    let w = 2 * t + 2;
    let mut code = Code::default();
    let d: Vec<Reg> = (0..16).map(|i| code.load(0, at(i / 4 * w + i % 4, &[w * w, 2 * w, 2]))).collect();
    let half = |code: &mut Code, v: [Reg; 4]| {
        [
            code.op(BinaryOp::Sub, v[0], v[2]),
            code.op(BinaryOp::Add, v[1], v[2]),
            code.op(BinaryOp::Sub, v[2], v[1]),
            code.op(BinaryOp::Sub, v[1], v[3]),
        ]
    };
    let columns: Vec<[Reg; 4]> = (0..4).map(|x| half(&mut code, [d[x], d[4 + x], d[8 + x], d[12 + x]])).collect();
    for y in 0..4 {
        let row = half(&mut code, [columns[0][y], columns[1][y], columns[2][y], columns[3][y]]);
        for (x, r) in row.into_iter().enumerate() {
            code.push(Inst::Store { buffer: 1, index: at((4 * y + x) * c * t * t, &[t * t, t, 1]), a: r });
        }
    }
    let buffers = vec![
        buffer("x", Lane::U64, c * w * w, Access::Read),
        buffer("y", Lane::U64, 16 * c * t * t, Access::Write),
    ];
    let steps = vec![nest(&[c, t, t], code.0)];
    let mut class = class(name, kernel(buffers, steps), &[&[c, w, w]], |dims, x, out| {
        let ([Slice::U64(x)], Out::U64(out), &[c, t]) = (x, out, dims) else { return };
        let w = 2 * t + 2;
        let half = |v: [u64; 4]| {
            [v[0].wrapping_sub(v[2]), v[1].wrapping_add(v[2]), v[2].wrapping_sub(v[1]), v[1].wrapping_sub(v[3])]
        };
        for (ch, plane) in x.chunks_exact(w * w).enumerate() {
            for ty in 0..t {
                for tx in 0..t {
                    let tile = &plane[2 * ty * w + 2 * tx..];
                    let columns: [[u64; 4]; 4] =
                        std::array::from_fn(|x| half([tile[x], tile[w + x], tile[2 * w + x], tile[3 * w + x]]));
                    for y in 0..4 {
                        let row = half([columns[0][y], columns[1][y], columns[2][y], columns[3][y]]);
                        for (x, v) in row.into_iter().enumerate() {
                            out[((4 * y + x) * c + ch) * t * t + ty * t + tx] = v;
                        }
                    }
                }
            }
        }
    });
    class.dims = vec![c, t];
    class
}

/// 16 elements of 12 bits into three words.
pub fn pack(n: usize) -> Class {
    let mut c = Code::default();
    let mut words: Vec<Option<Reg>> = vec![None; 3];
    let mut put = |c: &mut Code, word: usize, v: Reg| {
        words[word] = Some(words[word].map_or(v, |w| c.op(BinaryOp::Or, w, v)));
    };
    for i in 0..16 {
        let x = c.load(0, at(i, &[16]));
        let wide = c.push(Inst::Convert { lane: Lane::U64, signed: false, a: x });
        let (word, bit) = (12 * i / 64, (12 * i % 64) as u8);
        let up = c.shift(ShiftOp::Left, wide, bit);
        put(&mut c, word, up);
        if bit > 52 {
            let down = c.shift(ShiftOp::Logical, wide, 64 - bit);
            put(&mut c, word + 1, down);
        }
    }
    for (word, w) in words.into_iter().flatten().enumerate() {
        c.push(Inst::Store { buffer: 1, index: at(word, &[3]), a: w });
    }
    let steps = vec![nest(&[n / 16], c.0)];
    let buffers = vec![buffer("x", Lane::U16, n, Access::Read), buffer("y", Lane::U64, n / 16 * 3, Access::Write)];
    class("bit packing, 12 of 16", kernel(buffers, steps), &[&[n]], |_, x, out| {
        let ([Slice::U16(x)], Out::U64(out)) = (x, out) else { return };
        for (x, out) in x.chunks_exact(16).zip(out.chunks_exact_mut(3)) {
            out.fill(0);
            for (i, &v) in x.iter().enumerate() {
                let (word, bit) = (12 * i / 64, 12 * i % 64);
                out[word] |= u64::from(v) << bit;
                if bit > 52 {
                    out[word + 1] |= u64::from(v) >> (64 - bit);
                }
            }
        }
    })
}

/// Four streams of 12 bits into three of 16: element `i` of each stream shares its bits with the `i`-th of the others,
/// so that all accesses are dense.
pub fn pack_streams(n: usize) -> Class {
    let m = n / 4;
    let mut c = Code::default();
    let x: Vec<Reg> = (0..4).map(|i| c.load(0, at(i * m, &[1]))).collect();
    for word in 0..3u8 {
        // 12 - 4 w bits of one element are left, 4 + 4 w come from the next.
        let low = c.shift(ShiftOp::Logical, x[usize::from(word)], 4 * word);
        let high = c.shift(ShiftOp::Left, x[usize::from(word) + 1], 12 - 4 * word);
        let both = c.op(BinaryOp::Or, low, high);
        c.push(Inst::Store { buffer: 1, index: at(usize::from(word) * m, &[1]), a: both });
    }
    let steps = vec![nest(&[m], c.0)];
    let buffers = vec![buffer("x", Lane::U16, n, Access::Read), buffer("y", Lane::U16, 3 * m, Access::Write)];
    class("bit packing, 12 of 16, four streams", kernel(buffers, steps), &[&[n]], |_, x, out| {
        let ([Slice::U16(x)], Out::U16(out)) = (x, out) else { return };
        let m = x.len() / 4;
        let (a, b) = out.split_at_mut(m);
        let (b, c) = b.split_at_mut(m);
        for i in 0..m {
            a[i] = x[i] | x[m + i] << 12;
            b[i] = x[m + i] >> 4 | x[2 * m + i] << 8;
            c[i] = x[2 * m + i] >> 8 | x[3 * m + i] << 4;
        }
    })
}
