//! `picc check MODEL.onnx`, and the list of problems that compiling prints, too.

use super::Failure;
use super::args::{Check, Cli, Shapes};
use super::compile;
use clap::Parser;
use picc_compiler::onnx::{self, Cause, ImportError, Imported};
use picc_passes::CompileError;
use std::path::Path;

/// Compiles with the default options, as `picc MODEL.onnx -o MODEL.pi` does, and says what comes out.
pub fn run(check: &Check) -> Result<(), Failure> {
    let imported = import(&check.model, &check.shapes)?;
    let defaults = Cli::parse_from(["picc", "model.onnx", "-o", "model.pi"]).compile;
    let options = compile::options(&check.model, &defaults, &imported, Vec::new())?;
    let compiled = compile::passes(&check.model, &imported, &options, &[])?;
    println!("{}: compiles ({} weights)", check.model.display(), imported.weights.len());
    for input in &imported.inputs {
        let shape: Vec<String> = input.shape.iter().map(ToString::to_string).collect();
        println!("  the client supplies input `{}` {}", input.name, shape.join("x"));
    }
    let learned = picc_passes::learns(&compiled.program.graph).map_err(|e| refused(&check.model, &e))?;
    learned.iter().for_each(|line| println!("  {line}"));
    imported.notes.iter().for_each(|note| println!("  note: {note}"));
    Ok(())
}

/// Imports a model, or lists all of its problems: those of later passes included.
pub fn import(model: &Path, shapes: &Shapes) -> Result<Imported, Failure> {
    let options = onnx::Options {
        input_shapes: shapes.input_shape.clone(),
        secret_literals: shapes.secret_literals,
        ..onnx::Options::default()
    };
    let refused = |problems: Vec<String>| Failure::Refused { model: model.to_owned(), problems };
    let (imported, errors) =
        onnx::import_file_parts(model, &options).map_err(|errors| refused(problems(&errors.0)))?;
    if errors.is_empty() {
        return Ok(imported);
    }
    let mut lines = problems(&errors);
    lines.extend(picc_passes::hidden_functions(&imported.graph).iter().map(ToString::to_string));
    Err(refused(lines))
}

/// A line for each problem, with its way out. What only follows from free extents of inputs is one line.
fn problems(errors: &[ImportError]) -> Vec<String> {
    let free = errors.iter().any(|e| matches!(e, ImportError::Input { .. }));
    let follows =
        |e: &&ImportError| free && matches!(e, ImportError::Node { cause: Cause::NotConstant { .. }, .. });
    let mut lines = tensors(errors);
    let line = |e: &ImportError| e.way_out().map_or_else(|| e.to_string(), |way_out| format!("{e}\n  {way_out}"));
    let others = errors.iter().filter(|e| !follows(e) && !matches!(e, ImportError::Tensor { .. }));
    lines.extend(others.map(line));
    let mut following = errors.iter().filter(follows).filter_map(|e| match e {
        ImportError::Node { node, .. } => Some(node),
        _ => None,
    });
    if let Some(first) = following.next() {
        let more = match following.count() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        lines.push(format!("node `{first}`{more}: nothing can be said before the extents of the inputs are given"));
    }
    lines
}

/// A line for each problem of tensors, however many have it: the file that holds them is missing for all.
fn tensors(errors: &[ImportError]) -> Vec<String> {
    let mut found: Vec<(&str, &str, &str, usize)> = Vec::new();
    for error in errors {
        let ImportError::Tensor { name, problem, way_out } = error else { continue };
        match found.iter_mut().find(|(_, other, ..)| other == problem) {
            Some((.., more)) => *more += 1,
            None => found.push((name, problem, way_out, 0)),
        }
    }
    let line = |(name, problem, way_out, more): (&str, &str, &str, usize)| {
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let way_out = if way_out.is_empty() { String::new() } else { format!("\n  {way_out}") };
        format!("tensor `{name}`{more}: {problem}{way_out}")
    };
    found.into_iter().map(line).collect()
}

/// Each problem that the passes found.
pub fn refused(model: &Path, error: &CompileError) -> Failure {
    let problems = error.problems().iter().map(ToString::to_string).collect();
    Failure::Refused { model: model.to_owned(), problems }
}
