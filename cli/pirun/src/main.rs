//! `pirun`: private inference between a client and a server. See [`picc_pirun`].

fn main() -> std::process::ExitCode {
    picc_pirun::main()
}
