//! The command line `pirun`.

mod args;
mod bench;
mod calibrate;
mod claims;
mod memory;
mod outputs;
mod private;
mod reference;
mod results;
mod serve;
mod show;

use crate::error::{Error, Result};
use crate::exec::{Executable, ServerModel, clip, quantize};
use crate::inputs::{Sample, doubts, read, read_samples};
use args::{Cli, Command, Input};
use clap::Parser;
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
        Command::Bench(_) | Command::Serve(_) => false,
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
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("pirun: {e}");
            ExitCode::from(exit_code(&e))
        }
    }
}

/// 1 the run failed, 2 usage, 3 connection or peer, 4 handshake, 5 the server refuses for now.
fn exit_code(error: &Error) -> u8 {
    match error {
        Error::AtNode { source, .. } => exit_code(source),
        Error::Input(_) => 2,
        Error::Peer(_) | Error::Io(_) => 3,
        Error::Handshake(_) => 4,
        Error::Refused(_) => 5,
        Error::Program(_) | Error::Bug(_) => 1,
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
        quantize(exe, sample).map_err(|e| match e {
            Error::Input(text) => Error::Input(format!("{}: sample {i}: {text}", input.input.display())),
            e => e,
        })?;
    }
    Ok(samples)
}

fn load_program(path: &Path) -> Result<Executable> {
    Executable::load(&read(path)?).map_err(|e| match e {
        Error::Program(text) => Error::Program(format!("{}: {text}", path.display())),
        e => e,
    })
}

/// `prepared_mib`: memory for transformed weights.
fn load_weights(exe: &Executable, path: &Path, prepared_mib: u64) -> Result<ServerModel> {
    warn_if_readable(path);
    ServerModel::load(exe, &read(path)?, prepared_mib << 20).map_err(|e| match e {
        Error::Program(text) => Error::Program(format!("{}: {text}", path.display())),
        e => e,
    })
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
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        .build()
        .map_err(|e| Error::Bug(format!("no threads: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::Party;

    #[test]
    fn exit_codes_look_behind_the_node() {
        let at = |e: Error| exit_code(&e.at_node("conv", Party::Client));
        assert_eq!(at(Error::Peer(String::new())), 3);
        assert_eq!(at(Error::Bug(String::new())), 1);
        assert_eq!(exit_code(&Error::Handshake(String::new())), 4);
        let refused = Error::Refused("busy".into()).at_node("conv", Party::Client);
        assert_eq!((exit_code(&refused), refused.to_string()), (5, "the server refuses: busy".into()));
        assert_eq!(exit_code(&Error::Input(String::new())), 2);
    }
}
