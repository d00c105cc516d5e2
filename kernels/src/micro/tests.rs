//! Every arithmetic on every instruction set of this machine against the definition.

use super::*;
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::testing::splitmix;

/// `conv(x, w)` mod 2^64: `x [n, c_in, h, w]`, `w [c_out, c_in / groups, kh, kw]`, `out [n, c_out, oh, ow]`.
fn conv_u64(x: &[u64], w: &[u64], out: &mut [u64], geom: &ConvGeom) -> Result<(), ShapeError> {
    PackedConv::new(w, geom, 64, Known::default())?.run(x, out)
}

/// [`conv_u64`] mod 2^32.
fn conv_u32(x: &[u32], w: &[u32], out: &mut [u32], geom: &ConvGeom) -> Result<(), ShapeError> {
    PackedConv::new(w, geom, 32, Known::default())?.run(x, out)
}

/// [`conv_u64`] mod 2^16.
fn conv_u16(x: &[u16], w: &[u16], out: &mut [u16], geom: &ConvGeom) -> Result<(), ShapeError> {
    PackedConv::new(w, geom, 16, Known::default())?.run(x, out)
}

/// [`conv_u64`] with narrow weights.
fn conv_u64_narrow(x: &[u64], w: &[i16], out: &mut [u64], geom: &ConvGeom) -> Result<(), ShapeError> {
    PackedConv::new(w, geom, 64, NARROW)?.run(x, out)
}

/// [`conv_u32`] with narrow weights: on limbs of 16 bits where that is faster.
fn conv_u32_narrow(x: &[u32], w: &[i16], out: &mut [u32], geom: &ConvGeom) -> Result<(), ShapeError> {
    PackedConv::new(w, geom, 32, NARROW)?.run(x, out)
}

const NARROW: Known = Known { weight_bits: 16, value_bits: 64, sums_exact: false };

/// `left [batch, rows, inner] x right [batch, inner, cols]` mod 2^64.
fn matmul_u64(left: &[u64], right: &[u64], out: &mut [u64], geom: &MatMulGeom) -> Result<(), ShapeError> {
    matmul(left, right, out, geom, 64, Known::default())
}

/// [`matmul_u64`] mod 2^32.
fn matmul_u32(left: &[u32], right: &[u32], out: &mut [u32], geom: &MatMulGeom) -> Result<(), ShapeError> {
    matmul(left, right, out, geom, 32, Known::default())
}

/// [`matmul_u64`] mod 2^16.
fn matmul_u16(left: &[u16], right: &[u16], out: &mut [u16], geom: &MatMulGeom) -> Result<(), ShapeError> {
    matmul(left, right, out, geom, 16, Known::default())
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        splitmix(&mut self.0)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Signed integers of `bits` bits: random, or the extremes and what is next to them.
    fn values(&mut self, len: usize, bits: u32, extreme: bool) -> Vec<i64> {
        let (min, max) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
        let mut draw = || {
            let r = self.next();
            if extreme {
                [min, max, min + 1, max - 1, -1, 0, min, max][(r % 8) as usize]
            } else {
                r.cast_signed() >> (64 - bits)
            }
        };
        (0..len).map(|_| draw()).collect()
    }
}

