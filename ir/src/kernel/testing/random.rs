//! Random valid kernels and memory for them, from a seed.

use crate::geom::{ConvGeom, MatMulGeom};
use crate::kernel::{
    Access, Accumulator, Affine, BinaryOp, Buffer, CompareOp, Index, Inst, Kernel, Lane, Nest, Primitive, Reg,
    ShiftOp, Step, View,
};

/// SplitMix64: tests need variety that anybody can repeat, not secrecy.
#[derive(Clone, Debug)]
pub struct Seeded(pub u64);

impl Seeded {
    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `lo..=hi`
    pub fn within(&mut self, lo: usize, hi: usize) -> usize {
        lo + (self.bits() % (hi - lo + 1) as u64) as usize
    }

    /// One in `n`.
    pub fn rarely(&mut self, n: usize) -> bool {
        self.within(1, n) == 1
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.within(0, from.len() - 1)]
    }

    /// An element of a lane: uniform, or small, or at the limits.
    fn element(&mut self, lane: Lane) -> u64 {
        let v = self.bits();
        let limits = [0, 1, u64::MAX, 1 << (lane.bits() - 1), lane.mask() >> 1];
        if self.rarely(8) { self.pick(&limits) & lane.mask() } else { v & lane.mask() }
    }
}

const LANES: [Lane; 3] = [Lane::U16, Lane::U32, Lane::U64];

/// A kernel that the verifier accepts.
#[must_use]
pub fn kernel(seed: u64) -> Kernel {
    let mut draw = Draw { r: Seeded(seed), kernel: Kernel::default(), full: Vec::new() };
    for _ in 0..draw.r.within(1, 3) {
        let len = draw.r.within(1, 300);
        draw.buffer(Access::Read, len);
    }
    for _ in 0..draw.r.within(1, 5) {
        match draw.r.within(0, 6) {
            0 => draw.conv(),
            1 => draw.matmul(),
            _ => draw.nests(),
        }
    }
    draw.kernel
}

/// What [`crate::kernel::interp::run`] takes for the caller's buffers of a kernel, seeded.
#[must_use]
pub fn memory(kernel: &Kernel, seed: u64) -> Vec<Vec<u64>> {
    let mut r = Seeded(seed);
    let callers = kernel.buffers.iter().filter(|b| b.access != Access::Scratch);
    callers.map(|b| (0..b.len).map(|_| r.element(b.lane)).collect()).collect()
}

struct Draw {
    r: Seeded,
    kernel: Kernel,
    /// Buffers that may be loaded.
    full: Vec<u32>,
}

impl Draw {
    fn buffer(&mut self, access: Access, len: usize) -> u32 {
        let lane = self.r.pick(&LANES);
        self.buffer_of(access, lane, len)
    }

    fn buffer_of(&mut self, access: Access, lane: Lane, len: usize) -> u32 {
        let buffer = self.kernel.buffers.len() as u32;
        let name = ["x", "a \"quoted\" name", "größe", ""][self.r.within(0, 3)].to_owned();
        self.kernel.buffers.push(Buffer { name, lane, len, access });
        if access == Access::Read {
            self.full.push(buffer);
        }
        buffer
    }

    fn target(&mut self) -> Access {
        if self.r.rarely(3) { Access::Scratch } else { Access::Write }
    }

    fn extents(&mut self, least: usize, most: usize) -> Vec<u32> {
        let rank = self.r.within(least, most);
        // Now and then a long inner loop: blocks and what is left of them.
        (0..rank)
            .map(|k| if k + 1 == rank && self.r.rarely(2) { self.r.within(1, 70) } else { self.r.within(1, 5) } as u32)
            .collect()
    }

