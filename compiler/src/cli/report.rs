//! `--report FILE`: writes the report of a program, as a page or as text.

use super::Failure;
use super::files::write_public;
use crate::report::{Measured, Report, html, text};
use picc_ir::program::Program;
use picc_passes::Prediction;
use picc_passes::egraph::Explanation;
use std::path::Path;

/// Writes `path`: text if it ends in `.txt`, else HTML. `measured` is what `pirun ... --json` printed.
pub fn write(
    path: &Path,
    program: &Program,
    prediction: &Prediction,
    explanation: Option<&Explanation>,
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
    let report = Report::new(program, prediction, explanation, measured).map_err(|e| bad(path, e.to_string()))?;
    let plain = path.extension().is_some_and(|e| e == "txt");
    let page = if plain { text(&report) } else { html(&report) };
    write_public(path, page.as_bytes())
}
