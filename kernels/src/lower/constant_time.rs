//! What is loaded from a buffer reaches no branch and no address of emitted code.

use super::function;
use crate::isa::Isa;
use cranelift_codegen::ir::{Function, Inst, InstructionData, Opcode, Value};
use picc_ir::kernel::testing;
use picc_ir::kernel::verify::verify;
use std::collections::BTreeSet;

/// Every value that depends on the contents of a buffer. Loads of tables, sites and pointers are marked `readonly`.
fn secret(f: &Function) -> BTreeSet<Value> {
    let mut secret = BTreeSet::new();
    loop {
        let before = secret.len();
        for (_, inst) in insts(f) {
            let data = &f.dfg.insts[inst];
            let buffer =
                data.opcode().can_load() && data.memflags().is_some_and(|m| !f.dfg.mem_flags[m].readonly());
            if buffer || f.dfg.inst_args(inst).iter().any(|a| secret.contains(a)) {
                secret.extend(f.dfg.inst_results(inst));
            }
            for call in data.branch_destination(&f.dfg.jump_tables, &f.dfg.exception_tables) {
                let to = call.block(&f.dfg.value_lists);
                let args = call.args(&f.dfg.value_lists).map(|a| a.as_value());
                for (param, arg) in f.dfg.block_params(to).iter().zip(args) {
                    if arg.is_none_or(|a| secret.contains(&a)) {
                        secret.insert(*param);
                    }
                }
            }
        }
        if secret.len() == before {
            return secret;
        }
    }
}

fn insts(f: &Function) -> impl Iterator<Item = (Opcode, Inst)> + '_ {
    f.layout.blocks().flat_map(|b| f.layout.block_insts(b)).map(|i| (f.dfg.insts[i].opcode(), i))
}

/// What an instruction shows to whoever watches time and cache: conditions, addresses, callees.
fn shown(f: &Function, inst: Inst) -> Vec<Value> {
    match &f.dfg.insts[inst] {
        InstructionData::Load { arg, .. } => vec![*arg],
        InstructionData::Store { args, .. } => vec![args[1]],
        InstructionData::Brif { arg, .. } => vec![*arg],
        InstructionData::CallIndirect { .. } => f.dfg.inst_args(inst).to_vec(),
        other => {
            assert!(!other.opcode().can_trap(), "{} may trap", other.opcode());
            Vec::new()
        }
    }
}

#[test]
fn secrets_neither_branch_nor_index() {
    // Whose time does not depend on their operands, on any processor that this is for.
    use Opcode::{
        Band, Bitcast, Bitselect, Bmask, Bor, Brif, Bxor, CallIndirect, Extractlane, Iadd, Icmp, Iconst, Imul,
        Insertlane, Ireduce, Ishl, Isub, Jump, Load, Return, ScalarToVector, Sextend, Shuffle, Splat, Sshr, Store,
        SwidenHigh, SwidenLow, Uextend, Uload32, Unarrow, Ushr, UwidenHigh, UwidenLow, Vconst,
    };
    let known = [
        Band,
        Bitcast,
        Bitselect,
        Bmask,
        Bor,
        Brif,
        Bxor,
        CallIndirect,
        Extractlane,
        Iadd,
        Icmp,
        Iconst,
        Imul,
        Insertlane,
        Ireduce,
        Ishl,
        Isub,
        Jump,
        Load,
        Return,
        ScalarToVector,
        Sextend,
        Shuffle,
        Splat,
        Sshr,
        Store,
        SwidenHigh,
        SwidenLow,
        Uextend,
        Uload32,
        Unarrow,
        Ushr,
        UwidenHigh,
        UwidenLow,
        Vconst,
    ];
    let isa = Isa::host().unwrap();
    let (mut branches, mut secrets) = (0, 0);
    for seed in 0..200 {
        let f = function(&verify(testing::kernel(seed)).unwrap(), &isa);
        let hidden = secret(&f);
        secrets += hidden.len();
        for (opcode, inst) in insts(&f) {
            assert!(known.contains(&opcode), "seed {seed}: {opcode}");
            branches += usize::from(opcode == Brif);
            for v in shown(&f, inst) {
                assert!(!hidden.contains(&v), "seed {seed}: {} shows {v}", f.dfg.display_inst(inst));
            }
        }
    }
    assert!(branches > 100 && secrets > 1000, "{branches} branches, {secrets} secrets: nothing was tested");
}
