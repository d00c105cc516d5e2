//! Ring convolutions on one core: micro-kernels, the best products of registry crates, what the compiler makes of plain
//! loops, and the reference interpreter.
//!
//! `cargo run --release --manifest-path tests/products/Cargo.toml` prints GMAC/s, the ratio to the best other way to
//! the same result, and the ratio to the best f64 product of the same shape, whose sums must stay below 2^53. In a ring
//! of 64 bits with 16-bit weights, f64 needs three such products, of values cut into limbs; in one of 32 bits two.
//! Convolutions by a matrix product unfold the windows first (im2col), in the time that is measured: that is what they
//! need to be convolutions. The product alone is printed too. Arguments choose rows: those that hold every one of them
//! in their title and label (`-- 1x1 u64 2^52`). Each figure is the best of many runs, all taken in turn, in
//! seconds of the processor, so that other processes disturb little.

use ndarray::ArrayView2;
use picc_ir::geom::ConvGeom;
use picc_ir::op::OpDef;
use picc_ir::ops::Conv;
use picc_ir::{Fixed, Owner, Tensor, Ty};
use picc_kernels::micro::{Isa, Limbs, PackedConv, Scheme};
use std::hint::black_box;

type Run<'a> = (String, Kind, Box<dyn FnMut() + 'a>);

/// Which comparison a row belongs to.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Ours,
    /// The same result by other means.
    Other,
    /// One f64 product, which is right below 2^53 only.
    Float,
    /// A matrix product without the unfolding, or an instruction set that the chosen one beats: for information.
    Part,
}

fn main() {
    let geom = |c_in, kh| ConvGeom {
        n: 1,
        c_in,
        h: 56,
        w: 56,
        c_out: 64,
        kh,
        kw: kh,
        stride: [1, 1],
        pads: [kh / 2; 4],
        dilation: [1, 1],
        groups: 1,
    };
    for (name, g) in [("3x3, 64 -> 64, 56x56", geom(64, 3)), ("1x1, 256 -> 64, 56x56", geom(256, 1))] {
        for word in [false, true] {
            bench(name, &g, word);
        }
    }
}

fn bench(name: &str, g: &ConvGeom, word: bool) {
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.cast_signed() >> 8
    };
    let x: Vec<i64> = (0..g.c_in * g.h * g.w).map(|_| next()).collect();
    // 16-bit weights, for every way alike.
    let w: Vec<i64> = (0..g.c_out * g.fan_in()).map(|_| next() >> 40).collect();
    let macs = (g.c_out * g.fan_in() * g.h * g.w) as f64;
    let mut runs: Vec<Run> = Vec::new();
    if word {
        words(g, &x, &w, &mut runs);
    } else {
        wides(g, &x, &w, &mut runs);
    }
    floats(g, &x, &w, &mut runs);
    limbs(g, &x, &w, if word { &[16, 16] } else { &[22, 22, 20] }, &mut runs);
    let (tx, tw) =
        (Tensor::new(&[1, g.c_in, g.h, g.w], x.clone()), Tensor::new(&[g.c_out, g.c_in, g.kh, g.kw], w.clone()));
    let ty = |t: &Tensor<i64>| Ty::fixed(&t.shape, Fixed::full(64, 0), Owner::Shared);
    let tys = (ty(&tx), ty(&tw));
    let reference = move || drop(black_box(Conv::of(g).eval_ring(&[&tx, &tw], &[&tys.0, &tys.1])));
    runs.push(("reference interpreter".into(), Kind::Other, Box::new(reference)));

    let ring = if word { "u32" } else { "u64" };
    let title = format!("{name}, {ring}");
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    runs.retain(|(label, _, _)| wanted.iter().all(|w| title.contains(w) || label.contains(w)));
    if runs.is_empty() {
        return;
    }
    let mut best = vec![f64::MAX; runs.len()];
    for _ in 0..25 {
        for ((_, _, run), best) in runs.iter_mut().zip(&mut best) {
            let start = seconds();
            run();
            *best = best.min(seconds() - start);
        }
    }
    let speed = |seconds: &f64| macs / seconds / 1e9;
    let kind = |i: usize| runs[i].1;
    let best_of = |k: Kind| (0..runs.len()).filter(|&i| kind(i) == k).map(|i| speed(&best[i])).fold(0.0, f64::max);
    let (other, float) = (best_of(Kind::Other), best_of(Kind::Float));
    println!("{title}: GMAC/s, times the best other way to the same result, times the best f64 product");
    for (i, (label, kind, _)) in runs.iter().enumerate() {
        let mark = match kind {
            Kind::Ours => '*',
            Kind::Other => ' ',
            Kind::Float => '.',
            Kind::Part => '(',
        };
        let speed = speed(&best[i]);
        println!("  {mark} {label:52} {speed:8.2} {:6.2} {:6.2}", speed / other, speed / float);
    }
    println!();
}

