//! `pirun`: private inference between a client and a server. See [`picc_runtime::cli`].

fn main() -> std::process::ExitCode {
    picc_pirun::main()
}