    /// A new buffer, stored by one nest, or by two that share the work along a loop.
    fn nests(&mut self) {
        let loops = self.extents(0, 4);
        let len: usize = loops.iter().map(|&e| e as usize).product();
        let access = self.target();
        let buffer = self.buffer(access, len);
        let (mut offset, strides) = self.permuted(&loops);
        let cut = loops.iter().position(|&e| e > 1).filter(|_| self.r.rarely(3));
        let first = cut.map_or(0, |k| self.r.within(1, loops[k] as usize - 1) as u32);
        let mut parts = vec![loops.clone()];
        if let Some(k) = cut {
            parts.push(loops.clone());
            parts[0][k] = first;
            parts[1][k] = loops[k] - first;
        }
        for (i, part) in parts.iter().enumerate() {
            if i == 1 {
                offset += cut.map_or(0, |k| strides[k] * i64::from(first));
            }
            let index = if self.r.rarely(6) {
                self.shuffled(Affine::new(offset, &strides), len)
            } else {
                Index::Affine(Affine::new(offset, &strides))
            };
            let nest = self.nest(part, buffer, index);
            self.kernel.steps.push(Step::Nest(nest));
        }
        self.full.push(buffer);
        if cut.is_none() && self.r.rarely(2) {
            self.follower(&loops, buffer, &Affine::new(offset, &strides));
        }
    }

    /// A nest over the same loops that loads what one before it has stored, mostly point by point.
    fn follower(&mut self, loops: &[u32], stored: u32, at: &Affine) {
        let Buffer { lane, len, .. } = self.kernel.buffers[stored as usize];
        let access = self.target();
        let buffer = self.buffer(access, len);
        let mut block = Block::default();
        let from = if self.r.rarely(4) { self.inside(loops, len) } else { at.clone() };
        block.push(Inst::Load { buffer: stored, index: Index::Affine(from) }, lane);
        self.arithmetic(&mut block);
        let a = self.value(&mut block, self.kernel.buffers[buffer as usize].lane);
        let (offset, strides) = self.permuted(loops);
        let to = if self.r.rarely(3) { Affine::new(offset, &strides) } else { at.clone() };
        block.insts.push(Inst::Store { buffer, index: Index::Affine(to), a });
        self.kernel.steps.push(Step::Nest(Nest { loops: loops.into(), finish: block.insts, ..Nest::default() }));
        self.full.push(buffer);
    }

    /// Offset and strides that store a box in some order of its axes, each forwards or backwards.
    fn permuted(&mut self, loops: &[u32]) -> (i64, Vec<i64>) {
        let mut order: Vec<usize> = (0..loops.len()).collect();
        for k in (1..order.len()).rev() {
            let other = if self.r.rarely(2) { k } else { self.r.within(0, k) };
            order.swap(k, other);
        }
        let (mut strides, mut offset, mut size) = (vec![0i64; loops.len()], 0, 1i64);
        for &k in order.iter().rev() {
            let extent = i64::from(loops[k]);
            strides[k] = size;
            if self.r.rarely(5) {
                strides[k] = -size;
                offset += size * (extent - 1);
            }
            size *= extent;
        }
        (offset, strides)
    }

    /// The same elements through a table: entries are their own index, so that the nests of a buffer fit together.
    fn shuffled(&mut self, at: Affine, len: usize) -> Index {
        let table = self.kernel.tables.len() as u32;
        self.kernel.tables.push((0..len as u32).collect());
        Index::Table { table, at, base: Affine::default() }
    }

    fn nest(&mut self, loops: &[u32], buffer: u32, index: Index) -> Nest {
        let mut nest = Nest { loops: loops.into(), ..Nest::default() };
        if self.r.rarely(2) {
            nest.reduce = self.extents(1, 2).into();
            for _ in 0..self.r.within(1, 2) {
                let lane = self.r.pick(&LANES);
                let op = self.r.pick(&[BinaryOp::Add, BinaryOp::Add, BinaryOp::Mul, BinaryOp::Xor, BinaryOp::Or]);
                nest.accs.push(Accumulator { lane, op, start: self.r.element(lane) });
            }
            let extents: Vec<u32> = loops.iter().chain(&nest.reduce).copied().collect();
            let mut block = Block::default();
            for _ in 0..self.r.within(1, 2) {
                self.load(&mut block, &extents);
            }
            self.arithmetic(&mut block);
            for (acc, a) in nest.accs.iter().enumerate() {
                let value = self.value(&mut block, a.lane);
                block.insts.push(Inst::Accumulate { acc: acc as u32, a: value });
                block.lanes.push(None);
            }
            nest.body = block.insts;
        }
        let mut block = Block::default();
        for (acc, a) in nest.accs.iter().enumerate() {
            block.push(Inst::Total { acc: acc as u32 }, a.lane);
        }
        for _ in 0..self.r.within(usize::from(nest.accs.is_empty()), 3) {
            self.load(&mut block, loops);
        }
        self.arithmetic(&mut block);
        let lane = self.kernel.buffers[buffer as usize].lane;
        let a = self.value(&mut block, lane);
        block.insts.push(Inst::Store { buffer, index, a });
        nest.finish = block.insts;
        nest
    }

