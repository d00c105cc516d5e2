//! Every kernel of a compiled program: time to make them, cold and from the cache, and whether they compute what the
//! interpreter computes.

use super::{Failure, Words};
use picc_ir::kernel::build::{Lanes, build};
use picc_ir::kernel::{Access, Verified, interp, testing};
use picc_ir::{Party, Program};
use picc_kernels::cache::Cache;
use picc_kernels::jit::{BufferRef, CompiledKernel, Jit, Scratch};
use std::time::Instant;

/// The kernels of both parties of the program in a file.
pub fn kernels(path: &str) -> Result<Vec<Verified>, Failure> {
    let program = Program::from_bytes(&std::fs::read(path)?)?;
    let start = Instant::now();
    let mut kernels = Vec::new();
    for party in Party::BOTH {
        for segment in &program.segments {
            kernels.push(build(&program.graph, &segment.nodes, party, Lanes::Narrow)?.kernel);
        }
    }
    println!(
        "{path}: {} segments, {} kernels of both parties built in {:.0} ms",
        program.segments.len(),
        kernels.len(),
        start.elapsed().as_secs_f64() * 1e3
    );
    Ok(kernels)
}

/// Compiles all kernels twice: without and with the files of the first time.
pub fn compile_time(all: &[&Verified]) -> Result<(), Failure> {
    let dir = std::env::temp_dir().join(format!("picc-bench-kernels-{}", std::process::id()));
    for state in ["cold", "from cache"] {
        let start = Instant::now();
        let jit = Jit::with_cache(Some(Cache::at(&dir)?))?;
        let (_, report) = jit.compile(all)?;
        println!(
            "{state}: {} kernels, {} distinct, {} cached, {} KB of code in {:.0} ms on {} threads",
            all.len(),
            report.distinct,
            report.cached,
            report.code_bytes / 1000,
            start.elapsed().as_secs_f64() * 1e3,
            std::thread::available_parallelism().map_or(1, usize::from),
        );
        assert!(report.notes.is_empty(), "{:?}", report.notes);
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Runs every kernel both ways on random memory.
pub fn compare(all: &[&Verified]) -> Result<(), Failure> {
    let (codes, _) = Jit::with_cache(None)?.compile(all)?;
    let mut scratch = Scratch::default();
    let (mut slow, mut fast) = (0.0, 0.0);
    for (i, (kernel, code)) in all.iter().zip(&codes).enumerate() {
        let mut expected = testing::memory(kernel, i as u64);
        let given = expected.clone();
        let start = Instant::now();
        interp::run(kernel, &mut expected)?;
        slow += start.elapsed().as_secs_f64();
        let (time, found) = run(kernel, code, &given, &mut scratch)?;
        fast += time;
        assert!(found == expected, "kernel {i}:\n{}", ***kernel);
    }
    println!(
        "{} kernels agree with the interpreter: {:.1} s there, {:.3} s in emitted code",
        all.len(),
        slow,
        fast
    );
    Ok(())
}

fn run(
    kernel: &Verified,
    code: &CompiledKernel,
    given: &[Vec<u64>],
    scratch: &mut Scratch,
) -> Result<(f64, Vec<Vec<u64>>), Failure> {
    let callers: Vec<_> = kernel.buffers.iter().filter(|b| b.access != Access::Scratch).collect();
    let mut words: Vec<Words> = callers.iter().zip(given).map(|(b, v)| Words::new(b.lane, v)).collect();
    let mut time = f64::MAX;
    for _ in 0..2 {
        let mut lent: Vec<BufferRef> = Vec::new();
        for (w, b) in words.iter_mut().zip(&callers) {
            lent.push(if b.access == Access::Read { w.shared() } else { w.unique() });
        }
        let start = Instant::now();
        code.run_in(&mut lent, scratch)?;
        time = time.min(start.elapsed().as_secs_f64());
    }
    Ok((time, words.iter().map(Words::values).collect()))
}
