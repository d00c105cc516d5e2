//! `reference`: what the program means, without cryptography, on many inputs in parallel.

use super::args::Reference;
use super::show::{real, write_outputs};
use super::{load_program, load_weights, pool};
use crate::error::{Error, Result};
use crate::exec::quantize;
use crate::inputs::{read, read_samples};
use picc_ir::eval::{EvalError, Value};
use picc_ir::npy::NpyArray;
use picc_kernels::fast::{Inputs, Runner, SharesRunner};
use std::time::Instant;

/// Evaluates every input, and counts how many answers are right.
pub fn reference(args: &Reference) -> Result<()> {
    let exe = load_program(&args.model)?;
    let mut samples = read_samples(&args.input.input, &exe.program().inputs, &args.input.image_options())?;
    samples.truncate(args.first.unwrap_or(usize::MAX));
    let model = load_weights(&exe, &args.weights, 0)?;
    let labels = args
        .labels_npy
        .as_ref()
        .map(|path| {
            let file = read(path)?;
            let array = NpyArray::parse(&file).map_err(|e| Error::Input(format!("{}: {e}", path.display())))?;
            if array.len() < samples.len() {
                return Err(Error::Input(format!("{} labels for {} inputs", array.len(), samples.len())));
            }
            Ok(array.to_i64().data)
        })
        .transpose()?;
    let start = Instant::now();
    let failed = |e: EvalError| Error::Program(e.to_string());
    let inputs = samples.iter().map(|sample| quantize(&exe, sample)).collect::<Result<Vec<_>>>()?;
    let (graph, weights) = (exe.graph(), model.weights());
    let outputs: Vec<Vec<(String, Value)>> = pool(args.threads)?
        .install(|| match args.errors {
            None => Runner::new(graph, weights)?.run_many(&inputs),
            Some(seed) => {
                let seeds = (0..).map(|i| seed.wrapping_add(i));
                let seeded: Vec<(&Inputs, u64)> = inputs.iter().zip(seeds).collect();
                let runs = SharesRunner::new(graph, weights)?.run_many(&seeded)?;
                Ok(runs.into_iter().map(|run| run.outputs).collect())
            }
        })
        .map_err(failed)?;
    let seconds = start.elapsed().as_secs_f64();
    let borrowed: Vec<&[(String, Value)]> = outputs.iter().map(|o| &o[..]).collect();
    if let Some(path) = &args.output {
        write_outputs(path, &exe, &borrowed)?;
    }
    let answers: Vec<usize> =
        borrowed.iter().map(|o| o.first().map_or(0, |(_, v)| answer(&real(&exe, 0, v).data))).collect();
    let right = labels.map(|labels| labels.iter().zip(&answers).filter(|&(&y, &a)| y == a as i64).count());
    let total = samples.len();
    if args.json {
        let accuracy = right.map(|r| r as f64 / total as f64);
        let object = serde_json::json!({
            "inputs": total, "right": right, "accuracy": accuracy, "argmax": answers, "seconds": seconds,
        });
        println!("{object}");
    } else if let Some(right) = right {
        println!("{right} of {total} right: accuracy {:.4} ({seconds:.1} s)", right as f64 / total as f64);
    } else {
        println!("{total} inputs evaluated in {seconds:.1} s");
    }
    Ok(())
}

/// The class that an output names: the largest score's, or the single value, if it is an index.
fn answer(values: &[f32]) -> usize {
    if let [index] = values { index.round().max(0.0) as usize } else { argmax(values) }
}

/// The first of the largest values.
fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, v) in values.iter().enumerate() {
        if *v > values[best] {
            best = i;
        }
    }
    best
}
