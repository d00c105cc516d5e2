//! Short forms for kernel IR.

use picc_ir::kernel::{Access, Affine, BinaryOp, Buffer, Index, Inst, Lane, Nest, Reg, ShiftOp, Step};

pub fn buffer(name: &str, lane: Lane, len: usize, access: Access) -> Buffer {
    Buffer { name: name.to_owned(), lane, len, access }
}

pub fn at(offset: usize, strides: &[usize]) -> Index {
    let strides: Vec<i64> = strides.iter().map(|&s| s as i64).collect();
    Index::Affine(Affine::new(offset as i64, &strides))
}

pub fn nest(loops: &[usize], finish: Vec<Inst>) -> Step {
    let loops: Vec<u32> = loops.iter().map(|&l| l as u32).collect();
    Step::Nest(Nest { loops: loops[..].into(), finish, ..Nest::default() })
}

/// Instructions with numbered registers.
#[derive(Default)]
pub struct Code(pub Vec<Inst>);

impl Code {
    pub fn push(&mut self, inst: Inst) -> Reg {
        self.0.push(inst);
        Reg(self.0.len() as u32 - 1)
    }

    pub fn load(&mut self, buffer: u32, index: Index) -> Reg {
        self.push(Inst::Load { buffer, index })
    }

    pub fn constant(&mut self, lane: Lane, value: u64) -> Reg {
        self.push(Inst::Const { lane, value })
    }

    pub fn op(&mut self, op: BinaryOp, a: Reg, b: Reg) -> Reg {
        self.push(Inst::Binary { op, a, b })
    }

    pub fn shift(&mut self, op: ShiftOp, a: Reg, bits: u8) -> Reg {
        self.push(Inst::Shift { op, a, bits })
    }

    pub fn store(mut self, buffer: u32, index: Index, a: Reg) -> Vec<Inst> {
        self.push(Inst::Store { buffer, index, a });
        self.0
    }
}
