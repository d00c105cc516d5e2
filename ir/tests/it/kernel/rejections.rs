//! What the verifier refuses: one kernel, broken in each way.

use super::{POOL, parsed};
use picc_ir::kernel::verify::{Fault, KernelError, MAX_TRIED, verify};
use picc_ir::kernel::{Kernel, Step};

#[test]
fn the_kernel_itself_is_accepted() {
    verify(parsed(POOL)).expect("valid");
}

/// `POOL` with a text replaced is refused with this message.
fn refused(from: &str, to: &str, message: &str) {
    assert!(POOL.contains(from), "{from}");
    let error = verify(parsed(&POOL.replacen(from, to, 1))).expect_err(to);
    assert_eq!(error.to_string(), message, "{to}");
}

#[test]
fn types() {
    refused("add r0 r1", "add r0 r2", "step 0: r2: r2 is no earlier value");
    refused("add r0 r1", "add r0 r9", "step 0: r2: r9 is no earlier value");
    refused("const u64 5", "const u32 5", "step 0: r2: operands of different lanes");
    refused("const u64 5", "const u16 65536", "step 0: r1: the constant does not fit its lane");
    refused("select r2 r0 r1", "select r2 r3 r1", "step 2: r3: r3 is no earlier value");
    refused("shr r0 1", "shr r0 64", "step 2: r1: a shift by the lane's width or more");
    refused(
        "r2 = convert signed u32 r1",
        "r2 = convert u16 r1",
        "step 2: r3: a value of another lane than its buffer",
    );
    refused("a0: u64 add 7", "a0: u32 add 7", "step 2: r4: a value of another lane than its accumulator");
    refused("a0: u64 add 7", "a0: u16 add 65536", "step 2: a0: the start does not fit its lane");
    refused("a0: u64 add 7", "a0: u64 sub 7", "step 2: a0: differences depend on the order");
    refused("accumulate a0 r3", "accumulate a1 r3", "step 2: r4: no such accumulator");
    refused("r0 = total a0", "r0 = total a1", "step 2: r0: no such accumulator");
    refused("load b0[31 - 8*i0 + i1]", "load b7[0]", "step 1: there is no buffer b7");
    refused("load b0[t0[i1] + 4*i2]", "load b0[t1[i1] + 4*i2]", "step 0: there is no table t1");
}

#[test]
fn shapes() {
    refused("nest [4, 8]", "nest [4, 0]", "step 1: a loop of no points");
    refused("reduce [2, 2]", "reduce [2, 0]", "step 2: a loop of no points");
    refused(" reduce [2, 2]", "", "step 2: accumulators or a body without reduction loops");
    let many = format!("nest [4, 8{}]", ", 1".repeat(15));
    refused("nest [4, 8]", &many, "step 1: 17 loops, at most 16 are allowed");
    refused("accumulate a0 r3", "store b2[0] r3", "step 2: r4: a store in a body");
    refused("r3 = select r2 r0 r1", "r3 = total a0", "step 2: r3: a total in a body");
    refused("store b1[4*i0 + i1] r2", "accumulate a0 r0", "step 2: r3: an accumulation after the body");
}

#[test]
fn bounds() {
    refused("31 - 8*i0 + i1", "64 - 8*i0 + i1", "step 1: b0: indices 40 to 71 of 64 elements");
    refused("31 - 8*i0 + i1", "23 - 8*i0 + i1", "step 1: b0: indices -1 to 30 of 64 elements");
    refused("32 + 8*i0 + i1", "33 + 8*i0 + i1", "step 1: b2: indices 33 to 64 of 64 elements");
    refused("16*i0 + 2*i1 + 8*i2 + i3", "16*i0 + 2*i1 + 9*i2 + i3", "step 2: b2: indices 0 to 64 of 64 elements");
    refused("4*i0 + i1", "4*i0 + i1 + i2", "step 2: an index with 3 strides in 2 loops");
    refused("t0[i1]", "t0[1 + i1]", "step 0: t0: indices 1 to 4 of 4 entries");
    refused("t0[i1]", "t0[-i1]", "step 0: t0: indices -3 to 0 of 4 entries");
    refused("[3, 2, 1, 0]", "[3, 2, 1, 40]", "step 0: b0: indices 1 to 68 of 64 elements");
    let far = format!("{}*i0", i64::MIN);
    let message = format!("step 1: b0: indices {} to 7 of 64 elements", 3 * i128::from(i64::MIN));
    refused("31 - 8*i0 + i1", &format!("{far} + i1"), &message);
}

#[test]
fn access_and_order() {
    refused("store b2[8*i1 + i2] r2", "store b0[8*i1 + i2] r2", "step 0: b0 is only read");
    refused("store b2[8*i1 + i2]", "store b2[8*i1]", "step 0: b2: two points store the same element");
    refused("store b2[8*i1 + i2]", "store b2[4*i1 + i2]", "step 0: b2: two points store the same element");
    refused("store b2[8*i1 + i2]", "store b2[t0[i1] + i2]", "step 0: b2: two points store the same element");
    refused(
        "r0 = load b0[31 - 8*i0 + i1]",
        "r0 = load b2[8*i0 + i1]",
        "step 1: b2 is loaded at another index than the one that this nest stores",
    );
    refused(
        "load b0[t0[i1] + 4*i2]",
        "load b2[8*i1 + i2]",
        "step 0: b2: elements 0 to 31 are loaded before they are stored",
    );
    refused(
        "store b2[32 + 8*i0 + i1]",
        "store b2[31 + 8*i0 + i1]",
        "step 2: b2: elements 0 to 63 are loaded before they are stored",
    );
    refused("u32[16] write", "u32[17] write", "element 16 of buffer b1 is never stored");
    refused(
        "store b1[4*i0 + i1] r2",
        "store b1[t0[i0] + 4*i1] r2\nstore b1[0] r2",
        "step 2: b1: two points store the same element",
    );
}

