//! What emitted code gains, for each kind of local work: `cargo run --release -p picc-kernels --example bench_kernels`;
//! with programs (`-- model.pi`): the kernels of both parties, compiled, timed against operators that run one at a
//! time, and compared with the interpreter.
//!
//! Every class is computed four ways, which must agree: operator by operator, by the kernel interpreter, by plain Rust
//! as the compiler vectorises it for this build's target, and by emitted code. Speed is bytes read and written once,
//! over the fastest of several runs; the share is of copying as many bytes on one core in the same run.

mod classes;
mod code;
mod program;

use classes::{Class, Out, Slice};
use picc_ir::eval::{Value, eval_op};
use picc_ir::kernel::{Lane, Verified, interp, testing, verify::verify};

use picc_ir::Party;
use picc_ir::tensor::Tensor;
use picc_ir::ty::{Fixed, Owner, Ty, wrap};
use picc_kernels::jit::{BufferRef, Jit};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

fn fastest(runs: usize, mut f: impl FnMut()) -> Duration {
    let once = |f: &mut dyn FnMut()| {
        let start = Instant::now();
        f();
        start.elapsed()
    };
    (0..runs).map(|_| once(&mut f)).min().unwrap_or_default()
}

/// Memory in the lanes of the kernel.
enum Words {
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

impl Words {
    fn new(lane: Lane, values: &[u64]) -> Words {
        match lane {
            Lane::U16 => Words::U16(values.iter().map(|&v| v as u16).collect()),
            Lane::U32 => Words::U32(values.iter().map(|&v| v as u32).collect()),
            Lane::U64 => Words::U64(values.to_vec()),
        }
    }

    fn values(&self) -> Vec<u64> {
        match self {
            Words::U16(v) => v.iter().map(|&v| v.into()).collect(),
            Words::U32(v) => v.iter().map(|&v| v.into()).collect(),
            Words::U64(v) => v.clone(),
        }
    }

    fn shared(&self) -> BufferRef<'_> {
        match self {
            Words::U16(v) => BufferRef::U16(v),
            Words::U32(v) => BufferRef::U32(v),
            Words::U64(v) => BufferRef::U64(v),
        }
    }

    fn unique(&mut self) -> BufferRef<'_> {
        match self {
            Words::U16(v) => BufferRef::U16Mut(v),
            Words::U32(v) => BufferRef::U32Mut(v),
            Words::U64(v) => BufferRef::U64Mut(v),
        }
    }

    fn slice(&self) -> Slice<'_> {
        match self {
            Words::U16(v) => Slice::U16(v),
            Words::U32(v) => Slice::U32(v),
            Words::U64(v) => Slice::U64(v),
        }
    }
}

/// Gigabytes each second of copying `bytes / 2` bytes to another place, by the library or by a loop, whichever is
/// faster: the library's way depends on how both places lie to each other.
fn copy_bandwidth(bytes: usize) -> f64 {
    let from = vec![1u64; bytes / 16];
    let mut to = vec![0u64; bytes / 16];
    let library = fastest(30, || std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&from)));
    let plain = fastest(30, || {
        let from = std::hint::black_box(&from);
        std::hint::black_box(&mut to).iter_mut().zip(from).for_each(|(to, from)| *to = from.wrapping_add(1));
    });
    let time = library.min(plain);
    bytes as f64 / time.as_secs_f64() / 1e9
}

/// Operator by operator, as the reference does; the result as the kernel's output.
fn operators(class: &Class, ring: u8, inputs: &[Tensor<i64>]) -> Result<(Duration, Tensor<i64>), Failure> {
    let ty = |shape: &[usize], bits| Ty::fixed(shape, Fixed::full(bits, 12), Owner::Shared);
    let mut best = Duration::MAX;
    let mut out = Tensor::default();
    let inputs: Vec<Value> = inputs.iter().map(|t| Value::Ring(t.clone())).collect();
    for _ in 0..3 {
        let start = Instant::now();
        let mut values: Vec<Value> = Vec::new();
        let mut tys: Vec<Ty> = class.shapes.iter().map(|s| ty(s, ring)).collect();
        for a in &class.ops {
            let arg = |i: usize| if i < inputs.len() { &inputs[i] } else { &values[i - inputs.len()] };
            let args: Vec<&Value> = a.args.iter().map(|&i| arg(i)).collect();
            let types: Vec<&Ty> = a.args.iter().map(|&i| &tys[i]).collect();
            let shape = a.op.infer(&types).map_or_else(|_| args[0].shape().clone(), |t| t.shape);
            let out_ty = ty(&shape, a.ring_bits);
            let value = eval_op(&a.op, &args, &types, &out_ty)?;
            values.push(value);
            tys.push(out_ty);
        }
        best = best.min(start.elapsed());
        if let Some(Value::Ring(t)) = values.pop() {
            out = t;
        }
    }
    Ok((best, out))
}

