//! `picc MODEL.onnx -o MODEL.pi`.

use super::args::{Compile, Emit, ExtractArg, LayoutArg, LinearArg, PhaseArg, PreprocessArgs};
use super::calibration::{Sample, doubts, read_samples};
use super::explain::Record;
use super::files::Files;
use super::kernels::{self, Form};
use super::labels::Labels;
use super::progress::{Search, spinner};
use super::{Failure, check, retrain};
use picc_compiler::onnx::Imported;
use picc_compiler::report::costs;
use picc_compiler::runs::private_runs;
use picc_ir::cost::profile::Profile;
use picc_ir::preprocess::{Given, Layout, Preprocess};
use picc_ir::program::Program;
use picc_ir::weights::RingWeights;
use picc_ir::{Graph, Party};
use picc_passes::accuracy::{Budget, Inputs, compile_within};
use picc_passes::egraph::Extract;
use picc_passes::{Compiled, Linear, Options, erase_protocols};
use std::path::Path;

pub fn run(model: &Path, args: &Compile) -> Result<(), Failure> {
    // Before any work: what cannot be written need not be made.
    let files = Files::open(model, args)?;
    let labels = Labels::read(&args.labels)?;
    let progress = spinner(args.quiet);
    progress.set_message("reading the model");
    let mut imported = check::import(model, &args.shapes)?;
    if args.emit == Some(Emit::Real) {
        progress.finish_and_clear();
        println!("{}", imported.graph);
        return Ok(());
    }
    labels.fit(&args.labels, &imported.graph)?;
    let options = options(model, args, &imported, labels.names)?;
    let samples = match &args.calibrate {
        Some(path) => read_samples(path, &imported.inputs, options.preprocess.as_ref())?,
        None => Vec::new(),
    };
    let doubts = doubts(&samples, &imported.inputs, options.preprocess.as_ref());
    progress.set_message(format!("compiling ({} calibration samples)", samples.len()));
    let mut rewritten = retrain::rewrite(model, &args.retrain, &mut imported, &options, &samples)?;
    let points = args.max_accuracy_drop.or(args.min_agreement.map(|percent| 100.0 - percent));
    let mut compiled = match (points, &labels.classes) {
        (None, None) => passes(model, &imported, &options, &samples)?,
        (Some(max_drop_points), labels) if labels.is_some() == args.max_accuracy_drop.is_some() => {
            progress.set_message(format!("measuring accuracy ({} samples)", samples.len()));
            let search = Search::new(&progress, args.quiet);
            let runner = |graph: &Graph, weights: &RingWeights, runs: &[(&Inputs, u64)]| {
                search.program(runs.len());
                private_runs(graph, weights, runs)
            };
            let labels = labels.as_deref();
            let budget = Budget { max_drop_points, confidence: args.confidence, labels, runner: &runner };
            compile_within(&imported.graph, &imported.weights, &options, &samples, budget)
                .map_err(|e| check::refused(model, &e))?
        }
        (Some(_), None) => {
            let problem = "names of classes; --max-accuracy-drop needs a .npy file with the class of each sample";
            return Err(Failure::File {
                path: args.labels.first().cloned().unwrap_or_default(),
                problem: problem.to_owned(),
            });
        }
        (_, Some(_)) => {
            let problem = "classes of samples, which only --max-accuracy-drop POINTS uses";
            return Err(Failure::File {
                path: args.labels.last().cloned().unwrap_or_default(),
                problem: problem.to_owned(),
            });
        }
    };
    compiled.program.notes.extend(imported.notes.iter().cloned());
    if let Some(report) = &mut rewritten {
        report.bytes_after = Some(compiled.report.cost.inference().total());
    }
    progress.finish_and_clear();
    // Before anything is printed: a reader that leaves early ends this process.
    let record = options.profile.as_ref();
    let record = record.map(|p| Record::new(p, &compiled, samples.len(), rewritten.as_ref()));
    files.write(&compiled, record.as_ref(), rewritten.is_some().then_some(&imported))?;

    match args.emit {
        Some(Emit::Canonical) => println!("{}", compiled.canonical),
        Some(Emit::Ring) => println!("{}", compiled.ring_graph),
        Some(Emit::Optimized) => {
            let ring = erase_protocols(&compiled.program.graph).map_err(|e| refused(model, e))?;
            println!("{ring}");
        }
        Some(Emit::Mpc) => println!("{}", compiled.program.graph),
        Some(Emit::Kir) => print_kernels(&compiled.program, Ok(Form::Kir)).map_err(|e| refused(model, e))?,
        Some(Emit::Clif) => {
            print_kernels(&compiled.program, Form::clif(args.target)).map_err(|e| refused(model, e))?;
        }
        Some(Emit::Asm) => {
            print_kernels(&compiled.program, Form::asm(args.target)).map_err(|e| refused(model, e))?;
        }
        Some(Emit::Real) | None => {}
    }
    if !args.quiet {
        for warning in doubts.iter().chain(&compiled.report.warnings) {
            eprintln!("warning: {warning}");
        }
        if let Some(report) = rewritten.as_ref().filter(|r| !r.choices.is_empty()) {
            eprintln!("warning: {}", report.warning());
        }
    }
    if !args.quiet && args.emit.is_none() {
        if let Some(report) = &rewritten {
            println!("{report}");
        }
        let prediction = compiled.report.prediction.as_ref();
        print!("{}", costs::summary(&compiled.program, prediction).map_err(|e| refused(model, e))?);
        let learned = picc_passes::learns(&compiled.program.graph).map_err(|e| check::refused(model, &e))?;
        learned.iter().for_each(|line| println!("{line}"));
        if let Some(accuracy) = &compiled.accuracy {
            print!("{accuracy}");
        }
        for (output, ulps) in &compiled.report.likely_ulps {
            // Under an accuracy budget what was measured says more.
            if *ulps > 0.0 && compiled.accuracy.is_none() {
                println!("output `{output}`: off by at most {ulps:.0} ulps in all but one run in 10^8");
            }
        }
    }
    Ok(())
}

