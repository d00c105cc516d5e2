//! `--report FILE`: writes the report of a program, as a page or as text.

use super::Failure;
use super::explain::Record;
use picc_compiler::report::{Measured, Report, html, text};
use picc_files::{Kind, Output, Outputs, Readers};
use picc_ir::program::Program;
use picc_passes::Prediction;
use std::path::Path;

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("txt"))
}

/// The report's file, if nothing else stands there.
pub fn open(path: &Path, outputs: &mut Outputs) -> Result<Output, Failure> {
    let kind = if is_text(path) { Kind::Text } else { Kind::Page };
    Ok(outputs.open(path, kind, Readers::Everybody)?)
}

/// Fills `output`: with text if it ends in `.txt`, else with HTML. `measured` is what `pirun ... --json` printed,
/// `record` what the compiler said beside the program.
pub fn stage(
    output: &mut Output,
    program: &Program,
    prediction: &Prediction,
    record: Option<&Record>,
    measured: Option<&Path>,
) -> Result<(), Failure> {
    let bad = |path: &Path, problem: String| Failure::File { path: path.to_owned(), problem };
    let measured = match measured {
        Some(file) => {
            let json = std::fs::read_to_string(file).map_err(|e| bad(file, e.to_string()))?;
            let run = Measured::parse(&json).map_err(|e| bad(file, e.to_string()))?;
            if run.model != program.model {
                return Err(bad(file, format!("measures `{}`, the program is `{}`", run.model, program.model)));
            }
            Some(run)
        }
        None => None,
    };
    let explanation = record.and_then(|r| r.explanation.as_ref());
    let accuracy = record.and_then(|r| r.accuracy.as_ref());
    let known = record.map(|r| r.known.clone()).unwrap_or_default();
    let path = output.path().to_owned();
    let report = Report::new(program, prediction, explanation, &known, accuracy, measured)
        .map_err(|e| bad(&path, e.to_string()))?;
    let page = if is_text(&path) { text(&report) } else { html(&report) };
    Ok(output.stage(page.as_bytes())?)
}