/// Processor time of this thread.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn seconds() -> f64 {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    // SAFETY: the signature of the C library on Linux with 64-bit pointers.
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    const THREAD: i32 = 3;
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: `time` is valid for writes.
    unsafe { clock_gettime(THREAD, &raw mut time) };
    time.seconds as f64 + time.nanoseconds as f64 * 1e-9
}

/// Time since the first call.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn seconds() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

fn ours<'a, T: picc_kernels::micro::Element + Default>(
    g: &'a ConvGeom,
    (x, w): (&[T], &[i64]),
    bits: u8,
    schemes: &[(Scheme, &str)],
    runs: &mut Vec<Run<'a>>,
) {
    for isa in Isa::available() {
        for (scheme, what) in schemes {
            let packed = PackedConv::with(w, g, bits.min(scheme.ring_bits()), *scheme, isa).expect("a convolution");
            let (x, mut out) = (x.to_vec(), vec![T::default(); g.c_out * g.h * g.w]);
            let kind = if isa == Isa::best() { Kind::Ours } else { Kind::Part };
            let run = move || packed.run(&x, black_box(&mut out)).expect("lengths fit");
            runs.push((format!("micro-kernel, {isa:?}, {what}"), kind, Box::new(run)));
        }
    }
}

fn wides<'a>(g: &'a ConvGeom, x: &[i64], w: &[i64], runs: &mut Vec<Run<'a>>) {
    let x: Vec<u64> = x.iter().map(|v| v.cast_unsigned()).collect();
    let w64: Vec<u64> = w.iter().map(|v| v.cast_unsigned()).collect();
    let limbs = |ring, bits| Scheme::Limbs(Limbs::new(ring, bits, g.fan_in().div_ceil(2)).expect("narrow weights"));
    let schemes = [
        (Scheme::Wide, "mod 2^64"),
        (limbs(64, 16), "mod 2^64, 16-bit weights"),
        (limbs(64, 12), "mod 2^64, 12-bit weights"),
        (limbs(64, 8), "mod 2^64, 8-bit weights"),
        (limbs(48, 12), "mod 2^48, 12-bit weights"),
        (limbs(37, 16), "mod 2^37, 16-bit weights"),
        (Scheme::Wide52, "mod 2^52"),
    ];
    ours(g, (&x, w), 64, &schemes, runs);
    let small: Vec<i64> = x.iter().map(|v| v.cast_signed() >> 32).collect();
    ours(g, (&small, w), 64, &[(Scheme::Float, "sums below 2^51")], runs);
    let (a, b) = (x.clone(), w64.clone());
    runs.push((
        "autovectorized loops".into(),
        Kind::Other,
        Box::new(move || plain(g, &a, &b, u64::wrapping_mul, u64::wrapping_add)),
    ));
    runs.push((
        "ndarray dot, im2col".into(),
        Kind::Other,
        Box::new(move || {
            let unfolded = im2col(g, &x, |v| std::num::Wrapping(*v));
            let w: Vec<_> = w64.iter().map(|v| std::num::Wrapping(*v)).collect();
            dot(g, &w, &unfolded);
        }),
    ));
}

