//! Nearest resizing takes the elements that onnxruntime takes: all sizes from 1 to 64, all modes, given by sizes and by
//! scales. `resize_maps.py` recorded them and can show them.

mod builder;

use builder::Builder;
use picc_compiler::onnx::{ExternalData, Options, import};
use picc_ir::Tensor;
use picc_ir::eval::run_real;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

const MODES: [&str; 6] = [
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
];
const NEAREST: [&str; 4] = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];
const LARGEST: usize = 64;
/// Each mode by sizes, each mode by scales, and opset 10.
const CASES: usize = 2 * MODES.len() * NEAREST.len() + 1;

/// The recorded maps for each pair of sizes, in order, one for each case.
fn recorded() -> impl Iterator<Item = Vec<Vec<usize>>> {
    let bytes = include_bytes!("data/resize_maps.zip");
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes[..])).unwrap();
    let mut entry = |name: &str| {
        let mut content = Vec::new();
        archive.by_name(name).unwrap().read_to_end(&mut content).unwrap();
        content.into_iter().map(usize::from)
    };
    let (mut which, mut maps) = (entry("which"), entry("maps"));
    (0..LARGEST * LARGEST).map(move |pair| {
        let n = pair / LARGEST + 1;
        let taken: Vec<usize> = which.by_ref().take(CASES).collect();
        let lengths: Vec<usize> = which.by_ref().take(taken.iter().max().unwrap() + 1).collect();
        let map = |&length: &usize| {
            maps.by_ref().take(length).enumerate().map(|(o, d)| (d + o * n / length) % 256).collect::<Vec<_>>()
        };
        let distinct: Vec<Vec<usize>> = lengths.iter().map(map).collect();
        taken.into_iter().map(|k| distinct[k].clone()).collect()
    })
}

fn scale(n: usize, m: usize) -> f32 {
    ((m as f64 + 0.25) / n as f64) as f32
}

/// Output `case.m` for every case and every `m`, of an input `[2, n]`; the rows are equal, so it does not matter which
/// of them is kept.
fn model(n: usize, opset: i64) -> Builder {
    let mut model = Builder::new(opset).input("x", &[2, n as i64]);
    for m in 1..=LARGEST {
        let (sizes, scales) = (format!("sizes{m}"), format!("scales{m}"));
        model = model.weight(&scales, &[2], &[0.5, scale(n, m)]);
        if opset == 10 {
            let y = format!("{}.{m}", CASES - 1);
            model = model.node("Resize", &["x", &scales], &[&y]).output(&y);
            continue;
        }
        model = model.integers(&sizes, &[1, m as i64]);
        for case in 0..CASES - 1 {
            let y = format!("{case}.{m}");
            let inputs =
                if case < CASES / 2 { ["x", "", "", sizes.as_str()] } else { ["x", "", scales.as_str(), ""] };
            let (mode, nearest) = (MODES[case % (CASES / 2) / NEAREST.len()], NEAREST[case % NEAREST.len()]);
            model = model.node("Resize", &inputs, &[&y]).string("coordinate_transformation_mode", mode);
            model = model.string("nearest_mode", nearest).output(&y);
        }
    }
    model
}

#[test]
fn nearest_resize_takes_the_elements_that_onnxruntime_takes() {
    let mut recorded = recorded();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for n in 1..=LARGEST {
        let expected: Vec<Vec<Vec<usize>>> = recorded.by_ref().take(LARGEST).collect();
        let row: Vec<f32> = (0..n).map(|i| i as f32).collect();
        let inputs = BTreeMap::from([("x".to_owned(), Tensor::new(&[2, n], [row.clone(), row].concat()))]);
        for opset in [10, 19] {
            let model = model(n, opset);
            let imported = import(&model.bytes(), &ExternalData::default(), &Options::default()).unwrap();
            for (name, y) in run_real(&imported.graph, &inputs, &imported.weights, &mut |_, _| {}).unwrap() {
                let (case, m) = name.split_once('.').unwrap();
                let (case, m): (usize, usize) = (case.parse().unwrap(), m.parse().unwrap());
                let found: Vec<usize> = y.data.iter().map(|&v| v as usize).collect();
                compared += 1;
                if expected[m - 1][case] != found {
                    wrong.push(format!("case {case}, {n} -> {m}: {found:?} for {:?}", expected[m - 1][case]));
                }
            }
        }
    }
    assert_eq!(compared, LARGEST * LARGEST * CASES);
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}

/// A scale that changes nothing about the size still moves elements, unless nothing about the shape changes at all.
#[test]
fn a_value_whose_shape_stays_is_copied() {
    let y = |shape: &[usize], scales: &[f32]| {
        let dims: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        let model = Builder::new(19).input("x", &dims).weight("s", &[scales.len() as i64], scales);
        let model = model.node("Resize", &["x", "", "s"], &["y"]).string("nearest_mode", "floor").output("y");
        let imported = import(&model.bytes(), &ExternalData::default(), &Options::default()).unwrap();
        let x = Tensor::new(shape, (0..shape.iter().product()).map(|i: usize| (i % 4) as f32).collect());
        let inputs = BTreeMap::from([("x".to_owned(), x)]);
        run_real(&imported.graph, &inputs, &imported.weights, &mut |_, _| {}).unwrap()[0].1.data.clone()
    };
    assert_eq!(y(&[4], &[1.1]), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(y(&[2, 4], &[0.5, 1.1]), [0.0, 0.0, 1.0, 2.0]);
}
