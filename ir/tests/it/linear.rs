//! Convolution, matrix product and pooling against loops that follow their definition.

use crate::support::{Seeded, fix, server, shared};
use picc_ir::geom::ConvGeom;
use picc_ir::ops::{Conv, MatMul, MaxPool, SumPool};
use picc_ir::{Op, Tensor};

fn naive_conv(x: &Tensor<i64>, w: &Tensor<i64>, g: &ConvGeom) -> Tensor<i64> {
    let [oh, ow] = g.out_hw();
    let (ci, co) = (g.c_in / g.groups, g.c_out / g.groups);
    let mut out = Vec::new();
    for n in 0..g.n {
        for m in 0..g.c_out {
            for oy in 0..oh {
                for ox in 0..ow {
                    let mut sum = 0i64;
                    for c in 0..ci {
                        for ky in 0..g.kh {
                            for kx in 0..g.kw {
                                let y = (oy * g.stride[0] + ky * g.dilation[0]).wrapping_sub(g.pads[0]);
                                let xx = (ox * g.stride[1] + kx * g.dilation[1]).wrapping_sub(g.pads[1]);
                                if y < g.h && xx < g.w {
                                    let channel = n * g.c_in + m / co * ci + c;
                                    let v = x.data[(channel * g.h + y) * g.w + xx];
                                    let k = w.data[((m * ci + c) * g.kh + ky) * g.kw + kx];
                                    sum = sum.wrapping_add(v.wrapping_mul(k));
                                }
                            }
                        }
                    }
                    out.push(sum);
                }
            }
        }
    }
    Tensor::new(&[g.n, g.c_out, oh, ow], out)
}

#[test]
fn convolution_is_its_definition() {
    let mut r = Seeded(1);
    let mut compared = 0;
    while compared < 300 {
        let groups = r.within(1, 3);
        let conv = Conv {
            stride: [r.within(1, 3), r.within(1, 3)],
            pads: [r.within(0, 2), r.within(0, 2), r.within(0, 2), r.within(0, 2)],
            dilation: [r.within(1, 2), r.within(1, 3)],
            groups,
        };
        let ci = r.within(1, 3);
        let xs = [r.within(1, 2), ci * groups, r.within(1, 9), r.within(1, 11)];
        let ws = [groups * r.within(1, 5), ci, r.within(1, 4), r.within(1, 4)];
        let Ok(geom) = conv.geom(&xs, &ws) else { continue };
        compared += 1;
        // Small values take the path through f64, large ones wrap.
        let bound = if compared % 2 == 0 { 1000 } else { i64::MAX / 2 };
        let (x, w) = (r.ring_tensor(&xs, bound), r.ring_tensor(&ws, bound));
        let f = if bound == 1000 { fix(64, 0, -1000, 1000) } else { fix(64, 0, i64::MIN, i64::MAX) };
        let (tx, tw) = (shared(&xs, f), server(&ws, f));
        let op = Op::from(conv.clone());
        let out = op.eval_ring(&[&x, &w], &[&tx, &tw]).expect("evaluates");
        assert_eq!(out, naive_conv(&x, &w, &geom), "{conv:?} {xs:?} {ws:?}");
        let ty = op.infer(&[&tx, &tw]).expect("typed");
        assert_eq!(ty.shape, out.shape);
        let range = ty.as_fixed().expect("fixed");
        assert!(out.data.iter().all(|v| (range.lo..=range.hi).contains(v)));
        if bound == 1000 {
            let (x, w) = (x.map(|&v| (v % 100) as f32), w.map(|&v| (v % 100) as f32));
            let exact = naive_conv(&x.map(|&v| v as i64), &w.map(|&v| v as i64), &geom);
            assert_eq!(op.eval_real(&[&x, &w], &[]).expect("evaluates"), exact.map(|&v| v as f32));
        }
    }
}

#[test]
fn sums_up_to_the_edge_of_f64_are_exact() {
    let g = ConvGeom {
        n: 1,
        c_in: 2,
        h: 1,
        w: 1,
        c_out: 1,
        kh: 1,
        kw: 1,
        stride: [1; 2],
        pads: [0; 4],
        dilation: [1; 2],
        groups: 1,
    };
    for edge in [(1i64 << 26) - 1, 1 << 26, (1 << 26) + 1, 1 << 27] {
        let x = Tensor::new(&[1, 2, 1, 1], vec![edge, edge]);
        let w = Tensor::new(&[1, 2, 1, 1], vec![edge, -edge + 1]);
        let out = Op::from(Conv::of(&g)).eval_ring(&[&x, &w], &[]).expect("evaluates");
        assert_eq!(out, naive_conv(&x, &w, &g));
    }
}

