//! Left sides of the rules about whole layers: merging, Winograd, protocols.

use super::ring_graph::{Ring, conv};
use picc_ir::Id;
use picc_ir::ops::*;

/// The outputs of a graph that `rule` matches.
pub(super) fn roots(r: &mut Ring, rule: &str, shape: &[usize]) -> Option<Vec<Id>> {
    let root = match rule {
        // Merging
        "parallel_convs" => {
            let x = r.wild(shape);
            return Some(vec![r.conv(x, 2, 3, 1, 1), r.conv(x, 3, 3, 1, 1), r.conv(x, 1, 3, 1, 1)]);
        }
        "parallel_kernels" => {
            let x = r.wild(shape);
            return Some(vec![r.conv(x, 2, 1, 1, 1), r.conv(x, 3, 3, 1, 1)]);
        }
        "parallel_matmuls" => {
            let x = r.wild(&shape[..2]);
            let (v, w) = (r.weight(&[shape[1], 5]), r.weight(&[shape[1], 3]));
            return Some(vec![r.add(MatMul {}, &[x, v]), r.add(MatMul {}, &[x, w])]);
        }
        "conv_over_concat" => {
            let (x, y, z) = (r.wild(shape), r.wild(shape), r.wild(shape));
            let all = r.add(Concat { axis: 1 }, &[x, y, z]);
            r.conv(all, 3, 3, 1, 1)
        }
        "sum_of_convs" => {
            let (x, y) = (r.wild(shape), r.wild(shape));
            let (x, y) = (r.conv(x, 3, 3, 1, 1), r.conv(y, 3, 3, 1, 1));
            r.add(Add {}, &[x, y])
        }
        "conv_of_sum" => {
            let (x, y) = (r.wild(shape), r.wild(shape));
            let w = r.weight(&[2, shape[1], 3, 3]);
            let (x, y) = (r.add(conv(3, 1, 1), &[x, w]), r.add(conv(3, 1, 1), &[y, w]));
            r.add(Add {}, &[x, y])
        }
        "concat_of_convs" => {
            let x = r.wild(shape);
            let (x, y) = (r.conv(x, 3, 3, 1, 1), r.conv(x, 2, 3, 1, 1));
            r.add(Concat { axis: 1 }, &[x, y])
        }
        // Winograd
        _ if rule.starts_with("winograd") => {
            let k = if rule.contains("_5") {
                5
            } else if rule.contains("_7") {
                7
            } else {
                3
            };
            let stride = if rule.contains("_s2") { 2 } else { 1 };
            let groups = 1 + r.rng.below(2);
            let shape = [1 + r.rng.below(2), 2, 7 + r.rng.below(4), 7 + r.rng.below(4)];
            let x = r.wild(&shape);
            let y = r.conv(x, 4, k, stride, groups);
            if rule.ends_with("trunc") {
                let b = r.bias(y, &[4, 1, 1]);
                let y = if r.rng.below(2) == 0 { y } else { r.add(Add {}, &[y, b]) };
                r.truncated(y)
            } else {
                y
            }
        }
        // Protocols
        "conv_rlwe" | "conv_rlwe_exact" | "conv_pre" | "conv_ot_server" | "conv_ot_client" => {
            let x = r.wild(shape);
            r.conv(x, 3, 3, 1, 1)
        }
        "matmul_rlwe" | "matmul_rlwe_exact" | "matmul_pre" | "matmul_ot_server" | "matmul_ot_client" => {
            let x = r.wild(shape);
            if r.rng.below(2) == 0 {
                let w = r.weight(&[shape[3], 3]);
                r.add(MatMul {}, &[x, w])
            } else {
                let w = r.weight(&[3, shape[2]]);
                r.add(MatMul {}, &[w, x])
            }
        }
        "matmul_of_secrets" => {
            let (x, y) = (r.wild(shape), r.wild(&[shape[3], 2]));
            r.add(MatMul {}, &[x, y])
        }
        "mul_ot" => {
            let (x, y) = (r.wild(shape), r.wild(&[1, shape[1], 1, 1]));
            r.add(Mul {}, &[y, x])
        }
        "square_ot_server" | "square_ot_client" => {
            let x = r.wild(shape);
            r.add(Mul {}, &[x, x])
        }
        "relu_ot" | "relu_gc" => {
            let x = r.wild(shape);
            r.add(Relu {}, &[x])
        }
        "relu_rescale_ot" => match r.rng.below(3) {
            0 => {
                let x = r.wild(shape);
                let y = r.truncated(x);
                r.add(Relu {}, &[y])
            }
            1 => {
                let x = r.x(shape);
                let y = r.add(Relu {}, &[x]);
                r.extended(y)
            }
            _ => {
                let x = r.x(shape);
                let y = r.truncated(x);
                let z = r.add(Relu {}, &[y]);
                r.extended(z)
            }
        },
        "max_ot" => {
            let (x, y) = (r.x(shape), r.x(&[1, shape[1], 1, 1]));
            r.add(Max {}, &[y, x])
        }
        "max_with_known" => {
            let (x, k) = (r.x(shape), r.constant(&[1], -17));
            r.add(Max {}, &[x, k])
        }
        "max_pool_ot" => {
            let x = r.x(shape);
            let pool = r.pool();
            r.add(pool, &[x])
        }
        "reduce_max_ot" => {
            let x = r.x(shape);
            r.add(ReduceMax { axes: vec![1, 3], keep: false }, &[x])
        }
        "arg_max_ot" => {
            let x = r.x(shape);
            r.add(ArgMax { axis: 1, keep: true, last: false }, &[x])
        }
        "trunc_local" | "trunc_faithful" => {
            let x = r.wild(shape);
            r.truncated(x)
        }
        "extend_ot" => {
            let x = r.x(shape);
            r.extended(x)
        }
        _ => return None,
    };
    Some(vec![root])
}
