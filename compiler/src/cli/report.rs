//! `--report FILE`: writes the report of a program, as a page or as text.

use super::Failure;
use super::explain::Record;
use super::files::write_public;
use crate::report::{Measured, Report, html, text};
use picc_ir::program::Program;
use picc_passes::Prediction;
use std::path::Path;

/// Writes `path`: text if it ends in `.txt`, else HTML. `record` is what the compiler said beside the program, and
/// `measured` what `pirun ... --json` printed.
pub fn write(
    path: &Path,
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
    let report = Report::new(program, prediction, explanation, &known, accuracy, measured)
        .map_err(|e| bad(path, e.to_string()))?;
    let plain = path.extension().is_some_and(|e| e == "txt");
    let page = if plain { text(&report) } else { html(&report) };
    write_public(path, page.as_bytes())
}
