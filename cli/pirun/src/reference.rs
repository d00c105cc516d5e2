//! `reference`: what the program means, without cryptography, on many inputs in parallel.

use super::args::Reference;
use super::claims::Claims;
use super::outputs::OutputFiles;
use super::show::{real, say};
use super::{fitting, load_program, load_weights, pool};
use picc_ir::eval::Value;
use picc_ir::labels::{classes, scores};
use picc_kernels::fast::{Evaluation, Inputs, Runner, SharesRunner};
use picc_runtime::error::{BadInput, BadProgram, Broken, Result};
use picc_runtime::exec::quantize;
use picc_runtime::inputs::read;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Evaluates every input, counts how many answers are right, and where values leave ranges that the program claims.
pub fn reference(args: &Reference) -> Result<()> {
    let exe = load_program(&args.model)?;
    let inputs = [&args.model, &args.weights, &args.input.input].map(PathBuf::as_path);
    let inputs: Vec<&Path> = inputs.into_iter().chain(args.labels_npy.as_deref()).collect();
    let mut files = args.output.as_ref().map(|path| OutputFiles::open(path, &exe, &inputs)).transpose()?;
    let mut samples = fitting(&exe, &args.input)?;
    let labels = match &args.labels_npy {
        Some(path) => {
            let known = scores(exe.graph()).map(|(_, classes)| classes);
            let found = classes(&read(path)?, samples.len(), known);
            Some(found.map_err(|e| BadInput::Content { path: path.clone(), why: e.to_string() })?)
        }
        None => None,
    };
    samples.truncate(args.first.unwrap_or(usize::MAX));
    let model = load_weights(&exe, &args.weights, 0)?;
    let start = Instant::now();
    let inputs = samples.iter().map(|sample| quantize(&exe, sample)).collect::<Result<Vec<_>>>()?;
    let (graph, weights) = (exe.graph(), model.weights());
    let runs: Vec<Evaluation> = pool(args.threads)?
        .install(|| match args.errors {
            None => Runner::new(graph, weights)?.run_many(&inputs),
            Some(seed) => {
                let seeds = (0..).map(|i| seed.wrapping_add(i));
                let seeded: Vec<(&Inputs, u64)> = inputs.iter().zip(seeds).collect();
                SharesRunner::new(graph, weights)?.run_many(&seeded)
            }
        })
        .map_err(BadProgram::Eval)?;
    let seconds = start.elapsed().as_secs_f64();
    let outputs: Vec<&[(String, Value)]> = runs.iter().map(|run| &run.outputs[..]).collect();
    if let Some(files) = &mut files {
        files.write(&exe, &outputs)?;
    }
    let mut claims = Claims::new(&exe);
    for run in &runs {
        claims.next();
        run.left.iter().for_each(|left| claims.add(*left));
    }
    let answers: Vec<usize> =
        outputs.iter().map(|o| o.first().map_or(0, |(_, v)| answer(&real(&exe, 0, v).data))).collect();
    let right = labels.map(|labels| labels.iter().zip(&answers).filter(|&(&y, &a)| y == a as i64).count());
    let total = samples.len();
    if args.json {
        let accuracy = right.map(|r| r as f64 / total as f64);
        say(&serde_json::json!({
            "inputs": total, "right": right, "accuracy": accuracy, "argmax": answers, "seconds": seconds,
            "left_ranges": claims.found(), "inputs_outside_ranges": claims.outside(),
        }));
    } else if let Some(right) = right {
        let accuracy = right as f64 / total as f64;
        say(&format_args!("{right} of {total} right: accuracy {accuracy:.4} ({seconds:.1} s)"));
    } else {
        say(&format_args!("{total} inputs evaluated in {seconds:.1} s"));
    }
    claims.warn();
    if args.strict && claims.outside() > 0 {
        let outside = claims.outside();
        return Err(Broken::Ranges { outside, inputs: total as u64 }.into());
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
