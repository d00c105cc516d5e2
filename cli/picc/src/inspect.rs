//! `picc inspect MODEL.pi`.

use super::args::{Inspect, PartyArg};
use super::compile::deployment;
use super::explain::Record;
use super::kernels::{Form, Kernels, kernels};
use super::{Failure, hiding, report};
use picc_compiler::report::costs;
use picc_compiler::report::facts::{Calibration, range};
use picc_compiler::report::sections;
use picc_files::Outputs;
use picc_ir::Party;
use picc_ir::correlation::Source;
use picc_ir::mpc::memory::PeakMemory;
use picc_ir::mpc::schedule::program_cost;
use picc_ir::program::{Preprocess, Program};
use picc_passes::predict;
use serde::Serialize;
use std::path::Path;

/// What the client brings.
#[derive(Serialize)]
struct Input<'a> {
    name: &'a str,
    shape: &'a [usize],
    frac_bits: u8,
    /// Smallest and largest value that the program takes.
    range: Option<(f64, f64)>,
    preprocess: Option<&'a Preprocess>,
}

#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    digest: String,
    learns: Vec<String>,
    public: Vec<String>,
    inputs: Vec<Input<'a>>,
    labels: &'a [String],
    notes: &'a [String],
    error_ulps: &'a [u64],
    /// By output, from the record beside the program.
    likely_ulps: &'a [(String, f64)],
    calibration: Option<Calibration>,
    /// The deployment that seconds and memory are predicted for.
    profile: Option<&'a str>,
    source: Source,
    seconds: Option<f64>,
    peak_memory: Option<PeakMemory>,
    rows: Vec<costs::Row>,
    inference: picc_ir::cost::Traffic,
    setup: picc_ir::cost::Traffic,
    /// How the weights of layers under ring LWE are hidden.
    hidden: hiding::Hidden,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernels: Option<Kernels>,
}

pub fn run(args: &Inspect) -> Result<(), Failure> {
    let bad = |problem: String| Failure::File { path: args.program.clone(), problem };
    let bytes = std::fs::read(&args.program).map_err(|e| bad(e.to_string()))?;
    let read = [Some(args.program.as_path()), args.measured.as_deref(), args.profile.as_deref().map(Path::new)];
    let mut outputs = Outputs::reading(read.into_iter().flatten());
    let output = args.report.as_ref().map(|path| report::open(path, &mut outputs)).transpose()?;
    let program = Program::from_bytes(&bytes).map_err(|e| bad(e.to_string()))?;
    let cost = program_cost(&program).map_err(|e| bad(e.to_string()))?;
    let record = Record::beside(&args.program, &program);
    let profile = match &args.profile {
        Some(name) => Some(deployment(name)?),
        None => record.as_ref().map(|r| r.profile.clone()),
    };
    let prediction = profile.map(|p| predict(&program, &p)).transpose().map_err(|e| bad(e.to_string()))?;
    let prediction = prediction.as_ref();
    if let Some(mut output) = output {
        let prediction = prediction.ok_or_else(|| bad("give a --profile to predict for".to_owned()))?;
        report::stage(&mut output, &program, prediction, record.as_ref(), args.measured.as_deref())?;
        return Ok(output.commit()?);
    }
    let shown = args.kernels.map(|party| match party {
        PartyArg::Client => Party::Client,
        PartyArg::Server => Party::Server,
    });
    let known = record.as_ref().map(|r| r.known.clone()).unwrap_or_default();
    let sections = sections(&program, &known, record.as_ref().and_then(|r| r.accuracy.as_ref()));
    let of = |titles: &[&str]| {
        let lines = sections.iter().filter(|s| titles.contains(&s.title)).flat_map(|s| s.lines.iter());
        lines.cloned().collect()
    };
    let report = Report {
        model: &program.model,
        digest: program.digest().iter().map(|b| format!("{b:02x}")).collect(),
        learns: of(&["Who learns what"]),
        public: of(&["Inputs", "Outputs"]),
        inputs: inputs(&program),
        labels: &program.labels,
        notes: &program.notes,
        error_ulps: &program.error_ulps,
        likely_ulps: &known.likely_ulps,
        calibration: known.calibration,
        profile: prediction.map(|p| p.profile.as_str()),
        source: program.source,
        seconds: prediction.map(|p| p.seconds),
        peak_memory: prediction.map(|p| p.memory),
        rows: costs::rows(&program, &cost, prediction),
        inference: cost.inference(),
        setup: cost.setup,
        hidden: hiding::hidden(&program).map_err(|e| bad(e.to_string()))?,
        kernels: shown
            .map(|party| kernels(&program, party, &Form::Kir))
            .transpose()
            .map_err(|e| bad(e.to_string()))?,
    };
    if args.json {
        println!("{}", serde_json::to_string(&report).map_err(|e| bad(e.to_string()))?);
        return Ok(());
    }
    println!("{}, program {}", report.model, &report.digest[..16]);
    for section in &sections {
        let mark = if section.title == "Notes" { "note: " } else { "" };
        section.lines.iter().for_each(|line| println!("  {mark}{line}"));
    }
    if args.graph {
        println!("\n{}", program.graph);
    } else if let Some(kernels) = &report.kernels {
        print!("\n{}", kernels.text());
    } else {
        print!("\n{}", costs::summary(&program, prediction).map_err(|e| bad(e.to_string()))?);
        print!("\n{}", report.hidden.text());
    }
    Ok(())
}

fn inputs(program: &Program) -> Vec<Input<'_>> {
    let input = program.inputs.iter().map(|spec| Input {
        name: &spec.name,
        shape: &spec.shape,
        frac_bits: spec.frac_bits,
        range: range(program, spec),
        preprocess: spec.preprocess.as_ref(),
    });
    input.collect()
}