fn print_kernels(program: &Program, form: Result<Form, kernels::Error>) -> Result<(), kernels::Error> {
    print!("{}", kernels::kernels(program, Party::Server, &form?)?.text());
    Ok(())
}

/// The passes on an imported model.
pub fn passes(
    model: &Path,
    imported: &Imported,
    options: &Options,
    samples: &[Sample],
) -> Result<Compiled, Failure> {
    picc_passes::compile(&imported.graph, &imported.weights, options, samples)
        .map_err(|e| check::refused(model, &e))
}

pub fn refused(model: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::Refused { model: model.to_owned(), problems: vec![error.to_string()] }
}

/// What the command line says.
pub fn options(model: &Path, args: &Compile, imported: &Imported, labels: Vec<String>) -> Result<Options, Failure> {
    let stem = model.file_stem().map(|s| s.to_string_lossy().into_owned());
    let mut profile = deployment(&args.profile)?;
    if let Some(source) = args.source {
        profile = profile.with_source(source);
    }
    if let Some(phase) = args.phase {
        profile.offline_percent = if phase == PhaseArg::Online { 0 } else { 100 };
    }
    Ok(Options {
        model: stem.unwrap_or_else(|| imported.model.clone()),
        ring: args.ring,
        frac: args.frac,
        precision: args.precision,
        margin_bits: args.margin,
        weight_frac: args.weight_frac,
        weight_bits: args.weight_bits,
        exact: args.exact,
        linear: match args.linear {
            LinearArg::Auto => Linear::Auto,
            LinearArg::Rlwe => Linear::Rlwe,
            LinearArg::Ot => Linear::Ot,
            LinearArg::Preprocessed => Linear::Preprocessed,
        },
        source: args.source.unwrap_or_default(),
        profile: Some(profile),
        families: args.passes.clone(),
        extract: match args.extract {
            ExtractArg::Auto => Extract::Auto,
            ExtractArg::Greedy => Extract::Greedy,
            ExtractArg::Exact => Extract::Exact { seconds: args.extract_seconds },
        },
        reveal: args.reveal.unwrap_or_default(),
        reveal_hidden: args.reveal_hidden,
        preprocess: preprocess(model, &args.preprocess, imported)?,
        labels,
    }
    .settled())
}

/// A built-in profile, or one from a file.
pub fn deployment(name: &str) -> Result<Profile, Failure> {
    if let Some(profile) = Profile::named(name) {
        return Ok(profile);
    }
    let bad = |problem: String| Failure::File { path: name.into(), problem };
    let text = std::fs::read_to_string(name)
        .map_err(|e| bad(format!("{e} (built-in profiles: {})", Profile::BUILT_IN.join(", "))))?;
    Profile::from_toml(&text).map_err(|e| bad(e.to_string()))
}

/// The preprocessing block, if any of its options was given.
fn preprocess(model: &Path, args: &PreprocessArgs, imported: &Imported) -> Result<Option<Preprocess>, Failure> {
    let given = Given {
        mean: args.mean.clone(),
        std: args.std.clone(),
        divisor: args.divisor,
        layout: args.layout.map(|layout| match layout {
            LayoutArg::Nhwc => Layout::Nhwc,
            LayoutArg::Nchw => Layout::Nchw,
        }),
        bgr: args.bgr,
    };
    let shape = imported.inputs.first().map_or(&[][..], |input| &input.shape[..]);
    given.over(None, shape).map_err(|e| refused(model, e))
}