fn words<'a>(g: &'a ConvGeom, x: &[i64], w: &[i64], runs: &mut Vec<Run<'a>>) {
    let x: Vec<u32> = x.iter().map(|&v| v as u32).collect();
    let w32: Vec<u32> = w.iter().map(|&v| v as u32).collect();
    let schemes = [
        (Scheme::Word, "mod 2^32"),
        (Scheme::Limbs(Limbs::new(32, 16, 1).expect("narrow weights")), "mod 2^32, 16-bit weights"),
        (Scheme::Half, "mod 2^16 (or 16-bit factors)"),
    ];
    ours(g, (&x, w), 32, &schemes, runs);
    let (a, b) = (x.clone(), w32.clone());
    runs.push((
        "autovectorized loops".into(),
        Kind::Other,
        Box::new(move || plain(g, &a, &b, u32::wrapping_mul, u32::wrapping_add)),
    ));
    runs.push((
        "ndarray dot, im2col".into(),
        Kind::Other,
        Box::new(move || {
            let unfolded = im2col(g, &x, |v| std::num::Wrapping(*v));
            let w: Vec<_> = w32.iter().map(|v| std::num::Wrapping(*v)).collect();
            dot(g, &w, &unfolded);
        }),
    ));
}

fn floats<'a>(g: &'a ConvGeom, x: &[i64], w: &[i64], runs: &mut Vec<Run<'a>>) {
    let x: Vec<f64> = x.iter().map(|v| (v >> 24) as f64).collect();
    let w: Vec<f64> = w.iter().map(|&v| v as f64).collect();
    // A 1x1 kernel needs no windows.
    let windows = g.kh * g.kw > 1;
    let (kind, alone) = if windows { (Kind::Part, ", windows unfolded before") } else { (Kind::Float, "") };
    type Product = fn(&ConvGeom, &[f64], &[f64]) -> Vec<f64>;
    for (name, product) in [("dgemm (matrixmultiply)", dgemm as Product), ("gemm (gemm)", gemm)] {
        if windows {
            let (x, w) = (x.clone(), w.clone());
            let run = move || drop(black_box(product(g, &w, &im2col(g, &x, |v| *v))));
            runs.push((format!("f64 {name}, im2col"), Kind::Float, Box::new(run)));
        }
        let (unfolded, w) = (im2col(g, &x, |v| *v), w.clone());
        let run = move || drop(black_box(product(g, &w, &unfolded)));
        runs.push((format!("f64 {name}{alone}"), kind, Box::new(run)));
    }
}

/// Values in limbs of so many bits, one f64 product each, and their sum in the ring.
fn limbs<'a>(g: &'a ConvGeom, x: &[i64], w: &[i64], bits: &'a [u32], runs: &mut Vec<Run<'a>>) {
    let w: Vec<f64> = w.iter().map(|&v| v as f64).collect();
    let x = x.to_vec();
    let run = move || {
        let (mut sums, mut from) = (vec![0u64; g.c_out * g.h * g.w], 0);
        for &bits in bits {
            let limb = |v: &i64| (v.cast_unsigned() >> from & ((1 << bits) - 1)) as f64;
            let product = gemm(g, &w, &im2col(g, &x, limb));
            sums.iter_mut().zip(&product).for_each(|(s, &p)| {
                *s = s.wrapping_add((p as i64).cast_unsigned() << from);
            });
            from += bits;
        }
        black_box(&sums);
    };
    runs.push((format!("{} f64 gemms (gemm) of limbs, im2col", bits.len()), Kind::Other, Box::new(run)));
}