    fn load(&mut self, block: &mut Block, extents: &[u32]) {
        let buffer = self.r.pick(&self.full.clone());
        let Buffer { len, lane, .. } = self.kernel.buffers[buffer as usize];
        let index = if self.r.rarely(6) {
            let entries: Vec<u32> = (0..self.r.within(1, 9)).map(|_| self.r.within(0, len - 1) as u32).collect();
            let most = entries.iter().max().map_or(0, |&m| m as usize);
            let at = self.inside(extents, entries.len());
            let base = self.inside(extents, len - most);
            self.kernel.tables.push(entries);
            Index::Table { table: self.kernel.tables.len() as u32 - 1, at, base }
        } else {
            Index::Affine(self.inside(extents, len))
        };
        block.push(Inst::Load { buffer, index }, lane);
    }

    /// An affine index into `len` elements.
    fn inside(&mut self, extents: &[u32], len: usize) -> Affine {
        let (mut lo, mut hi) = (0i64, 0i64);
        let mut strides = vec![0i64; extents.len()];
        let mut natural = 1i64;
        for k in (0..extents.len()).rev() {
            let stride = self.r.pick(&[natural, natural, natural, 0, 1, -1, 2, 3, -natural]);
            natural = natural.saturating_mul(extents[k].into());
            let reach = stride * i64::from(extents[k] - 1);
            if hi + reach.max(0) - (lo + reach.min(0)) < len as i64 {
                strides[k] = stride;
                (lo, hi) = (lo + reach.min(0), hi + reach.max(0));
            }
        }
        let slack = len as i64 - 1 - (hi - lo);
        let offset = -lo + if self.r.rarely(2) { 0 } else { self.r.within(0, slack as usize) as i64 };
        Affine::new(offset, &strides)
    }

    fn arithmetic(&mut self, block: &mut Block) {
        for _ in 0..self.r.within(0, 8) {
            let a = block.any(&mut self.r);
            let lane = block.lanes[a.0 as usize].unwrap_or(Lane::U64);
            let b = self.value(block, lane);
            let bits = self.r.within(0, lane.bits() as usize - 1) as u8;
            let compare = self.r.pick(&[CompareOp::Equal, CompareOp::LessUnsigned, CompareOp::LessSigned]);
            let binary = self.r.pick(&[
                BinaryOp::Add,
                BinaryOp::Sub,
                BinaryOp::Mul,
                BinaryOp::And,
                BinaryOp::Or,
                BinaryOp::Xor,
            ]);
            let shift = self.r.pick(&[ShiftOp::Left, ShiftOp::Logical, ShiftOp::Arithmetic]);
            match self.r.within(0, 6) {
                0 => drop(self.converted(block, a)),
                1 | 2 => drop(block.push(Inst::Shift { op: shift, a, bits }, lane)),
                3 => {
                    let mask = block.push(Inst::Compare { op: compare, a, b }, lane);
                    block.push(Inst::Select { mask, a: b, b: a }, lane);
                }
                _ => drop(block.push(Inst::Binary { op: binary, a, b }, lane)),
            }
        }
    }

