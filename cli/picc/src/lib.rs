//! `picc` as a person uses it: arguments, files, tables.
#![forbid(unsafe_code)]

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
mod progress;
mod report;
mod retrain;

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
    /// Anything that has no file.
    Other(String),
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
            Failure::Other(problem) => f.write_str(problem),
        }
    }
}

/// Runs `picc` with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    sigpipe::reset();
    let cli = Cli::try_parse().unwrap_or_else(|error| unknown_command().map_or_else(|| error.exit(), |e| e.exit()));
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

/// What a word that is no model and no command may have meant: without it, it would be taken for a model.
fn unknown_command() -> Option<clap::Error> {
    let word = std::env::args().nth(1)?;
    let path = std::path::Path::new(&word);
    if word.starts_with('-') || path.extension().is_some() || path.components().count() > 1 || path.exists() {
        return None;
    }
    let commands: Vec<String> = Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
    if word == "help" || commands.contains(&word) {
        return None;
    }
    let near = commands.iter().map(|c| (distance(c, &word), c)).min().filter(|(d, _)| *d <= 2);
    let meant = near.map_or_else(String::new, |(_, c)| format!("; did you mean `{c}`?"));
    let text = format!(
        "there is no command `{word}`{meant} (commands: {}; to compile: picc MODEL.onnx -o MODEL.pi)",
        commands.join(", ")
    );
    Some(Cli::command().error(ErrorKind::InvalidSubcommand, text))
}

/// Letters to insert, drop or replace until `a` is `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn words_are_near_that_differ_by_few_letters() {
        for (a, b, d) in
            [("inspect", "inspekt", 1), ("check", "chek", 1), ("explain", "explian", 2), ("check", "m", 5)]
        {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
    }
}
