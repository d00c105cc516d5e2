//! `picc inspect MODEL.pi`.

use super::args::{Inspect, PartyArg};
use super::compile::deployment;
use super::kernels::{Form, Kernels, kernels};
use super::{Failure, explain, hiding, report, table};
use picc_files::Outputs;
use picc_ir::Party;
use picc_ir::mpc::memory::PeakMemory;
use picc_ir::mpc::schedule::program_cost;
use picc_ir::program::Program;
use picc_ir::verify::who_learns;
use picc_passes::predict;
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    digest: String,
    learns: Vec<String>,
    public: Vec<String>,
    notes: &'a [String],
    error_ulps: &'a [u64],
    /// The deployment that seconds and memory are predicted for.
    profile: Option<&'a str>,
    softspoken_k: u8,
    seconds: Option<f64>,
    peak_memory: Option<PeakMemory>,
    rows: Vec<table::Row>,
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
    let profile = match &args.profile {
        Some(name) => Some(deployment(name)?),
        None => explain::profile_of(&args.program, &program),
    };
    let prediction = profile.map(|p| predict(&program, &p)).transpose().map_err(|e| bad(e.to_string()))?;
    let prediction = prediction.as_ref();
    if let Some(mut output) = output {
        let prediction = prediction.ok_or_else(|| bad("give a --profile to predict for".to_owned()))?;
        let explanation = explain::explanation_of(&args.program, &program);
        report::stage(&mut output, &program, prediction, explanation.as_ref(), args.measured.as_deref())?;
        return Ok(output.commit()?);
    }
    let shown = args.kernels.map(|party| match party {
        PartyArg::Client => Party::Client,
        PartyArg::Server => Party::Server,
    });
    let report = Report {
        model: &program.model,
        digest: program.digest().iter().map(|b| format!("{b:02x}")).collect(),
        learns: who_learns(&program.graph)
            .iter()
            .map(|(party, what)| format!("the {party} learns {what}"))
            .chain(picc_passes::learns(&program.graph).map_err(|e| bad(e.to_string()))?)
            .collect(),
        public: inputs_and_outputs(&program),
        notes: &program.notes,
        error_ulps: &program.error_ulps,
        profile: prediction.map(|p| p.profile.as_str()),
        softspoken_k: program.softspoken_k,
        seconds: prediction.map(|p| p.seconds),
        peak_memory: prediction.map(|p| p.memory),
        rows: table::rows(&program, &cost, prediction),
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
    report.public.iter().chain(&report.learns).for_each(|line| println!("  {line}"));
    report.notes.iter().for_each(|note| println!("  note: {note}"));
    if args.graph {
        println!("\n{}", program.graph);
    } else if let Some(kernels) = &report.kernels {
        print!("\n{}", kernels.text());
    } else {
        print!("\n{}", table::summary(&program, prediction).map_err(|e| bad(e.to_string()))?);
        print!("\n{}", report.hidden.text());
    }
    Ok(())
}

fn inputs_and_outputs(program: &Program) -> Vec<String> {
    let inputs = program
        .inputs
        .iter()
        .map(|i| format!("input `{}` {:?}, {} fraction bits, from the client", i.name, &i.shape[..], i.frac_bits));
    let outputs = program.graph.outputs.iter().zip(&program.error_ulps).map(|((name, id), ulps)| {
        let exact =
            if *ulps == 0 { "bit-exact".to_owned() } else { format!("within {ulps} ulps of the reference") };
        format!("output `{name}` {:?}, {exact}", &program.graph.ty(*id).shape[..])
    });
    inputs.chain(outputs).collect()
}
