//! Kernel IR to Cranelift IR, and that to machine code without relocations.
//!
//! ```text
//! extern "C" fn(buffers: *const *mut u8, tables: *const *const u32, sites: *const Site, step: u64, first: u64, last: u64)
//! ```
//! One call runs one step; the runtime calls them in order. A nest becomes loops (`plan` says how), of whose outermost
//! one it runs turns `first..last`, so that large nests can be shared among threads; a call goes through the function
//! pointer of its site.
//! The kernel IR has no data-dependent branch and no data-dependent address, and no instruction here makes one: what
//! branches is a counter against a constant, what is indexed is a counter or an entry of a public table.

mod access;
mod cost;
mod memory;
mod nest;
mod plan;
mod together;
mod value;

#[cfg(test)]
mod constant_time;

use crate::call::Site;
use crate::isa::Isa;
use access::Source;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{AbiParam, Function, InstBuilder, MemFlagsData, Signature, Value, types};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use nest::Turns;
use picc_ir::kernel::{Lane, Step, Verified, View};
use plan::Plan;
use std::collections::BTreeMap;
pub(crate) use together::steps;

/// Why no code was made of a kernel: a limit of the code generator, or a bug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    #[error("the code generator refused a kernel: {0}")]
    Codegen(String),
    #[error("code of a kernel needs {0} relocations")]
    Relocations(usize),
}

/// Machine code of one kernel, position independent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub bytes: Vec<u8>,
}

/// The kernel as Cranelift IR.
pub(crate) fn function(kernel: &Verified, isa: &Isa) -> Function {
    let call_conv = isa.target().default_call_conv();
    let mut signature = Signature::new(call_conv);
    signature.params.extend([AbiParam::new(types::I64); 6]);
    let mut function = Function::new();
    function.signature = signature;
    let mut context = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(&mut function, &mut context);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    b.seal_block(entry);
    let parameter = |at: usize| b.block_params(entry)[at];
    let [buffers, tables, sites] = [parameter(0), parameter(1), parameter(2)];
    let [chosen, first, last] = [parameter(3), parameter(4), parameter(5)];

    let mut site = 0;
    for (number, step) in kernel.steps.iter().enumerate() {
        let (this, next) = (b.create_block(), b.create_block());
        let is_this = b.ins().icmp_imm_s(IntCC::Equal, chosen, number as i64);
        b.ins().brif(is_this, this, &[], next, &[]);
        b.seal_block(this);
        b.seal_block(next);
        b.switch_to_block(this);
        match step {
            Step::Nest(n) => {
                let plan = Plan::new(kernel, n);
                let mut pointers: BTreeMap<(bool, u32), Value> = BTreeMap::new();
                for source in plan.buffers() {
                    let (table, of, at) = match source {
                        Source::Buffer(at) => (false, buffers, at),
                        Source::Table(at) => (true, tables, at),
                    };
                    pointers.entry((table, at)).or_insert_with(|| pointer(&mut b, of, at as usize));
                }
                nest::emit(&mut b, &plan, Turns { first, last }, &|source| match source {
                    Source::Buffer(at) => pointers[&(false, at)],
                    Source::Table(at) => pointers[&(true, at)],
                });
            }
            Step::Call { primitive: _, lane, args, result } => {
                call(&mut b, call_conv, buffers, sites, site, *lane, [args[0], args[1], *result]);
                site += 1;
            }
        }
        b.ins().return_(&[]);
        b.switch_to_block(next);
    }
    b.ins().return_(&[]);
    b.finalize(isa.target().frontend_config());
    function
}

/// Entry `at` of an array of pointers.
fn pointer(b: &mut FunctionBuilder<'_>, array: Value, at: usize) -> Value {
    let flags = MemFlagsData::trusted().with_readonly();
    b.ins().load(types::I64, flags, array, (8 * at) as i32)
}

/// `site.run(site, x, y, result)`.
fn call(
    b: &mut FunctionBuilder<'_>,
    call_conv: cranelift_codegen::isa::CallConv,
    buffers: Value,
    sites: Value,
    site: usize,
    lane: Lane,
    views: [View; 3],
) {
    let this = b.ins().iadd_imm_s(sites, (site * size_of::<Site>()) as i64);
    let flags = MemFlagsData::trusted().with_readonly();
    let run = b.ins().load(types::I64, flags, this, Site::RUN_OFFSET as i32);
    let mut arguments = vec![this];
    for view in views {
        let start = pointer(b, buffers, view.buffer as usize);
        arguments.push(b.ins().iadd_imm_s(start, (view.offset * lane.bytes()) as i64));
    }
    let mut signature = Signature::new(call_conv);
    signature.params.extend([AbiParam::new(types::I64); 4]);
    let signature = b.import_signature(signature);
    b.ins().call_indirect(signature, run, &arguments);
}

/// Machine code of a kernel.
pub fn compile(kernel: &Verified, isa: &Isa) -> Result<Code, LowerError> {
    let mut context = Context::for_function(function(kernel, isa));
    let compiled = context
        .compile(isa.target(), &mut ControlPlane::default())
        .map_err(|e| LowerError::Codegen(e.inner.to_string()))?;
    match compiled.buffer.relocs().len() {
        0 => Ok(Code { bytes: compiled.code_buffer().to_vec() }),
        n => Err(LowerError::Relocations(n)),
    }
}

/// The kernel as Cranelift IR, for reading.
#[must_use]
pub fn clif(kernel: &Verified, isa: &Isa) -> String {
    function(kernel, isa).display().to_string()
}

/// The kernel's machine instructions, for reading.
pub fn assembly(kernel: &Verified, isa: &Isa) -> Result<String, LowerError> {
    let mut context = Context::for_function(function(kernel, isa));
    context.set_disasm(true);
    let compiled = context
        .compile(isa.target(), &mut ControlPlane::default())
        .map_err(|e| LowerError::Codegen(e.inner.to_string()))?;
    Ok(compiled.vcode.clone().unwrap_or_default())
}
