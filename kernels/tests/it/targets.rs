//! Code for processors that the tests do not run on.

use picc_ir::kernel::{testing, verify::verify};
use picc_kernels::isa::Isa;
use picc_kernels::lower;

/// Cranelift's verifier is on: the IR is checked, and all of it has machine code without relocations.
#[test]
fn kernels_compile_for_both_architectures() {
    for target in ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"] {
        let isa = Isa::named(target).unwrap();
        for seed in 0..60 {
            let kernel = verify(testing::kernel(seed)).unwrap();
            let code = lower::compile(&kernel, &isa).unwrap_or_else(|e| panic!("{target}, seed {seed}: {e}"));
            assert!(!code.bytes.is_empty());
        }
    }
}

#[test]
fn code_can_be_read() {
    let kernel = verify(testing::kernel(0)).unwrap();
    let clif = lower::clif(&kernel, &Isa::host().unwrap());
    assert!(clif.starts_with("function u0:0(i64, i64, i64, i64, i64, i64)"), "{clif}");
    let assembly = lower::assembly(&kernel, &Isa::named("aarch64-unknown-linux-gnu").unwrap()).unwrap();
    assert!(assembly.contains("ret"), "{assembly}");
}

#[test]
fn unknown_targets_are_refused() {
    assert!(Isa::named("z80").is_err());
    assert!(Isa::named("s390x-unknown-linux-gnu").is_err(), "not built in");
}