fn bench(class: &Class) -> Result<(), Failure> {
    let kernel = verify(class.kernel.clone())?;
    let (codes, _) = Jit::with_cache(None)?.compile(&[&kernel])?;
    let mut memory = testing::memory(&kernel, 1);
    let ring: u8 = 41;
    for (m, b) in memory.iter_mut().zip(&kernel.buffers) {
        let bits = match b.lane {
            Lane::U16 => 12,
            Lane::U32 => 29,
            Lane::U64 => u32::from(ring),
        };
        m.iter_mut().for_each(|v| *v &= (1 << bits) - 1);
    }
    let bytes: usize = kernel.buffers.iter().map(|b| b.len * b.lane.bytes()).sum();
    let mut words: Vec<Words> = kernel.buffers.iter().zip(&memory).map(|(b, m)| Words::new(b.lane, m)).collect();

    let start = Instant::now();
    interp::run(&kernel, &mut memory)?;
    let interpreted = start.elapsed();
    let Some(expected) = memory.last() else { return Ok(()) };

    let Some((out, inputs)) = words.split_last_mut() else { return Ok(()) };
    let slices: Vec<Slice> = inputs.iter().map(Words::slice).collect();
    let rust = fastest(20, || {
        let out = match out {
            Words::U32(v) => Out::U32(v),
            Words::U64(v) => Out::U64(v),
            Words::U16(v) => Out::U16(v),
        };
        (class.rust)(std::hint::black_box(&class.dims), std::hint::black_box(&slices), out);
    });
    assert!(out.values() == *expected, "{}: plain Rust", class.name);
    *out = Words::new(kernel.buffers[inputs.len()].lane, &vec![0; expected.len()]);
    let mut failed = None;
    let emitted = fastest(20, || {
        let mut lent: Vec<BufferRef> = inputs.iter().map(Words::shared).collect();
        lent.push(out.unique());
        failed = codes[0].run(&mut lent).err();
    });
    if let Some(e) = failed {
        return Err(e.into());
    }
    assert!(out.values() == *expected, "{}: emitted code", class.name);

    let by_operator = if class.ops.is_empty() {
        "-".to_owned()
    } else {
        let tensors: Vec<Tensor<i64>> = inputs
            .iter()
            .zip(&class.shapes)
            .map(|(w, s)| Tensor::new(s, w.values().iter().map(|&v| v as i64).collect()))
            .collect();
        let (time, result) = operators(class, ring, &tensors)?;
        let bits = class.ops.last().map_or(64, |a| a.ring_bits);
        let same = result.data.iter().zip(expected).all(|(&a, &b)| a == wrap(b as i64, bits));
        assert!(
            same || class.name.contains("pool") || class.name.contains("truncation"),
            "{}: operators",
            class.name
        );
        format!("{:.1}", time.as_secs_f64() / emitted.as_secs_f64())
    };
    let speed = |t: Duration| bytes as f64 / t.as_secs_f64() / 1e9;
    let copy = copy_bandwidth(bytes);
    println!(
        "| {} | {:.1} | {} | {:.0} | {:.1} | {:.1} | {:.0}% | {:.0}% |",
        class.name,
        bytes as f64 / 1e6,
        by_operator,
        interpreted.as_secs_f64() / emitted.as_secs_f64(),
        speed(rust),
        speed(emitted),
        100.0 * speed(rust) / copy,
        100.0 * speed(emitted) / copy,
    );
    Ok(())
}

/// As many distinct kernels as a ResNet-50 has segments, and more: every class at many shapes.
fn shapes() -> Result<Vec<Verified>, Failure> {
    let mut kernels = Vec::new();
    for i in 0..20 {
        let (c, h) = (8 + 4 * i, [112, 56, 28, 14, 7][i % 5]);
        let n = c * h * h;
        let classes = [
            classes::chain(n),
            classes::truncation(n),
            classes::residual(n),
            classes::pad(c, h, h),
            classes::concat(n),
            classes::im2col(c, h, h),
            classes::sum_pool("", c, h, if h % 2 == 0 { 2 } else { 7 }),
            classes::sum_pool("", c, h, h),
            classes::winograd("", c, h.div_ceil(2)),
            classes::pack_streams(16 * n),
        ];
        for class in classes {
            kernels.push(verify(class.kernel)?);
        }
    }
    Ok(kernels)
}

fn main() -> Result<(), Failure> {
    for path in std::env::args().skip(1) {
        let program = program::read(&path)?;
        let kernels = program::kernels(&program)?;
        let all: Vec<&Verified> = kernels.iter().collect();
        program::compile_time(&all)?;
        for party in Party::BOTH {
            program::against_operators(&program, party)?;
        }
        program::compare(&all)?;
    }
    if std::env::args().len() > 1 {
        return Ok(());
    }
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    println!("| class | MB | operators | interpreter | Rust GB/s | emitted GB/s | Rust / copy | emitted / copy |");
    println!("|---|---|---|---|---|---|---|---|");
    let large = 256 * 56 * 56;
    for class in [
        classes::chain(large),
        classes::truncation(large),
        classes::residual(large),
        classes::pad(64, 56, 56),
        classes::concat(128 * 28 * 28),
        classes::im2col(64, 56, 56),
        classes::sum_pool("sum pool 2x2, u64", 64, 112, 2),
        classes::sum_pool("sum pool 7x7, u64", 2048, 7, 7),
        classes::winograd("Winograd 4x4 input transform, u64, planes 4096 n bytes apart", 64, 28),
        classes::winograd("Winograd 4x4 input transform, u64, other planes", 63, 28),
        classes::pack(large),
        classes::pack_streams(large),
    ] {
        one_core.install(|| bench(&class).map_err(|e| e.to_string()))?;
    }
    println!("operators, interpreter: time as a multiple of emitted code's\n");
    let kernels = shapes()?;
    program::compile_time(&kernels.iter().collect::<Vec<_>>())
}
