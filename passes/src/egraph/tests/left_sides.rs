//! For every rule, random graphs that its left side matches.

use super::layers;
use super::ring_graph::Ring;
use picc_ir::ops::*;
use picc_ir::{Fixed, Id};

/// A graph that `rule` matches; `None` if there is no generator for it.
pub(super) fn left_side(rule: &str, seed: u64) -> Option<Ring> {
    let mut r = Ring::new(seed);
    let shape = r.image();
    let roots = roots(&mut r, rule, &shape)?;
    for (i, id) in roots.into_iter().enumerate() {
        r.graph.outputs.push((format!("y{i}"), id));
    }
    Some(r)
}

fn roots(r: &mut Ring, rule: &str, shape: &[usize]) -> Option<Vec<Id>> {
    let root = match rule {
        // Hygiene
        "no_move" => {
            let x = r.x(shape);
            match r.rng.below(4) {
                0 => r.add(Reshape { shape: shape.to_vec() }, &[x]),
                1 => r.add(Transpose { perm: (0..4).collect() }, &[x]),
                2 => r.add(Slice { start: vec![0; 4], size: shape.to_vec(), step: vec![1; 4] }, &[x]),
                _ => r.add(Concat { axis: 1 }, &[x]),
            }
        }
        "reshape_of_reshape" => {
            let x = r.x(shape);
            let y = r.add(Reshape { shape: vec![shape[0], shape[1..].iter().product()] }, &[x]);
            r.add(Reshape { shape: vec![shape.iter().product()] }, &[y])
        }
        "transpose_of_transpose" => {
            let x = r.x(shape);
            let y = r.add(Transpose { perm: vec![0, 2, 3, 1] }, &[x]);
            r.add(Transpose { perm: vec![1, 0, 3, 2] }, &[y])
        }
        "slice_of_slice" => {
            let x = r.x(shape);
            let cut = r.slice(x);
            let y = r.add(cut, &[x]);
            let cut = r.slice(y);
            r.add(cut, &[y])
        }
        "slice_of_concat" => {
            let (x, y) = (r.x(shape), r.x(shape));
            let both = r.add(Concat { axis: 1 }, &[x, y]);
            let mut cut = r.slice(x);
            if r.rng.below(2) == 0 {
                cut.start[1] += shape[1];
            }
            r.add(cut, &[both])
        }
        "concat_of_concat" => {
            let (x, y, z) = (r.x(shape), r.x(shape), r.x(shape));
            let both = r.add(Concat { axis: 2 }, &[x, y]);
            r.add(Concat { axis: 2 }, &[z, both])
        }
        "double_neg" => {
            let x = r.wild(shape);
            let y = r.add(Neg {}, &[x]);
            r.add(Neg {}, &[y])
        }
        "add_zero" => {
            let (x, zero) = (r.x(shape), r.constant(&[1], 0));
            r.add(Add {}, &[zero, x])
        }
        "add_known" => {
            let x = r.wild(shape);
            let (a, b) = (r.bias(x, &[shape[1], 1, 1]), r.bias(x, &[1]));
            let y = r.add(Add {}, &[x, a]);
            r.add(Add {}, &[b, y])
        }
        // Relu
        "relu_after_maxpool" => {
            let x = r.wild(shape);
            let y = r.add(Relu {}, &[x]);
            if r.rng.below(3) == 0 {
                r.add(ReduceMax { axes: vec![1, 2], keep: true }, &[y])
            } else {
                let pool = r.pool();
                r.add(pool, &[y])
            }
        }
        "relu_of_nonnegative" | "relu_of_nonpositive" => {
            let sign = if rule == "relu_of_nonnegative" { [0, 900] } else { [-900, 0] };
            let bits = r.bits;
            let x = r.input(shape, Fixed { lo: sign[0], hi: sign[1], ..Fixed::full(bits, 6) });
            r.add(Relu {}, &[x])
        }
        "relu_of_relu" => {
            let x = r.wild(shape);
            let y = r.add(Relu {}, &[x]);
            r.add(Relu {}, &[y])
        }
        "relu_over_concat" => {
            let (x, y) = (r.x(shape), r.wild(shape));
            let axis = r.rng.below(4);
            let both = r.add(Concat { axis }, &[x, y]);
            r.add(Relu {}, &[both])
        }
        "relu_of_moved" => {
            let x = r.wild(shape);
            let op = r.moved(x);
            let y = r.add(op, &[x]);
            r.add(Relu {}, &[y])
        }
        "moved_relu" => {
            let x = r.wild(shape);
            let y = r.add(Relu {}, &[x]);
            let cut = r.slice(y);
            r.add(cut, &[y])
        }
        "max_of_relus" => {
            let (x, y) = (r.wild(shape), r.wild(shape));
            let (x, y) = (r.add(Relu {}, &[x]), r.add(Relu {}, &[y]));
            r.add(Max {}, &[x, y])
        }
        "max_with_zero" => {
            let (x, zero) = (r.wild(shape), r.constant(&[1], 0));
            r.add(Max {}, &[x, zero])
        }
        "trivial_maxpool" => {
            let x = r.wild(shape);
            r.add(MaxPool { kernel: [1, 1], stride: [1, 1], pads: [0; 4], dilation: [1, 1] }, &[x])
        }
        // Ring
        "extend_of_extend" => {
            let x = r.wild(shape);
            let y = r.extended(x);
            r.add(Extend { ring_bits: r.bits + 9 }, &[y])
        }
        "reduce_of_reduce" => {
            let x = r.wild(shape);
            let y = r.add(Reduce { ring_bits: 15 }, &[x]);
            r.add(Reduce { ring_bits: 9 }, &[y])
        }
        "reduce_of_extend" => {
            let x = r.wild(shape);
            let y = r.extended(x);
            let ring_bits = [r.bits - 5, r.bits, r.bits + 3][r.rng.below(3)];
            r.add(Reduce { ring_bits }, &[y])
        }
        "extend_of_reduce" => {
            let x = r.x(shape);
            let y = r.add(Reduce { ring_bits: 13 }, &[x]);
            let ring_bits = [r.bits - 5, r.bits, r.bits + 3][r.rng.below(3)];
            r.add(Extend { ring_bits }, &[y])
        }
        "extend_over_concat" => {
            let (x, y) = (r.wild(shape), r.wild(shape));
            let both = r.add(Concat { axis: 1 }, &[x, y]);
            r.extended(both)
        }
        "extend_of_moved" => {
            let x = r.wild(shape);
            let op = r.moved(x);
            let y = r.add(op, &[x]);
            r.extended(y)
        }
        "moved_extend" => {
            let x = r.wild(shape);
            let y = r.extended(x);
            let cut = r.slice(y);
            r.add(cut, &[y])
        }
        "compare_before_extend" => {
            let x = r.wild(shape);
            let y = r.extended(x);
            match r.rng.below(3) {
                0 => r.add(Relu {}, &[y]),
                1 => {
                    let z = r.wild(shape);
                    let z = r.extended(z);
                    r.add(Max {}, &[y, z])
                }
                _ => {
                    let pool = r.pool();
                    r.add(pool, &[y])
                }
            }
        }
        "sum_before_extend" => {
            let x = r.x(shape);
            let y = r.extended(x);
            match r.rng.below(3) {
                0 => r.add(ReduceSum { axes: vec![2, 3], keep: true }, &[y]),
                1 => {
                    let z = r.x(shape);
                    let z = r.extended(z);
                    r.add(Add {}, &[y, z])
                }
                _ => {
                    let pool = r.sum_pool();
                    r.add(pool, &[y])
                }
            }
        }
        "extend_before_sum" => {
            let (x, y) = (r.x(shape), r.x(shape));
            let sum = r.add(Add {}, &[x, y]);
            r.extended(sum)
        }
        "compare_on_short_ring" => {
            let x = r.x(shape);
            match r.rng.below(5) {
                0 => r.add(Relu {}, &[x]),
                1 => r.add(ReduceMax { axes: vec![1], keep: false }, &[x]),
                2 => r.add(ArgMax { axis: 1, keep: false, last: true }, &[x]),
                3 => {
                    let y = r.x(shape);
                    r.add(Max {}, &[x, y])
                }
                _ => {
                    let pool = r.pool();
                    r.add(pool, &[x])
                }
            }
        }
        "trunc_on_short_ring" => {
            let x = r.x(shape);
            r.truncated(x)
        }
        "reduce_through_linear" => {
            let x = r.wild(shape);
            let y = match r.rng.below(6) {
                0 => {
                    let y = r.wild(shape);
                    r.add(Sub {}, &[x, y])
                }
                1 => r.conv(x, 3, 3, 1, 1),
                2 => {
                    let pool = r.sum_pool();
                    r.add(pool, &[x])
                }
                3 => {
                    let w = r.weight(&[shape[3], 3]);
                    r.add(MatMul {}, &[x, w])
                }
                4 => r.add(Shl { bits: 3 }, &[x]),
                _ => {
                    let op = r.moved(x);
                    r.add(op, &[x])
                }
            };
            r.add(Reduce { ring_bits: 12 }, &[y])
        }
        "reduce_through_trunc" => {
            let x = r.wild(shape);
            let y = r.truncated(x);
            r.add(Reduce { ring_bits: 9 }, &[y])
        }
        // Truncation
        "trunc_of_shl" => {
            let x = r.wild(shape);
            let y = r.add(Shl { bits: 4 }, &[x]);
            r.add(TruncReduce { shift: 4 }, &[y])
        }
        "trunc_by_nothing" => {
            let x = r.wild(shape);
            r.add(TruncReduce { shift: 0 }, &[x])
        }
        "trunc_after_max" | "trunc_after_sum" => {
            let x = if rule == "trunc_after_max" { r.x(shape) } else { r.wild(shape) };
            let y = r.truncated(x);
            if rule == "trunc_after_max" {
                let pool = r.pool();
                r.add(pool, &[y])
            } else {
                let pool = r.sum_pool();
                r.add(pool, &[y])
            }
        }
        "trunc_after_relu" => {
            let x = r.x(shape);
            let y = r.truncated(x);
            r.add(Relu {}, &[y])
        }
        "relu_after_trunc" => {
            let x = r.x(shape);
            let y = r.add(Relu {}, &[x]);
            r.truncated(y)
        }
        "trunc_chain" => {
            let x = r.wild(shape);
            let y = r.add(TruncReduce { shift: 2 }, &[x]);
            r.add(TruncReduce { shift: 3 }, &[y])
        }
        "trunc_after_add" => {
            let (x, y) = (r.wild(shape), r.wild(shape));
            let (x, y) = (r.add(TruncReduce { shift: 4 }, &[x]), r.add(TruncReduce { shift: 4 }, &[y]));
            r.add(Add {}, &[x, y])
        }
        // Linear
        "conv1x1_after_sum" => {
            let x = r.wild(shape);
            let y = r.conv(x, 3, 1, 1, 1);
            let pool = r.sum_pool();
            r.add(pool, &[y])
        }
        "sum_after_conv1x1" => {
            let x = r.wild(shape);
            let pool = r.sum_pool();
            let y = r.add(pool, &[x]);
            let groups = if r.rng.below(2) == 0 { 1 } else { shape[1] };
            r.conv(y, 2 * shape[1], 1, 1, groups)
        }
        "sum_of_add" => {
            let x = r.wild(shape);
            let b = r.bias(x, &[shape[1], 1, 1]);
            let y = r.add(Add {}, &[x, b]);
            let pool = r.sum_pool();
            r.add(pool, &[y])
        }
        "pad_into_conv" | "pad_into_sum" => {
            let x = r.wild(shape);
            let y = r.add(Pad { before: vec![0, 0, 1, 2], after: vec![0, 0, 0, 1] }, &[x]);
            if rule == "pad_into_conv" {
                r.conv(y, 3, 3, 2, 1)
            } else {
                let pool = r.sum_pool();
                r.add(pool, &[y])
            }
        }
        "strided_conv1x1" => {
            let x = r.wild(shape);
            r.conv(x, 3, 1, 2, 1)
        }
        "slice_of_conv" => {
            let x = r.wild(shape);
            let y = r.conv(x, 4, 3, 1, 1);
            let size = vec![shape[0], 2, shape[2], shape[3]];
            r.add(Slice { start: vec![0, 1, 0, 0], size, step: vec![1; 4] }, &[y])
        }
        "conv_of_conv1x1" => {
            let x = r.wild(shape);
            let y = r.conv(x, 3, 1, 1, 1);
            let (k, stride) = (1 + 2 * r.rng.below(2), 1 + r.rng.below(2));
            r.conv(y, 2, k, stride, 1)
        }
        "matmul_of_matmul" => {
            let x = r.wild(&shape[..2]);
            let (v, w) = (r.weight(&[shape[1], 5]), r.weight(&[5, 3]));
            let y = r.add(MatMul {}, &[x, v]);
            r.add(MatMul {}, &[y, w])
        }
        "transposed_matmul" => {
            let x = r.wild(&shape[..2]);
            let w = r.weight(&[shape[1], 5]);
            r.add(MatMul {}, &[x, w])
        }
        "conv1x1_as_matmul" => {
            let x = r.wild(&[1, shape[1], shape[2], shape[3]]);
            r.conv(x, 5, 1, 1, 1)
        }
        _ => return layers::roots(r, rule, shape),
    };
    Some(vec![root])
}
