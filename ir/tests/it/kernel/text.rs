//! The text form of kernels.

use super::{POOL, parsed};
use picc_ir::kernel::{Kernel, testing};

#[test]
fn a_kernel_prints() {
    let without_comment: String = POOL.lines().filter(|l| !l.contains('#')).map(|l| format!("{l}\n")).collect();
    assert_eq!(parsed(POOL).to_string(), without_comment);
}

#[test]
fn random_kernels_round_trip() {
    for seed in 0..300 {
        let kernel = testing::kernel(seed);
        let text = kernel.to_string();
        assert_eq!(parsed(&text), kernel, "seed {seed}\n{text}");
    }
}

#[test]
fn errors_name_the_line() {
    for (from, to, message) in [
        ("u64[64] read", "u65[64] read", "line 2: expected one of u16, u32, u64 at `u65[64] read \"x\"`"),
        ("b1: u32", "b2: u32", "line 3: expected b1, found b2"),
        ("r1 = const u64 5", "const u64 5", "line 10: a value without a register"),
        ("r1 = const u64 5", "r3 = const u64 5", "line 10: expected r1, found r3"),
        ("add r0 r1", "plus r0 r1", "line 11: no instruction `plus`"),
        ("load b0[t0[i1] + 4*i2]", "load b0[t0[i1] + 4*i99]", "line 9: no loop i99"),
        ("31 - 8*i0", "31 - 99999999999999999999*i0", "line 17: -99999999999999999999 does not fit an index"),
        ("a0: u64 add 7", "a0: u64 add -7", "line 22: expected a number at `-7`"),
    ] {
        assert!(POOL.contains(from), "{from}");
        let error = POOL.replacen(from, to, 1).parse::<Kernel>().expect_err(to);
        assert_eq!(error.to_string(), message);
    }
    let cut = POOL.trim_end().trim_end_matches('}');
    assert!(cut.parse::<Kernel>().expect_err("cut").to_string().contains("ends too early"));
}

/// Every cut and every changed byte gives a kernel or an error.
#[test]
fn damaged_texts_do_no_harm() {
    let mut r = testing::Seeded(3);
    for i in 0..POOL.len() {
        let mut bytes = POOL.as_bytes().to_vec();
        bytes[i] = b" 09-*+[]{}btirua"[r.within(0, 15)];
        let _ = std::str::from_utf8(&bytes).map(str::parse::<Kernel>);
        let _ = POOL.get(..i).map(str::parse::<Kernel>);
    }
}
