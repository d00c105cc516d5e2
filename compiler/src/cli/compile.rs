//! `picc MODEL.onnx -o MODEL.pi`.

use super::args::{Compile, Emit, ExtractArg, LayoutArg, LinearArg, PhaseArg, PreprocessArgs, Shapes};
use super::calibration::{Sample, read_samples};
use super::files::{read_lines, write_public, write_secret};
use super::{Failure, explain, table};
use crate::onnx::{self, Imported};
use indicatif::{ProgressBar, ProgressStyle};
use picc_ir::cost::profile::Profile;
use picc_ir::op::F32;
use picc_ir::program::{Layout, Preprocess};
use picc_ir::weights::write_weights;
use picc_passes::egraph::Extract;
use picc_passes::{Compiled, Linear, Options};
use std::path::Path;
use std::time::Duration;

pub fn run(model: &Path, args: &Compile) -> Result<(), Failure> {
    let progress = spinner(args.quiet);
    progress.set_message("reading the model");
    let imported = import(model, &args.shapes)?;
    if args.emit == Some(Emit::Real) {
        progress.finish_and_clear();
        println!("{}", imported.graph);
        return Ok(());
    }
    let samples = match &args.calibrate {
        Some(path) => read_samples(path, &imported.inputs)?,
        None => Vec::new(),
    };
    progress.set_message(format!("compiling ({} calibration samples)", samples.len()));
    let options = options(model, args, &imported)?;
    let mut compiled = passes(model, &imported, &options, &samples)?;
    compiled.program.notes.extend(imported.notes.iter().cloned());
    progress.finish_and_clear();

    match args.emit {
        Some(Emit::Ring) => println!("{}", compiled.ring_graph),
        Some(Emit::Mpc) => println!("{}", compiled.program.graph),
        Some(Emit::Real) | None => {}
    }
    if let Some(output) = &args.output {
        // The secret half first: a program without its weights is of no use, weights without a program do no harm.
        let weights = write_weights(&compiled.weights, compiled.program.digest());
        write_secret(&output.with_extension("piw"), &weights)?;
        write_public(output, &compiled.program.to_bytes())?;
        if let Some(explanation) = &compiled.explanation {
            explain::write(output, &compiled.program, explanation)?;
        }
    }
    for warning in &compiled.report.warnings {
        eprintln!("warning: {warning}");
    }
    if !args.quiet && args.emit.is_none() {
        print!("{}", table::summary(&compiled.program).map_err(|e| refused(model, e))?);
        for (output, ulps) in &compiled.report.likely_ulps {
            if *ulps > 0.0 {
                println!("output `{output}`: off by at most {ulps:.0} ulps in all but one run in 10^8");
            }
        }
    }
    Ok(())
}

/// Imports a model, or lists all of its problems.
pub fn import(model: &Path, shapes: &Shapes) -> Result<Imported, Failure> {
    let options = onnx::Options {
        input_shapes: shapes.input_shape.clone(),
        secret_literals: shapes.secret_literals,
        ..onnx::Options::default()
    };
    onnx::import_file(model, &options).map_err(|errors| Failure::Refused {
        model: model.to_owned(),
        problems: errors
            .0
            .iter()
            .map(|e| e.way_out().map_or_else(|| e.to_string(), |way_out| format!("{e}\n  {way_out}")))
            .collect(),
    })
}

/// The passes on an imported model.
pub fn passes(
    model: &Path,
    imported: &Imported,
    options: &Options,
    samples: &[Sample],
) -> Result<Compiled, Failure> {
    picc_passes::compile(&imported.graph, &imported.weights, options, samples).map_err(|e| refused(model, e))
}

fn refused(model: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::Refused { model: model.to_owned(), problems: vec![error.to_string()] }
}

fn options(model: &Path, args: &Compile, imported: &Imported) -> Result<Options, Failure> {
    let labels = args.labels.as_deref().map(read_lines).transpose()?.unwrap_or_default();
    let stem = model.file_stem().map(|s| s.to_string_lossy().into_owned());
    let mut profile = args.profile.as_deref().map(deployment).transpose()?;
    if let (Some(profile), Some(k)) = (&mut profile, args.softspoken) {
        profile.softspoken_k = k;
    }
    if let (Some(profile), Some(phase)) = (&mut profile, args.phase) {
        profile.offline_percent = if phase == PhaseArg::Online { 0 } else { 100 };
    }
    Ok(Options {
        model: stem.unwrap_or_else(|| imported.model.clone()),
        ring: args.ring,
        frac: args.frac,
        weight_frac: args.weight_frac,
        weight_bits: args.weight_bits,
        exact: args.exact,
        linear: match args.linear {
            LinearArg::Auto => Linear::Auto,
            LinearArg::Rlwe => Linear::Rlwe,
            LinearArg::Ot => Linear::Ot,
            LinearArg::Preprocessed => Linear::Preprocessed,
        },
        softspoken_k: args.softspoken.unwrap_or(4),
        profile,
        families: args.passes.clone(),
        extract: match args.extract {
            ExtractArg::Auto => Extract::Auto,
            ExtractArg::Greedy => Extract::Greedy,
            ExtractArg::Exact => Extract::Exact { seconds: args.extract_seconds },
        },
        preprocess: preprocess(&args.preprocess),
        labels,
        ..Options::default()
    })
}

/// A built-in profile, or one from a file.
fn deployment(name: &str) -> Result<Profile, Failure> {
    if let Some(profile) = Profile::named(name) {
        return Ok(profile);
    }
    let bad = |problem: String| Failure::File { path: name.into(), problem };
    let text = std::fs::read_to_string(name)
        .map_err(|e| bad(format!("{e} (built-in profiles: {})", Profile::BUILT_IN.join(", "))))?;
    Profile::from_toml(&text).map_err(|e| bad(e.to_string()))
}

/// The preprocessing block, if any of its options was given.
fn preprocess(args: &PreprocessArgs) -> Option<Preprocess> {
    let given = !args.mean.is_empty()
        || !args.std.is_empty()
        || args.divisor.is_some()
        || args.layout.is_some()
        || args.bgr;
    given.then(|| Preprocess {
        divisor: F32::from(args.divisor.unwrap_or(255.0)),
        mean: args.mean.iter().copied().map(F32::from).collect(),
        std: args.std.iter().copied().map(F32::from).collect(),
        layout: match args.layout {
            Some(LayoutArg::Nhwc) => Layout::Nhwc,
            Some(LayoutArg::Nchw) | None => Layout::Nchw,
        },
        bgr: args.bgr,
    })
}

/// Appears on a terminal when the work takes longer than a second.
fn spinner(quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}