/// The definition, mod 2^64.
fn definition(x: &[i64], w: &[i64], g: &ConvGeom) -> Vec<i64> {
    let [oh, ow] = g.out_hw();
    let (per_in, per_out) = (g.c_in / g.groups, g.c_out / g.groups);
    let mut out = Vec::new();
    for n in 0..g.n {
        for co in 0..g.c_out {
            for (oy, ox) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
                let mut sum = 0i64;
                for ci in 0..per_in {
                    for (ky, kx) in (0..g.kh).flat_map(|y| (0..g.kw).map(move |x| (y, x))) {
                        let y = (oy * g.stride[0] + ky * g.dilation[0]).wrapping_sub(g.pads[0]);
                        let xx = (ox * g.stride[1] + kx * g.dilation[1]).wrapping_sub(g.pads[1]);
                        if y < g.h && xx < g.w {
                            let c = co / per_out * per_in + ci;
                            let weight = w[((co * per_in + ci) * g.kh + ky) * g.kw + kx];
                            sum = sum.wrapping_add(x[((n * g.c_in + c) * g.h + y) * g.w + xx].wrapping_mul(weight));
                        }
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

fn geom(
    x: [usize; 4],
    k: [usize; 3],
    stride: [usize; 2],
    pads: [usize; 4],
    dilation: [usize; 2],
    groups: usize,
) -> ConvGeom {
    let ([n, c_in, h, w], [c_out, kh, kw]) = (x, k);
    ConvGeom { n, c_in, h, w, c_out, kh, kw, stride, pads, dilation, groups }
}

/// Shapes that are odd in every way, then random ones.
fn geometries(r: &mut Random) -> Vec<ConvGeom> {
    let mut all = vec![
        geom([1, 1, 1, 1], [1, 1, 1], [1, 1], [0; 4], [1, 1], 1),
        geom([1, 3, 1, 37], [11, 1, 1], [1, 1], [0; 4], [1, 1], 1),
        geom([2, 5, 9, 7], [13, 3, 3], [1, 1], [1; 4], [1, 1], 1),
        geom([3, 4, 8, 8], [9, 3, 3], [1, 1], [1; 4], [1, 1], 1),
        geom([1, 3, 17, 13], [5, 7, 7], [2, 2], [3; 4], [1, 1], 1),
        geom([2, 6, 10, 11], [6, 3, 3], [2, 1], [1, 0, 2, 1], [2, 3], 2),
        geom([2, 7, 12, 19], [7, 3, 3], [1, 1], [1; 4], [1, 1], 7),
        geom([1, 4, 11, 11], [8, 5, 5], [3, 2], [2; 4], [1, 1], 4),
        geom([1, 8, 14, 14], [16, 1, 1], [2, 2], [0; 4], [1, 1], 1),
        geom([1, 40, 6, 33], [3, 2, 3], [1, 1], [0, 2, 1, 0], [1, 1], 1),
        // Several runs of taps, several chunks of blocks, several rounds of strips.
        geom([1, 150, 5, 5], [70, 3, 3], [1, 1], [1; 4], [1, 1], 1),
        geom([1, 2, 70, 70], [4, 1, 3], [1, 1], [0; 4], [1, 1], 1),
        // The stride is longer than the kernel and the padded input.
        geom([1, 2, 5, 5], [3, 2, 2], [3, 3], [0; 4], [1, 1], 1),
        geom([1, 2, 2, 2], [3, 1, 1], [5, 7], [0; 4], [1, 1], 1),
        geom([1, 1, 3, 3], [2, 3, 3], [1, 1], [2; 4], [1, 1], 1),
    ];
    while all.len() < 60 {
        let groups = 1 + r.below(3);
        let mut below = |n: usize| r.below(n);
        let g = geom(
            [1 + below(2), groups * (1 + below(6)), 1 + below(20), 1 + below(40)],
            [groups * (1 + below(12)), 1 + below(4), 1 + below(4)],
            [1 + below(3), 1 + below(3)],
            [below(3), below(3), below(3), below(3)],
            [1 + below(2), 1 + below(2)],
            groups,
        );
        let [eh, ew] = g.kernel_extent();
        if eh <= g.h + g.pads[0] + g.pads[2] && ew <= g.w + g.pads[1] + g.pads[3] {
            all.push(g);
        }
    }
    all
}

/// Bits of values and weights for which a scheme is exact, and of the ring.
fn widths(scheme: Scheme) -> [u32; 3] {
    match scheme {
        Scheme::Wide => [64, 64, 64],
        Scheme::Wide52 => [64, 64, 52],
        // 20 + 20 bits and a fan-in below 2^12.
        Scheme::Float => [20, 20, 64],
        Scheme::Word => [64, 64, 32],
        Scheme::Limbs(_) => unreachable!("of the weights' and the ring's own widths"),
        Scheme::Half => [16, 16, 32],
    }
}

/// Every arithmetic with bits of values and weights for which it is exact, and of the ring.
fn schemes(g: &ConvGeom) -> Vec<(Scheme, [u32; 3])> {
    let plain = [Scheme::Wide, Scheme::Wide52, Scheme::Float, Scheme::Word, Scheme::Half];
    let limbs = [(16, 32), (16, 33), (16, 37), (16, 64), (12, 45), (12, 64), (8, 48), (8, 64), (2, 64)];
    let of = |(bits, ring): (u8, u8)| {
        let pairs = g.fan_in().div_ceil(2);
        (Scheme::Limbs(Limbs::new(ring, bits, pairs).expect("narrow weights")), [64, bits.into(), ring.into()])
    };
    plain.map(|scheme| (scheme, widths(scheme))).into_iter().chain(limbs.map(of)).collect()
}

fn reduced(v: &[i64], ring: u32) -> Vec<i64> {
    v.iter().map(|v| v << (64 - ring) >> (64 - ring)).collect()
}

#[test]
fn every_tile_is_the_definition() {
    let mut r = Random(1);
    for (n, g) in geometries(&mut r).iter().enumerate() {
        for (scheme, [x_bits, w_bits, ring]) in schemes(g) {
            for extreme in [false, true] {
                let x = r.values(g.n * g.c_in * g.h * g.w, x_bits, extreme);
                let w = r.values(g.c_out * g.fan_in(), w_bits, extreme);
                let expected = reduced(&definition(&x, &w, g), ring);
                for isa in Isa::available() {
                    let conv = PackedConv::with(&w, g, ring as u8, scheme, isa).expect("a convolution");
                    let mut out = vec![-1i64; expected.len()];
                    conv.run(&x, &mut out).expect("lengths fit");
                    assert!(out == expected, "{scheme:?} on {isa:?}, geometry {n}: {g:?}, extreme {extreme}");
                    out.fill(-1);
                    conv.run_on_threads(&x, &mut out).expect("lengths fit");
                    assert!(
                        out == expected,
                        "threads: {scheme:?} on {isa:?}, geometry {n}: {g:?}, extreme {extreme}"
                    );
                }
            }
        }
    }
}

#[test]
fn typed_products_agree() {
    let mut r = Random(2);
    for g in &geometries(&mut r)[..24] {
        let (x, w) = (r.values(g.n * g.c_in * g.h * g.w, 64, true), r.values(g.c_out * g.fan_in(), 64, false));
        let expected = definition(&x, &w, g);
        let unsigned = |v: &[i64]| -> Vec<u64> { v.iter().map(|v| v.cast_unsigned()).collect() };
        let mut out = vec![0; expected.len()];
        conv_u64(&unsigned(&x), &unsigned(&w), &mut out, g).expect("fits");
        assert!(out == unsigned(&expected), "{g:?}");
        let words = |v: &[i64]| -> Vec<u32> { v.iter().map(|&v| v as u32).collect() };
        let mut out = vec![0; expected.len()];
        conv_u32(&words(&x), &words(&w), &mut out, g).expect("fits");
        assert!(out == words(&expected), "{g:?}");
        let halves = |v: &[i64]| -> Vec<u16> { v.iter().map(|&v| v as u16).collect() };
        let mut out = vec![0; expected.len()];
        conv_u16(&halves(&x), &halves(&w), &mut out, g).expect("fits");
        assert!(out == halves(&expected), "{g:?}");

        let narrow: Vec<i16> = w.iter().map(|&v| v as i16).collect();
        let wide: Vec<i64> = narrow.iter().map(|&v| v.into()).collect();
        let expected = definition(&x, &wide, g);
        let mut out = vec![0; expected.len()];
        conv_u64_narrow(&unsigned(&x), &narrow, &mut out, g).expect("fits");
        assert!(out == unsigned(&expected), "{g:?}");
        // Weights as elements of a ring, as protocols hold them.
        let (ring, mask) = (40, (1 << 40) - 1);
        let elements: Vec<u64> = unsigned(&wide).iter().map(|w| w & mask).collect();
        let known = Known { weight_bits: 16, ..Known::default() };
        let mut out = vec![0u64; expected.len()];
        PackedConv::new(&elements, g, ring, known).expect("fits").run(&unsigned(&x), &mut out).expect("fits");
        assert!(out == unsigned(&expected).iter().map(|v| v & mask).collect::<Vec<_>>(), "{g:?}");
        let mut out = vec![0; expected.len()];
        conv_u32_narrow(&words(&x), &narrow, &mut out, g).expect("fits");
        assert!(out == words(&expected), "{g:?}");
    }
}

#[test]
fn matrix_products_are_the_definition() {
    let mut r = Random(3);
    for (batch, rows, inner, cols) in [
        (1, 1, 1, 1),
        (1, 1, 64, 10),
        (3, 7, 5, 9),
        (2, 17, 33, 3),
        (1, 30, 600, 41),
        (1, 1, 300, 100),
        (2, 9, 2, 64),
    ] {
        let g = MatMulGeom { batch, rows, inner, cols };
        for bits in [64, 16] {
            let (a, b) = (r.values(batch * rows * inner, bits, false), r.values(batch * inner * cols, bits, true));
            let mut expected = vec![0i64; batch * rows * cols];
            for (i, o) in expected.iter_mut().enumerate() {
                let (row, col) = (i / cols, i % cols);
                let right = |k: usize| b[(row / rows * inner + k) * cols + col];
                *o = (0..inner).fold(0, |s: i64, k| s.wrapping_add(a[row * inner + k].wrapping_mul(right(k))));
            }
            let bits = bits as u8;
            let known = Known { weight_bits: bits, value_bits: bits, sums_exact: bits == 16 };
            for ring in [5u8, 16, 30, 32, 33, 52, 53, 64] {
                let expected = reduced(&expected, ring.into());
                let mut out = vec![-1i64; expected.len()];
                matmul(&a, &b, &mut out, &g, ring, known).expect("fits");
                assert!(out == expected, "{g:?} ring {ring} {known:?}");
                out.fill(-1);
                matmul_on_threads(&a, &b, &mut out, &g, ring, known).expect("fits");
                assert!(out == expected, "threads: {g:?} ring {ring} {known:?}");
                if batch == 1 {
                    out.fill(-1);
                    PackedRight::new(&b, &g, ring, known).expect("fits").run(&a, &mut out).expect("fits");
                    assert!(out == expected, "packed: {g:?} ring {ring} {known:?}");
                }
            }
        }
    }
    let g = MatMulGeom { batch: 1, rows: 2, inner: 1, cols: 1 };
    let mut out = [0; 2];
    matmul_u64(&[1 << 63, 3], &[3], &mut out, &g).expect("fits");
    assert_eq!(out, [1 << 63, 9]);
    let mut out = [0; 2];
    matmul_u32(&[1 << 31, 3], &[3], &mut out, &g).expect("fits");
    assert_eq!(out, [1 << 31, 9]);
    let mut out = [0; 2];
    matmul_u16(&[1 << 15, 3], &[3], &mut out, &g).expect("fits");
    assert_eq!(out, [1 << 15, 9]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let g = geom([1, 2, 4, 4], [2, 3, 3], [1, 1], [0; 4], [1, 1], 1);
    let (x, w) = ([1u64; 32], [1u64; 36]);
    assert_eq!(conv_u64(&x, &w, &mut [0; 8], &g), Ok(()));
    let length = |what, expected, found| Err(ShapeError::Length { what, expected, found });
    assert_eq!(conv_u64(&x[1..], &w, &mut [0; 8], &g), length("the input", 32, 31));
    assert_eq!(conv_u64(&x, &w[1..], &mut [0; 8], &g), length("the weights", 36, 35));
    assert_eq!(conv_u64(&x, &w, &mut [0; 7], &g), length("the output", 8, 7));
    for bad in [
        ConvGeom { groups: 0, ..g },
        ConvGeom { kh: 0, ..g },
        ConvGeom { kw: 5, ..g },
        ConvGeom { groups: 3, ..g },
        ConvGeom { stride: [0, 1], ..g },
        ConvGeom { dilation: [1, 0], ..g },
        ConvGeom { dilation: [usize::MAX, 1], ..g },
        ConvGeom { pads: [usize::MAX, 0, 1, 0], ..g },
        ConvGeom { h: 1 << 40, ..g },
        ConvGeom { n: 0, ..g },
    ] {
        assert_eq!(conv_u64(&x, &w, &mut [0; 8], &bad), Err(ShapeError::Geometry(Box::new(bad))));
    }
}

#[test]
fn arithmetic_follows_from_public_facts() {
    let g = geom([1, 2, 4, 4], [2, 3, 3], [1, 1], [0; 4], [1, 1], 1);
    let known = |weight_bits, value_bits, sums_exact| Known { weight_bits, value_bits, sums_exact };
    let limbs = |ring, weights| Scheme::Limbs(Limbs::new(ring, weights, 9).expect("narrow weights"));
    let best = Isa::Avx512Vnni;
    assert_eq!(choose(&g, 16, Known::default(), best), Scheme::Half);
    assert_eq!(choose(&g, 32, Known::default(), best), Scheme::Word);
    assert_eq!(choose(&g, 32, known(16, 64, false), best), limbs(32, 16));
    assert_eq!(choose(&g, 32, known(17, 64, false), best), Scheme::Word);
    assert_eq!(choose(&g, 32, known(16, 64, false), Isa::Avx2), limbs(32, 16));
    assert_eq!(choose(&g, 32, known(16, 16, false), best), Scheme::Half);
    assert_eq!(choose(&g, 33, known(17, 17, true), best), Scheme::Wide52);
    assert_eq!(choose(&g, 33, known(17, 17, true), Isa::Avx2), Scheme::Float);
    assert_eq!(choose(&g, 53, known(17, 64, false), best), Scheme::Wide);
    let many = ConvGeom { c_out: 8, ..g };
    let one_tap = ConvGeom { kh: 1, kw: 1, ..many };
    assert_eq!(choose(&one_tap, 32, known(16, 64, false), Isa::Avx2), Scheme::Word);
    assert_eq!(choose(&many, 64, known(16, 64, false), best), limbs(64, 16));
    assert_eq!(choose(&many, 64, known(16, 64, false), Isa::Portable), Scheme::Wide);
    assert_eq!(choose(&g, 64, known(16, 64, false), best), Scheme::Wide);
    assert_eq!(choose(&many, 37, known(16, 64, true), Isa::Avx2), limbs(37, 16));
    assert_eq!(choose(&many, 52, known(12, 64, false), best), limbs(52, 12));
    assert_eq!(choose(&one_tap, 37, known(16, 64, false), best), limbs(37, 16));
    assert_eq!(choose(&one_tap, 52, known(12, 64, false), best), Scheme::Wide52);
    assert_eq!(choose(&one_tap, 37, known(16, 64, true), Isa::Avx2), Scheme::Float);
    assert_eq!(choose(&many, 64, known(8, 64, true), best), Scheme::Float);
    let depthwise = ConvGeom { groups: 2, ..g };
    assert_eq!(choose(&depthwise, 16, known(16, 16, true), best), Scheme::Word);
    assert_eq!(choose(&depthwise, 53, known(16, 64, false), best), Scheme::Wide);
}

/// Every exact digit, and every weight, as large as it can be with one sign.
#[test]
fn the_longest_sums_do_not_wrap() {
    for (ring, weight_bits) in [(37u8, 16u8), (64, 16), (64, 12), (64, 8), (48, 12), (45, 12)] {
        let g = geom([1, 300, 3, 20], [9, 3, 3], [1, 1], [1; 4], [1, 1], 1);
        let limbs = Limbs::new(ring, weight_bits, g.fan_in().div_ceil(2)).expect("narrow weights");
        let halves = (0..limbs.exact()).fold(0u64, |sum, i| sum | 1 << (limbs.shift(i + 1) - 1));
        let x = vec![halves.wrapping_neg().cast_signed(); g.c_in * g.h * g.w];
        let w = vec![-1i64 << (weight_bits - 1); g.c_out * g.fan_in()];
        let expected = reduced(&definition(&x, &w, &g), ring.into());
        for isa in Isa::available() {
            let conv = PackedConv::with(&w, &g, ring, Scheme::Limbs(limbs), isa).expect("a convolution");
            let mut out = vec![-1i64; expected.len()];
            conv.run(&x, &mut out).expect("lengths fit");
            assert!(out == expected, "ring {ring}, weights of {weight_bits} bits, {isa:?}");
        }
    }
}

#[test]
fn limbs_are_as_few_as_sums_allow() {
    let exact = |ring, weights, pairs| Limbs::new(ring, weights, pairs).map(|limbs| (limbs.count(), limbs.run()));
    assert_eq!(exact(64, 17, 1), None);
    assert_eq!(exact(32, 16, 1000).map(|(count, _)| count), Some(2));
    // 5 bits below the upper 32; sums of 2^11 pairs stay below 2^31.
    assert_eq!(exact(37, 16, 288), Some((3, 2047)));
    assert_eq!(exact(64, 8, 128), Some((4, 255)));
    // Three limbs of 11 bits, added up every 31 pairs, cost less than four of 8.
    assert_eq!(exact(64, 16, 288), Some((5, 31)));
}
