//! Every kernel of a compiled program: time to make them, cold and from the cache, whether they compute what the
//! interpreter and the operators compute, and how much faster than operators that run one at a time.

use super::{Failure, Words};
use picc_ir::kernel::construct::{Lanes, Role, build};
use picc_ir::kernel::{Access, Verified, interp, testing};
use picc_ir::{Id, Owner, Party, Program};
use picc_kernels::cache::Cache;
use picc_kernels::jit::{BufferRef, CompiledKernel, Jit, Scratch, Spare};
use std::time::{Duration, Instant};

/// For how long, and how often at least, one segment or node is run again and again: the first runs meet fresh memory,
/// and other work on the machine must leave a run alone.
const SPAN: Duration = Duration::from_millis(40);
const RUNS: usize = 5;

fn fastest_within(span: Duration, mut f: impl FnMut()) -> Duration {
    let begin = Instant::now();
    let (mut best, mut runs) = (Duration::MAX, 0);
    while runs < RUNS || begin.elapsed() < span {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed());
        runs += 1;
    }
    best
}

/// The program in a file.
pub fn read(path: &str) -> Result<Program, Failure> {
    Ok(Program::from_bytes(&std::fs::read(path)?)?)
}

/// The kernels of both parties, as the runtime builds them.
pub fn kernels(program: &Program) -> Result<Vec<Verified>, Failure> {
    let start = Instant::now();
    let mut kernels = Vec::new();
    for party in Party::BOTH {
        for segment in &program.segments {
            kernels.push(build(&program.graph, &segment.nodes, party, Lanes::Wide)?.kernel);
        }
    }
    println!(
        "{}: {} segments, {} kernels of both parties built in {:.0} ms",
        program.model,
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

/// Times of one party's local work in one inference, on random shares: fused and emitted, memory for the results
/// included (that of dead values first, as in the runtime), on one core and on all; and node by node, each by its
/// reference operator, whole tensors between them. All must agree.
pub fn against_operators(program: &Program, party: Party) -> Result<(), Failure> {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pools = [pool(1)?, pool(0)?];
    let graph = &program.graph;
    let values = testing::held(graph, party, 1)?;
    let mut built = Vec::new();
    for segment in &program.segments {
        built.push(build(graph, &segment.nodes, party, Lanes::Wide)?);
    }
    let (codes, _) = Jit::with_cache(None)?.compile(&built.iter().map(|b| &b.kernel).collect::<Vec<_>>())?;
    let (mut scratch, mut spare) = (Scratch::default(), Spare::default());
    let (mut nodes, mut by_operator, mut emitted) = (0, Duration::ZERO, [Duration::ZERO; 2]);
    for ((segment, built), code) in program.segments.iter().zip(&built).zip(&codes) {
        let element = |id: Id| {
            let fixed = graph.ty(id).as_fixed().filter(|_| graph.ty(id).owner == Owner::Shared);
            let mask = u64::MAX >> (64 - fixed.map_or(64, |f| f.ring_bits));
            move |v: &i64| v.cast_unsigned() & mask
        };
        let expect = |id: Id| -> Vec<u64> { values[&id].data.iter().map(element(id)).collect() };
        let given: Vec<Option<Vec<u64>>> = built
            .roles
            .iter()
            .map(|role| match role {
                Role::Input(id) => Some(expect(*id)),
                Role::Output(_) => None,
            })
            .collect();
        let outputs: Vec<Id> = built
            .roles
            .iter()
            .filter_map(|role| match role {
                Role::Input(_) => None,
                Role::Output(id) => Some(*id),
            })
            .collect();
        for (pool, emitted) in pools.iter().zip(&mut emitted) {
            let (mut made, mut failed) = (Vec::new(), None);
            // On a thread of the pool throughout: waking one up is not what is measured.
            *emitted += pool.install(|| {
                fastest_within(SPAN, || {
                    made.drain(..).for_each(|buffer| spare.give(buffer));
                    made = outputs.iter().map(|id| spare.take(graph.ty(*id).len())).collect();
                    let mut written = made.iter_mut();
                    let mut lent: Vec<BufferRef> = given
                        .iter()
                        .filter_map(|given| match given {
                            Some(values) => Some(BufferRef::U64(values)),
                            None => written.next().map(|out: &mut Vec<u64>| BufferRef::U64Mut(out)),
                        })
                        .collect();
                    failed = code.run_in(&mut lent, &mut scratch).err();
                })
            });
            if let Some(e) = failed {
                return Err(e.into());
            }
            for (id, made) in outputs.iter().zip(made) {
                assert!(made == expect(*id), "%{} of {party:?}", id.0);
                spare.give(made);
            }
        }
        for &id in &segment.nodes {
            nodes += 1;
            by_operator += fastest_within(SPAN, || {
                std::hint::black_box(testing::step(graph, id, party, &values)).ok();
            });
        }
    }
    println!(
        "{party:?}: {nodes} nodes one at a time {:.2} ms, {} kernels {:.2} ms on one core ({:.1} times faster), {:.2} ms on {}",
        by_operator.as_secs_f64() * 1e3,
        codes.len(),
        emitted[0].as_secs_f64() * 1e3,
        by_operator.as_secs_f64() / emitted[0].as_secs_f64(),
        emitted[1].as_secs_f64() * 1e3,
        pools[1].current_num_threads(),
    );
    Ok(())
}