    fn converted(&mut self, block: &mut Block, a: Reg) -> Reg {
        let lane = self.r.pick(&LANES);
        let signed = self.r.rarely(2);
        block.push(Inst::Convert { lane, signed, a }, lane)
    }

    /// A register of this lane: the latest one, a converted one or a constant.
    fn value(&mut self, block: &mut Block, lane: Lane) -> Reg {
        if block.insts.is_empty() || self.r.rarely(10) {
            return block.push(Inst::Const { lane, value: self.r.element(lane) }, lane);
        }
        match block.lanes.iter().rposition(|l| *l == Some(lane)) {
            Some(at) if !self.r.rarely(4) => Reg(at as u32),
            _ => {
                let (a, signed) = (block.any(&mut self.r), self.r.rarely(2));
                block.push(Inst::Convert { lane, signed, a }, lane)
            }
        }
    }

    /// Part of a buffer of this lane, `len` long, that may be loaded.
    fn view(&mut self, lane: Lane, len: usize) -> View {
        let fits = |b: &Buffer| b.lane == lane && b.len >= len;
        let known: Vec<u32> =
            self.full.iter().copied().filter(|&b| fits(&self.kernel.buffers[b as usize])).collect();
        let buffer = if known.is_empty() || self.r.rarely(4) {
            let extra = self.r.within(0, 3);
            self.buffer_of(Access::Read, lane, len + extra)
        } else {
            self.r.pick(&known)
        };
        let slack = self.kernel.buffers[buffer as usize].len - len;
        View { buffer, offset: self.r.within(0, slack) }
    }

    fn call(&mut self, primitive: Primitive, lens: [usize; 2], len: usize) {
        let lane = self.r.pick(&LANES);
        let args = lens.map(|len| self.view(lane, len));
        let access = self.target();
        let buffer = self.buffer_of(access, lane, len);
        self.full.push(buffer);
        self.kernel.steps.push(Step::Call { primitive, lane, args, result: View { buffer, offset: 0 } });
    }

    fn conv(&mut self) {
        let groups = self.r.within(1, 2);
        let two = |r: &mut Seeded, hi| [r.within(1, hi), r.within(1, hi)];
        let ([kh, kw], stride, dilation) = (two(&mut self.r, 3), two(&mut self.r, 2), two(&mut self.r, 2));
        let pads = std::array::from_fn(|_| self.r.within(0, 2));
        let g = ConvGeom {
            n: self.r.within(1, 2),
            c_in: groups * self.r.within(1, 3),
            h: (kh - 1) * dilation[0] + self.r.within(1, 6),
            w: (kw - 1) * dilation[1] + self.r.within(1, 20),
            c_out: groups * self.r.within(1, 5),
            kh,
            kw,
            stride,
            pads,
            dilation,
            groups,
        };
        let [oh, ow] = g.out_hw();
        let lens = [g.n * g.c_in * g.h * g.w, g.c_out * g.fan_in()];
        self.call(Primitive::Conv(g), lens, g.n * g.c_out * oh * ow);
    }

    fn matmul(&mut self) {
        let (batch, rows) = (self.r.within(1, 2), self.r.within(1, 6));
        let (inner, cols) = (self.r.within(1, 9), self.r.within(1, 20));
        let g = MatMulGeom { batch, rows, inner, cols };
        self.call(Primitive::MatMul(g), [batch * rows * inner, batch * inner * cols], batch * rows * cols);
    }
}

/// Instructions with the lanes of their registers.
#[derive(Default)]
struct Block {
    insts: Vec<Inst>,
    lanes: Vec<Option<Lane>>,
}

impl Block {
    fn push(&mut self, inst: Inst, lane: Lane) -> Reg {
        self.insts.push(inst);
        self.lanes.push(Some(lane));
        Reg(self.insts.len() as u32 - 1)
    }

    /// A register; there is one.
    fn any(&self, r: &mut Seeded) -> Reg {
        let values: Vec<usize> = (0..self.lanes.len()).filter(|&i| self.lanes[i].is_some()).collect();
        Reg(r.pick(&values) as u32)
    }
}
