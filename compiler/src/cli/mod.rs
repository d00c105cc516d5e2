//! `picc` as a person uses it: arguments, files, tables.

pub mod args;
mod calibration;
mod check;
mod compile;
mod explain;
mod files;
mod hiding;
mod inspect;
mod kernels;
mod labels;
mod report;
mod retrain;
mod runs;
pub(crate) mod table;

use args::{Cli, Command};
use clap::{CommandFactory, Parser, error::ErrorKind};
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why a command failed, in the words that the user sees.
#[derive(Debug)]
pub enum Failure {
    /// The model was refused; each entry is one problem with its way out.
    Refused { model: PathBuf, problems: Vec<String> },
    /// A file could not be read, written or understood.
    File { path: PathBuf, problem: String },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused { model, problems } => {
                let n = problems.len();
                let plural = if n == 1 { "" } else { "s" };
                write!(f, "{}: {n} problem{plural}", model.display())?;
                problems.iter().try_for_each(|p| write!(f, "\n  {}", p.replace('\n', "\n  ")))
            }
            Failure::File { path, problem } => write!(f, "{}: {problem}", path.display()),
        }
    }
}

/// Runs `picc` with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    sigpipe::reset();
    let cli = Cli::parse();
    let result = match (cli.command, &cli.compile.model) {
        (Some(Command::Check(check)), _) => check::run(&check),
        (Some(Command::Explain(explain)), _) => explain::run(&explain),
        (Some(Command::Inspect(inspect)), _) => inspect::run(&inspect),
        (None, Some(model)) => compile::run(model, &cli.compile),
        (None, None) => {
            Cli::command().error(ErrorKind::MissingRequiredArgument, "name a model, or a command").exit()
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("picc: {failure}");
            ExitCode::FAILURE
        }
    }
}