/// Several stores of one buffer that fit together, and a load of what the nest itself stores.
#[test]
fn disjoint_stores_are_accepted() {
    let text = POOL.replacen("store b1[4*i0 + i1] r2", "store b1[t0[i0] + 4*i1] r2", 1);
    verify(parsed(&text)).expect("a permutation by a table");
    let pairs = POOL.replacen("nest [4, 8] {", "nest [2, 8] {", 1).replacen(
        "store b2[32 + 8*i0 + i1] r0",
        "store b2[32 + 16*i0 + 2*i1] r0\nstore b2[33 + 16*i0 + 2*i1] r0",
        1,
    );
    verify(parsed(&pairs)).expect("even and odd elements");
    let again = POOL.replacen("}\n  nest [4, 4] reduce", "}\n nest [64] {\n finish {\n r0 = load b2[i0]\n r1 = add r0 r0\n store b2[i0] r1\n }\n }\n nest [4, 4] reduce", 1);
    verify(parsed(&again)).expect("in place");
}

const CALL: &str = r#"kernel {
  b0: u32[100] read "x"
  b1: u32[36] read "w"
  b2: u32[64] write "y"
  call conv {"n":1,"c_in":2,"h":6,"w":6,"c_out":2,"kh":3,"kw":3,"stride":[1,1],"pads":[0,0,0,0],"dilation":[1,1],"groups":1} u32 b0+28 b1+0 -> b2+0
  call matmul {"batch":2,"rows":4,"inner":2,"cols":4} u32 b0+0 b0+16 -> b2+32
}
"#;

#[test]
fn calls() {
    verify(parsed(CALL)).expect("valid");
    let refused = |from: &str, to: &str, message: &str| {
        assert!(CALL.contains(from), "{from}");
        let error = verify(parsed(&CALL.replacen(from, to, 1))).expect_err(to);
        assert!(error.to_string().starts_with(message), "{error}");
    };
    refused("b0+28", "b0+29", "step 0: b0: indices 29 to 100 of 100 elements");
    refused("b2+32", "b2+33", "step 1: b2: indices 33 to 64 of 64 elements");
    refused("b2+32", "b0+32", "step 1: b0 is only read");
    refused("u32 b0+28", "u64 b0+28", "step 0: b0 has another lane than the call");
    refused("b0+0 b0+16 -> b2+32", "b2+0 b0+16 -> b2+8", "step 1: the result overlaps an argument");
    refused("b0+0 b0+16 -> b2+32", "b2+31 b0+16 -> b2+0", "step 1: the result overlaps an argument");
    refused("b0+0 b0+16 -> b2+32", "b2+32 b0+16 -> b2+0", "step 1: b2: elements 32 to 47 are loaded before");
    refused("\"stride\":[1,1]", "\"stride\":[0,1]", "step 0: no such product");
    refused("\"groups\":1", "\"groups\":0", "step 0: no such product");
    refused("\"kh\":3", "\"kh\":0", "step 0: no such product");
    refused("\"kh\":3", "\"kh\":9", "step 0: no such product");
    refused("\"h\":6", "\"h\":18446744073709551615", "step 0: no such product");
    refused("\"rows\":4", "\"rows\":0", "step 1: no such product");
}

fn too_large(kernel: Kernel, expect: &str) {
    match verify(kernel) {
        Err(KernelError::TooLarge { what, .. }) => assert_eq!(what, expect),
        other => panic!("{expect}: {other:?}"),
    }
}

#[test]
fn sizes() {
    let kernel = parsed(POOL);
    let with = |change: &dyn Fn(&mut Kernel)| {
        let mut kernel = kernel.clone();
        change(&mut kernel);
        kernel
    };
    too_large(with(&|k| k.buffers.resize(1 << 17, k.buffers[0].clone())), "buffers");
    too_large(with(&|k| k.buffers[0].len = usize::MAX), "bytes of buffers");
    too_large(with(&|k| k.buffers[2].len = 1 << 32), "bytes of scratch buffers");
    too_large(with(&|k| k.tables.resize(1 << 23, k.tables[0].clone())), "table entries");
    too_large(with(&|k| k.steps.resize(1 << 17, k.steps[0].clone())), "steps");
    let first = |k: &mut Kernel, change: &dyn Fn(&mut picc_ir::kernel::Nest)| {
        if let Some(Step::Nest(nest)) = k.steps.first_mut() {
            change(nest);
        }
    };
    too_large(with(&|k| first(k, &|n| n.finish.resize(1 << 21, n.finish[0].clone()))), "instructions");
    too_large(with(&|k| first(k, &|n| n.loops.extend([u32::MAX; 40]))), "points and multiply-adds");
    let empty = verify(with(&|k| k.buffers[1].len = 0));
    assert_eq!(empty, Err(KernelError::EmptyBuffer { buffer: 1 }));
}

/// Showing that stores do not meet has a budget, so that nobody can keep the verifier busy.
#[test]
fn the_verifier_does_not_try_for_ever() {
    let runs = format!(
        "kernel {{\n b0: u16[{}] scratch \"\"\n nest [{1}] {{\n finish {{\n r0 = const u16 0\n \
         store b0[2*i0] r0\n }}\n }}\n}}",
        2 * (MAX_TRIED + 1),
        MAX_TRIED + 1
    );
    let fault = Fault::TooManyStores { buffer: 0 };
    assert_eq!(verify(parsed(&runs)), Err(KernelError::Step { step: 0, fault }));
}
