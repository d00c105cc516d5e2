//! `picc`: see `picc --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    picc::cli::main()
}
