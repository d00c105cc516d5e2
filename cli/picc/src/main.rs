//! `picc`: see `picc --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    picc_cli::main()
}
