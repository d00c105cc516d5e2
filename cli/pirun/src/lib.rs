//! The command line `pirun`.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod calibrate;
mod claims;
mod help;
mod identity;
mod memory;
mod outputs;
mod private;
mod reference;
mod results;
mod serve;
mod show;

use args::{Cli, Command, Input};
use clap::Parser;
use picc_runtime::error::{Local, Result};
use picc_runtime::exec::{Executable, ServerModel, clip, quantize};
use picc_runtime::inputs::{Sample, doubts, read, read_samples};
use std::path::Path;
use std::process::ExitCode;

/// Parses the command line, runs it, and turns errors into exit codes.
#[must_use]
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    if let Err(e) = memory::keep_private() {
        eprintln!("pirun: warning: a crash may leave secrets in a core dump: {e}");
    }
    let writes = match &command {
        Command::Local(args) => args.output.output.is_some(),
        Command::Infer(args) => args.output.output.is_some(),
        Command::Reference(args) => args.output.is_some(),
        Command::Calibrate(args) => args.output.is_some(),
        Command::Bench(_) | Command::Serve(_) | Command::Keygen(_) => false,
    };
    if writes {
        picc_files::remove_parts_on_interrupt();
    } else if !matches!(command, Command::Serve(_)) {
        // A server outlives whoever read what it prints, and so does a command that writes answers.
        sigpipe::reset();
    }
    let result = match command {
        Command::Local(args) => private::local(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Infer(args) => private::infer(&args),
        Command::Serve(args) => serve::serve(args),
        Command::Reference(args) => reference::reference(&args),
        Command::Calibrate(args) => calibrate::calibrate(&args),
        Command::Keygen(args) => identity::keygen(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("pirun: {e}");
            ExitCode::from(e.fault().exit_code())
        }
    }
}

/// The samples that the user gives, in the program's ranges.
fn fitting(exe: &Executable, input: &Input) -> Result<Vec<Sample>> {
    let mut samples = read_samples(&input.input, &exe.program().inputs, &input.image_options())?;
    if let Some(doubt) = doubts(&input.input, &exe.program().inputs, &samples) {
        eprintln!("pirun: warning: {doubt}");
    }
    if input.clip {
        let clipped: u64 = samples.iter_mut().map(|sample| clip(exe, sample)).sum();
        if clipped > 0 {
            eprintln!(
                "pirun: warning: {}: {clipped} values moved to the ends of the program's range",
                input.input.display()
            );
        }
    }
    for (i, sample) in samples.iter().enumerate() {
        quantize(exe, sample).map_err(|e| e.in_sample(i).in_file(&input.input))?;
    }
    Ok(samples)
}

fn load_program(path: &Path) -> Result<Executable> {
    Executable::load(&read(path)?).map_err(|e| e.in_file(path))
}

/// `prepared_mib`: memory for transformed weights.
fn load_weights(exe: &Executable, path: &Path, prepared_mib: u64) -> Result<ServerModel> {
    warn_if_readable(path);
    ServerModel::load(exe, &read(path)?, prepared_mib << 20).map_err(|e| e.in_file(path))
}

/// The weights are the server's secret.
#[cfg(unix)]
fn warn_if_readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if let Ok(mode) = std::fs::metadata(path).map(|m| m.permissions().mode())
        && mode & 0o077 != 0
    {
        eprintln!(
            "pirun: warning: {} may be read by others (mode {:o}); chmod 600 it",
            path.display(),
            mode & 0o777
        );
    }
}

#[cfg(not(unix))]
fn warn_if_readable(_path: &Path) {}

/// A pool of a party's own: a party that waits for the other never holds the other's threads.
fn pool(threads: Option<usize>) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build().map_err(Local::threads)
}