#[test]
fn matrix_product_is_its_definition() {
    let mut r = Seeded(2);
    for (a, b, out) in [
        (vec![2, 3], vec![3, 4], vec![2, 4]),
        (vec![5, 2, 3], vec![3, 4], vec![5, 2, 4]),
        (vec![2, 3], vec![5, 3, 1], vec![5, 2, 1]),
        (vec![2, 1, 2, 3], vec![4, 3, 2], vec![2, 4, 2, 2]),
    ] {
        let (x, y) = (r.ring_tensor(&a, 1 << 40), r.ring_tensor(&b, 1 << 40));
        let product = Op::from(MatMul {}).eval_ring(&[&x, &y], &[]).expect("evaluates");
        assert_eq!(product.shape.to_vec(), out);
        let (rows, inner, cols) = (a[a.len() - 2], a[a.len() - 1], b[b.len() - 1]);
        let batches: usize = out[..out.len() - 2].iter().product();
        for n in 0..batches {
            // Index of the operand's matrix: axes of extent 1, and missing ones, repeat.
            let pick = |shape: &[usize]| {
                let outer = &shape[..shape.len() - 2];
                let lead = out.len() - 2 - outer.len();
                let (mut rest, mut index, mut scale) = (n, 0, 1);
                for i in (0..out.len() - 2).rev() {
                    let at = rest % out[i];
                    rest /= out[i];
                    if i >= lead {
                        let extent = outer[i - lead];
                        index += if extent == 1 { 0 } else { at } * scale;
                        scale *= extent;
                    }
                }
                index
            };
            let (i, j) = (pick(&a) * rows * inner, pick(&b) * inner * cols);
            for row in 0..rows {
                for col in 0..cols {
                    let terms =
                        (0..inner).map(|k| x.data[i + row * inner + k].wrapping_mul(y.data[j + k * cols + col]));
                    let sum = terms.fold(0i64, i64::wrapping_add);
                    assert_eq!(product.data[(n * rows + row) * cols + col], sum);
                }
            }
        }
    }
}

#[test]
fn pools_are_their_definition() {
    let mut r = Seeded(3);
    let mut compared = 0;
    while compared < 300 {
        let kernel = [r.within(1, 4), r.within(1, 4)];
        let stride = [r.within(1, 3), r.within(1, 3)];
        let dilation = [r.within(1, 2), r.within(1, 2)];
        let pads = [r.within(0, 2), r.within(0, 2), r.within(0, 2), r.within(0, 2)];
        let shape = [1, 2, r.within(1, 8), r.within(1, 8)];
        let ty = shared(&shape, fix(20, 0, -50, 50));
        let x = r.ring_tensor(&shape, 50);
        let max = Op::from(MaxPool { kernel, stride, pads, dilation });
        let sum = Op::from(SumPool { kernel, stride, pads, dilation });
        let Ok(out) = max.infer(&[&ty]) else { continue };
        compared += 1;
        let summed = sum.infer(&[&ty]).expect("typed").as_fixed().expect("fixed");
        let (max, sum) = (max.eval_ring(&[&x], &[&ty]), sum.eval_ring(&[&x], &[&ty]));
        let (max, sum) = (max.expect("evaluates"), sum.expect("evaluates"));
        assert_eq!((&max.shape, &sum.shape), (&out.shape, &out.shape));
        let mut at = 0;
        for c in 0..2 {
            for oy in 0..out.shape[2] {
                for ox in 0..out.shape[3] {
                    let mut inside = Vec::new();
                    for ky in 0..kernel[0] {
                        for kx in 0..kernel[1] {
                            let y = (oy * stride[0] + ky * dilation[0]).wrapping_sub(pads[0]);
                            let xx = (ox * stride[1] + kx * dilation[1]).wrapping_sub(pads[1]);
                            if y < shape[2] && xx < shape[3] {
                                inside.push(x.data[(c * shape[2] + y) * shape[3] + xx]);
                            }
                        }
                    }
                    assert_eq!(Some(&max.data[at]), inside.iter().max(), "a window of padding was accepted");
                    assert_eq!(sum.data[at], inside.iter().sum::<i64>());
                    assert!((summed.lo..=summed.hi).contains(&sum.data[at]));
                    at += 1;
                }
            }
        }
    }
}
