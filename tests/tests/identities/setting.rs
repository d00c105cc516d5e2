//! A provider's model, and keys of three parties, made once.

use picc_identity::{Fingerprint, Identity, Passphrase, read_identity};
use picc_tests::commands::{Server, picc, pirun, printed};
use picc_tests::example;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;
use tempfile::TempDir;

pub struct Setting(TempDir);

impl Setting {
    pub fn shared() -> &'static Setting {
        static SETTING: OnceLock<Setting> = OnceLock::new();
        SETTING.get_or_init(Setting::new)
    }

    fn new() -> Setting {
        let setting = Setting(tempfile::tempdir().expect("a folder"));
        for name in ["provider", "clinic", "other"] {
            let key = format!("{name}.key");
            let _ = printed(&pirun(setting.folder()).args(["keygen", "--out", &key]).output().expect("pirun"), 0);
        }
        let mut compile = picc(setting.folder());
        compile.arg(example::model()).args(["-o", "model.pi", "--quiet", "--mean", "0.5", "--std", "0.5"]);
        compile.args(["--sign", "provider.key", "--calibrate"]).arg(example::data("xray_calibration.npy"));
        let _ = printed(&compile.output().expect("picc"), 0);
        std::fs::copy(example::data("xray_pneumonia.png"), setting.path("photo.png")).expect("a copy");
        setting
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub fn identity(&self, name: &str) -> Identity {
        read_identity(&self.path(&format!("{name}.key")), &Passphrase::default()).expect("a key")
    }

    pub fn fingerprint(&self, name: &str) -> Fingerprint {
        self.identity(name).fingerprint()
    }

    /// The provider's server.
    pub fn serve(&self, options: &[&str]) -> Server {
        self.serve_as("provider", options)
    }

    pub fn serve_as(&self, name: &str, options: &[&str]) -> Server {
        let key = format!("{name}.key");
        let program = ["model.pi", "--weights", "model.piw", "--identity", &key];
        Server::start(self.folder(), &[&program[..], options].concat())
    }

    /// `client` asks the server that has the key of `server`.
    pub fn infer(&self, address: &str, client: &str, server: &str, options: &[&str]) -> Output {
        self.infer_program("model.pi", address, client, server, options)
    }

    pub fn infer_program(
        &self,
        program: &str,
        address: &str,
        client: &str,
        server: &str,
        options: &[&str],
    ) -> Output {
        let mut infer = pirun(self.folder());
        infer.args(["infer", program, "--input", "photo.png", "--threads", "1", "--server", address]);
        infer.args(["--identity", &format!("{client}.key")]);
        infer.args(["--server-key", &self.fingerprint(server).to_string()]).args(options);
        infer.output().expect("pirun")
    }
}
