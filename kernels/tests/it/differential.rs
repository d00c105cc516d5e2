//! Random kernels: emitted code computes what the interpreter computes.

use crate::memory;
use picc_ir::kernel::{Verified, interp, testing, verify::verify};
use picc_kernels::jit::Jit;

/// Random kernels from `seed` on, in batches that share a block of memory.
fn check(seeds: std::ops::Range<u64>) {
    let jit = Jit::with_cache(None).unwrap();
    for batch in seeds.collect::<Vec<_>>().chunks(50) {
        let kernels: Vec<Verified> = batch.iter().map(|&s| verify(testing::kernel(s)).unwrap()).collect();
        let (codes, _) = jit.compile(&kernels.iter().collect::<Vec<_>>()).unwrap();
        for ((&seed, kernel), code) in batch.iter().zip(&kernels).zip(&codes) {
            for round in 0..2 {
                let mut expected = testing::memory(kernel, seed ^ (round << 40));
                let mut found = expected.clone();
                let mut in_parts = expected.clone();
                interp::run(kernel, &mut expected).unwrap();
                memory::run(code, kernel, &mut found).unwrap();
                assert!(found == expected, "seed {seed}, round {round}:\n{}", **kernel);
                let parts = 2 + (seed + round) as usize % 5;
                memory::run_in_parts(code, kernel, &mut in_parts, parts).unwrap();
                assert!(in_parts == expected, "seed {seed}, round {round}, {parts} parts:\n{}", **kernel);
            }
        }
    }
}

#[test]
fn emitted_code_computes_what_the_interpreter_computes() {
    check(0..400);
}

/// `PICC_FUZZ_KERNELS=100000 cargo test --release -p picc-kernels --test it -- --ignored many`: that many kernels, from
/// seed `PICC_FUZZ_SEED` on.
#[test]
#[ignore = "as long as one likes"]
fn many_random_kernels() {
    let var = |name: &str, default| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let first = var("PICC_FUZZ_SEED", 1 << 32);
    check(first..first + var("PICC_FUZZ_KERNELS", 20_000));
}