/// Direct convolution, taps outside, a row of pixels inside.
fn plain<T: Copy + Default>(g: &ConvGeom, x: &[T], w: &[T], times: impl Fn(T, T) -> T, plus: impl Fn(T, T) -> T) {
    let mut out = vec![T::default(); g.c_out * g.h * g.w];
    for (co, plane) in out.chunks_exact_mut(g.h * g.w).enumerate() {
        for ci in 0..g.c_in {
            for (ky, kx) in (0..g.kh).flat_map(|ky| (0..g.kw).map(move |kx| (ky, kx))) {
                let weight = w[((co * g.c_in + ci) * g.kh + ky) * g.kw + kx];
                for oy in 0..g.h {
                    let Some(y) = (oy + ky).checked_sub(g.pads[0]).filter(|y| *y < g.h) else { continue };
                    let first = g.pads[1].saturating_sub(kx);
                    let end = (g.w + g.pads[1] - kx).min(g.w);
                    let row = &x[(ci * g.h + y) * g.w..][..g.w];
                    let out = &mut plane[oy * g.w..][first..end];
                    for (o, &v) in out.iter_mut().zip(&row[first + kx - g.pads[1]..]) {
                        *o = plus(*o, times(weight, v));
                    }
                }
            }
        }
    }
    black_box(&out);
}

/// `[c_in * kh * kw, h * w]`.
fn im2col<T, U: Clone + Default>(g: &ConvGeom, x: &[T], lane: impl Fn(&T) -> U) -> Vec<U> {
    let mut out = vec![U::default(); g.fan_in() * g.h * g.w];
    for (tap, plane) in out.chunks_exact_mut(g.h * g.w).enumerate() {
        let (ci, ky, kx) = (tap / (g.kh * g.kw), tap / g.kw % g.kh, tap % g.kw);
        for oy in 0..g.h {
            let Some(y) = (oy + ky).checked_sub(g.pads[0]).filter(|y| *y < g.h) else { continue };
            let first = g.pads[1].saturating_sub(kx);
            let end = (g.w + g.pads[1] - kx).min(g.w);
            let row = &x[(ci * g.h + y) * g.w..][..g.w];
            for (o, v) in plane[oy * g.w..][first..end].iter_mut().zip(&row[first + kx - g.pads[1]..]) {
                *o = lane(v);
            }
        }
    }
    out
}

fn dot<T: ndarray::LinalgScalar>(g: &ConvGeom, w: &[T], unfolded: &[T]) {
    let w = ArrayView2::from_shape((g.c_out, g.fan_in()), w).expect("a matrix");
    let x = ArrayView2::from_shape((g.fan_in(), g.h * g.w), unfolded).expect("a matrix");
    black_box(w.dot(&x));
}

fn dgemm(g: &ConvGeom, w: &[f64], unfolded: &[f64]) -> Vec<f64> {
    let (m, k, n) = (g.c_out, g.fan_in(), g.h * g.w);
    let mut out = vec![0.0; m * n];
    let (row_w, row_x) = (k as isize, n as isize);
    // SAFETY: the three matrices are row-major, of m x k, k x n and m x n elements.
    unsafe {
        matrixmultiply::dgemm(
            m,
            k,
            n,
            1.0,
            w.as_ptr(),
            row_w,
            1,
            unfolded.as_ptr(),
            row_x,
            1,
            0.0,
            out.as_mut_ptr(),
            row_x,
            1,
        );
    }
    out
}

fn gemm(g: &ConvGeom, w: &[f64], unfolded: &[f64]) -> Vec<f64> {
    let (m, k, n) = (g.c_out, g.fan_in(), g.h * g.w);
    let mut out = vec![0.0; m * n];
    let (row_w, row_x) = (k as isize, n as isize);
    let (to, w, x) = (out.as_mut_ptr(), w.as_ptr(), unfolded.as_ptr());
    let none = gemm::Parallelism::None;
    // SAFETY: the three matrices are row-major, of m x n, m x k and k x n elements.
    unsafe {
        gemm::gemm(m, n, k, to, 1, row_x, false, w, 1, row_w, x, 1, row_x, 0.0, 1.0, false, false, false, none);
    }
    out
}
