//! The files that compiling writes: opened before it begins, and all there at its end, or none.

use super::args::Compile;
use super::explain::Record;
use super::{Failure, explain, report, retrain};
use picc_compiler::onnx::Imported;
use picc_files::{Kind, Output, Outputs, Readers, Refused};
use picc_identity::{Identity, IdentityError, Passphrase, read_identity};
use picc_ir::weights::{Salt, write_weights};
use picc_passes::Compiled;
use std::path::{Path, PathBuf};

impl From<Refused> for Failure {
    fn from(Refused { path, why }: Refused) -> Failure {
        Failure::File { path, problem: why }
    }
}

impl From<IdentityError> for Failure {
    fn from(e: IdentityError) -> Failure {
        match e {
            IdentityError::File { path, source } => Failure::File { path, problem: source.to_string() },
            other => Failure::Other(other.to_string()),
        }
    }
}

/// What `-o` and `--report` ask for.
pub struct Files {
    signer: Option<Identity>,
    program: Option<Program>,
    report: Option<Output>,
}

/// A program and what lies beside it.
struct Program {
    /// Public.
    program: Output,
    /// Secret: mode 0600 from the first byte on.
    weights: Output,
    /// For the model's owner: its error bounds depend on the weights.
    record: Output,
    /// The rewritten model, which holds weights too.
    model: Option<Output>,
}

impl Files {
    /// Refuses to write over what the command reads, or over files of another kind.
    pub fn open(model: &Path, args: &Compile) -> Result<Files, Failure> {
        let passphrase = Passphrase { file: args.passphrase_file.clone() };
        let signer = args.sign.as_ref().map(|path| read_identity(path, &passphrase)).transpose()?;
        let others = args.calibrate.iter().chain(&args.labels).chain(&args.sign).map(PathBuf::as_path);
        let mut outputs = Outputs::reading([model, Path::new(&args.profile)].into_iter().chain(others));
        let program = match &args.output {
            Some(path) => {
                let mut open = |path: &Path, kind, readers| outputs.open(path, kind, readers);
                let retrained = args.retrain.allow.as_ref().map(|_| path.with_extension("retrain.onnx"));
                Some(Program {
                    program: open(path, Kind::Program, Readers::Everybody)?,
                    weights: open(&path.with_extension("piw"), Kind::Weights, Readers::Owner)?,
                    record: open(&explain::beside(path), Kind::Record, Readers::Owner)?,
                    model: retrained.map(|path| open(&path, Kind::Model, Readers::Owner)).transpose()?,
                })
            }
            None => None,
        };
        let report = args.report.as_ref().map(|path| report::open(path, &mut outputs)).transpose()?;
        if program.is_some() || report.is_some() {
            picc_files::remove_parts_on_interrupt();
        }
        Ok(Files { signer, program, report })
    }

    /// Everything is written before anything gets its name. The secret half is first: weights without a program do no
    /// harm, a program without its weights is of no use.
    pub fn write(
        self,
        compiled: &Compiled,
        record: Option<&Record>,
        rewritten: Option<&Imported>,
    ) -> Result<(), Failure> {
        let mut done = Vec::new();
        if let Some(Program { mut program, mut weights, record: mut beside, model }) = self.program {
            let digest = compiled.program.digest();
            weights.stage(&write_weights(&compiled.weights, digest, &Salt(picc_identity::random()?)))?;
            let bytes = match &self.signer {
                Some(signer) => compiled.program.to_signed_bytes(&signer.sign_program(&digest)?),
                None => compiled.program.to_bytes(),
            };
            program.stage(&bytes)?;
            if let Some(record) = record {
                beside.stage(&record.to_json()?)?;
            }
            done.extend([weights, program, beside]);
            if let (Some(mut model), Some(imported)) = (model, rewritten) {
                let bytes = retrain::model(imported, model.path())?;
                model.stage(&bytes)?;
                done.push(model);
            }
        }
        if let (Some(mut output), Some(prediction)) = (self.report, &compiled.report.prediction) {
            report::stage(&mut output, &compiled.program, prediction, record, None)?;
            done.push(output);
        }
        for output in &mut done {
            output.commit()?;
        }
        Ok(())
    }
}
