//! The two halves of a compiled model: what everybody may have, and what only the server has.

use crate::client::Answer;
use crate::error::Result;
use picc_identity::{Fingerprint, Identity};
use picc_ir::cost::Traffic;
use picc_ir::eval::run_ring;
use picc_ir::program::InputSpec;
use picc_ir::weights::{Commitment, RingWeights, Salt, open_weights, write_weights};
use picc_runtime::exec::{Executable, quantize};
#[cfg(feature = "images")]
use picc_runtime::inputs::Pixels;
use picc_runtime::inputs::Sample;
use std::sync::Arc;

/// A program that two parties run: public, verified, and cheap to clone. It says nothing of the weights but what
/// SECURITY.md lists.
#[derive(Clone)]
pub struct Program {
    pub(crate) exe: Arc<Executable>,
}

impl Program {
    pub(crate) fn new(program: picc_ir::Program) -> Result<Program> {
        Ok(Program { exe: Arc::new(Executable::new(program)?) })
    }

    /// Reads and verifies `model.pi`, which may come from anybody: a program that would show the server anything, or
    /// the client more than the declared outputs, is refused.
    ///
    /// # Errors
    /// If the bytes are damaged, of another version, or a program that must not be run.
    pub fn from_bytes(bytes: &[u8]) -> Result<Program> {
        Ok(Program { exe: Arc::new(Executable::load(bytes)?) })
    }

    /// The file `model.pi`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.exe.program().to_bytes()
    }

    /// The file `model.pi` with a signature of its provider: clients that know the provider's key run no other.
    ///
    /// # Errors
    /// If the key is none that signs programs.
    pub fn to_signed_bytes(&self, provider: &Identity) -> Result<Vec<u8>> {
        let program = self.exe.program();
        Ok(program.to_signed_bytes(&provider.sign_program(&program.digest())?))
    }

    /// That this key signed the bytes that the program was read from.
    ///
    /// # Errors
    /// If nobody did, or somebody else.
    pub fn signed_by(&self, provider: Fingerprint) -> Result<()> {
        Ok(self.exe.signed_by(provider)?)
    }

    /// BLAKE3 of the program without its signature: both parties compare it before a session.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.exe.program().digest()
    }

    /// Name of the model, for people.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.exe.program().model
    }

    /// What the client supplies: names, shapes, and how pixels become values.
    #[must_use]
    pub fn inputs(&self) -> &[InputSpec] {
        &self.exe.program().inputs
    }

    /// Smallest and largest value that an input may hold. `None` if there is no such input.
    #[must_use]
    pub fn range(&self, input: &str) -> Option<(f64, f64)> {
        let spec = self.inputs().iter().find(|spec| spec.name == input)?;
        spec.range(self.exe.graph())
    }

    /// Names of the classes, if the model's owner gave them.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.exe.program().labels
    }

    /// Bytes each way and rounds of a session with so many inferences, its setup included: exactly what is sent.
    #[must_use]
    pub fn traffic(&self, inferences: u64) -> Traffic {
        self.exe.cost().session(inferences)
    }

    /// For each output, how far a private answer may be from [`Program::reference`], in units of the last place that
    /// the output has over the ring; 0 for a program compiled with `exact`. The bound is proven and, for deep networks,
    /// loose.
    #[must_use]
    pub fn error_ulps(&self) -> &[u64] {
        &self.exe.program().error_ulps
    }

    /// What the program means, without cryptography and by whoever has both halves: for tests, and to measure accuracy.
    ///
    /// # Errors
    /// If the sample does not fit the program, as in [`crate::Client::infer`].
    pub fn reference(&self, weights: &Weights, sample: &Sample) -> Result<Answer> {
        let inputs = quantize(&self.exe, sample)?;
        let outputs = run_ring(self.exe.graph(), &inputs, &weights.ring, &mut |_, _| {})
            .map_err(picc_runtime::error::BadProgram::Eval)
            .map_err(picc_runtime::Error::from)?;
        Ok(Answer::of(&self.exe, outputs))
    }

    /// What runs it, for everything that this type does not do.
    #[must_use]
    pub fn executable(&self) -> &Executable {
        &self.exe
    }

    /// A PNG or JPEG as the input of a program with one input that says how pixels become values. An image of another
    /// size is an error.
    ///
    /// # Errors
    /// If the bytes are no image, or not of the input's size, or the program has several inputs or says nothing of
    /// pixels.
    #[cfg(feature = "images")]
    pub fn image(&self, file: &[u8]) -> Result<Sample> {
        let bad = |why: &str| crate::Error::Samples(why.to_owned());
        let [spec] = self.inputs() else { return Err(bad("the program has several inputs, and an image is one")) };
        let preprocess = spec.preprocess.as_ref().ok_or_else(|| {
            bad("the program does not say how pixels become its input: compile with `Options::preprocess`")
        })?;
        let pixels = Pixels::decode(file, spec, preprocess, false)?;
        Ok(Sample::from([(spec.name.clone(), pixels.to_input(spec, preprocess)?)]))
    }
}

/// A program's weights: the server's secret. They cannot be printed or compared.
pub struct Weights {
    pub(crate) ring: RingWeights,
    pub(crate) salt: Salt,
    program: [u8; 32],
}

impl Weights {
    pub(crate) fn new(ring: RingWeights, program: &Program, salt: Salt) -> Weights {
        Weights { ring, salt, program: program.digest() }
    }

    /// The name of this version of the weights, which clients hear in the handshake: a salted hash, which is public and
    /// says nothing of the weights.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment::to(&self.ring, self.program, &self.salt)
    }

    /// Reads `model.piw`.
    ///
    /// # Errors
    /// If the bytes are damaged, or the weights of another program.
    pub fn from_bytes(bytes: &[u8], program: &Program) -> Result<Weights> {
        let (ring, salt) = open_weights(bytes, program.exe.program())?;
        Ok(Weights::new(ring, program, salt))
    }

    /// The file `model.piw`. Nobody but the server may read it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write_weights(&self.ring, self.program, &self.salt)
    }
}
