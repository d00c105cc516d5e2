//! What kernels compute.

use super::{POOL, parsed};
use picc_ir::kernel::interp::{RunError, run};
use picc_ir::kernel::testing;
use picc_ir::kernel::verify::verify;

fn ran(text: &str, buffers: &[&[u64]]) -> Vec<Vec<u64>> {
    let kernel = verify(parsed(text)).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut buffers: Vec<Vec<u64>> = buffers.iter().map(|b| b.to_vec()).collect();
    run(&kernel, &mut buffers).expect("runs");
    buffers
}

#[test]
fn a_pool_of_two_pieces() {
    let x: Vec<u64> = (0..64).collect();
    let y = ran(POOL, &[&x, &[0; 16]]).remove(1);
    let mut joined = vec![0; 64];
    for i in 0..32 {
        joined[i] = [3, 2, 1, 0][i / 8] + 4 * (i as u64 % 8) + 5;
        joined[32 + i] = 31 - 8 * (i as u64 / 8) + i as u64 % 8;
    }
    let window = |i: usize| [0, 1, 8, 9].map(|t| joined[16 * (i / 4) + 2 * (i % 4) + t].min(9)).iter().sum::<u64>();
    let expect: Vec<u64> = (0..16).map(|i| (7 + window(i)) >> 1).collect();
    assert_eq!(y, expect);
}

#[test]
fn instructions_wrap_in_their_lane() {
    let unary = |what: &str, x: u64| {
        let text = format!(
            "kernel {{\n b0: u16[1] read \"\"\n b1: u16[1] write \"\"\n nest [] {{\n finish {{\n \
             r0 = load b0[0]\n r1 = const u16 65535\n r2 = {what}\n store b1[0] r2\n }}\n }}\n}}"
        );
        ran(&text, &[&[x], &[0]])[1][0]
    };
    assert_eq!(unary("add r0 r1", 5), 4);
    assert_eq!(unary("sub r0 r1", 5), 6);
    assert_eq!(unary("mul r0 r1", 5), 0xfffb);
    assert_eq!(unary("xor r0 r1", 5), 0xfffa);
    assert_eq!(unary("and r0 r1", 5), 5);
    assert_eq!(unary("or r0 r1", 5), 0xffff);
    assert_eq!(unary("shl r0 15", 5), 0x8000);
    assert_eq!(unary("shr r0 15", 0x8000), 1);
    assert_eq!(unary("sar r0 14", 0x8000), 0xfffe);
    assert_eq!(unary("eq r0 r1", 0xffff), 0xffff);
    assert_eq!(unary("ltu r0 r1", 0xffff), 0);
    assert_eq!(unary("ltu r0 r1", 5), 0xffff);
    assert_eq!(unary("lts r0 r1", 5), 0);
    assert_eq!(unary("lts r0 r1", 0x8000), 0xffff);
    assert_eq!(unary("select r0 r1 r0", 0x0ff0), 0x0ff0);
    let convert = |what: &str, x: u64| {
        let text = format!(
            "kernel {{\n b0: u16[1] read \"\"\n b1: u64[1] write \"\"\n nest [] {{\n finish {{\n \
             r0 = load b0[0]\n r1 = convert {what} r0\n store b1[0] r1\n }}\n }}\n}}"
        );
        ran(&text, &[&[x], &[0]])[1][0]
    };
    assert_eq!(convert("u64", 0x8001), 0x8001);
    assert_eq!(convert("signed u64", 0x8001), 0xffff_ffff_ffff_8001);
}

#[test]
fn random_kernels_verify_and_run() {
    let mut steps = 0;
    for seed in 0..500 {
        let kernel = testing::kernel(seed);
        let kernel = verify(kernel.clone()).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{kernel}"));
        steps += kernel.steps.len();
        let mut memory = testing::memory(&kernel, seed);
        let before = memory.clone();
        run(&kernel, &mut memory).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let callers = kernel.buffers.iter().filter(|b| b.access != picc_ir::kernel::Access::Scratch);
        for ((buffer, before), after) in callers.zip(&before).zip(&memory) {
            assert!(after.iter().all(|v| *v <= buffer.lane.mask()), "seed {seed}");
            if buffer.access == picc_ir::kernel::Access::Read {
                assert_eq!(before, after, "seed {seed}");
            }
        }
        // What was in the written buffers before does not matter.
        let mut other = testing::memory(&kernel, seed);
        for (buffer, m) in
            kernel.buffers.iter().filter(|b| b.access != picc_ir::kernel::Access::Scratch).zip(&mut other)
        {
            if buffer.access == picc_ir::kernel::Access::Write {
                m.fill(0x55);
            }
        }
        run(&kernel, &mut other).expect("runs");
        assert_eq!(other, memory, "seed {seed}");
    }
    assert!(steps > 1000);
}

#[test]
fn buffers_must_fit() {
    let kernel = verify(parsed(POOL)).expect("valid");
    assert_eq!(run(&kernel, &mut [vec![0; 64]]), Err(RunError::Buffers { expected: 2, found: 1 }));
    let short = RunError::Length { buffer: 1, expected: 16, found: 15 };
    assert_eq!(run(&kernel, &mut [vec![0; 64], vec![0; 15]]), Err(short));
    let narrow = verify(parsed(&POOL.replace("u64", "u16"))).expect("valid");
    let mut x = vec![0; 64];
    x[3] = 1 << 16;
    assert_eq!(run(&narrow, &mut [x, vec![0; 16]]), Err(RunError::Lane { buffer: 0, element: 3 }));
}
