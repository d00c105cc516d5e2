//! Targets: the host with every feature its processor has, or a named architecture for checks and inspection.

use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable, Flags};
use target_lexicon::{Architecture, Triple};

/// Why there is no code generator for a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no code can be made for {target}: {reason}")]
pub struct IsaError {
    pub target: String,
    pub reason: String,
}

/// An instruction set to make code for.
#[derive(Clone)]
pub struct Isa {
    target: OwnedTargetIsa,
}

impl Isa {
    /// The processor that this runs on.
    pub fn host() -> Result<Isa, IsaError> {
        let fail = |reason: String| IsaError { target: Triple::host().to_string(), reason };
        let builder = cranelift_native::builder().map_err(|e| fail(e.to_owned()))?;
        #[cfg(target_arch = "x86_64")]
        if !(std::arch::is_x86_feature_detected!("ssse3") && std::arch::is_x86_feature_detected!("sse4.1")) {
            return Err(fail("a processor without SSSE3 and SSE4.1".to_owned()));
        }
        let target = builder.finish(flags().map_err(fail)?).map_err(|e| fail(e.to_string()))?;
        Ok(Isa { target })
    }

    /// A processor of another kind, `aarch64-unknown-linux-gnu` or `x86_64-unknown-linux-gnu`, with the least features
    /// that code is made for: on x86-64 those of the second level (SSE4.2), since without SSSE3 shuffles would need
    /// calls.
    pub fn named(triple: &str) -> Result<Isa, IsaError> {
        let fail = |reason: String| IsaError { target: triple.to_owned(), reason };
        let parsed: Triple = triple.parse().map_err(|e: target_lexicon::ParseError| fail(e.to_string()))?;
        let architecture = parsed.architecture;
        let mut builder = cranelift_codegen::isa::lookup(parsed).map_err(|e| fail(e.to_string()))?;
        if architecture == Architecture::X86_64 {
            for feature in ["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt", "has_cmpxchg16b"] {
                builder.enable(feature).map_err(|e| fail(e.to_string()))?;
            }
        }
        let target = builder.finish(flags().map_err(fail)?).map_err(|e| fail(e.to_string()))?;
        Ok(Isa { target })
    }

    /// Everything about the target that changes the code: name, settings, features.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut text = format!("{} {}", self.target.triple(), self.target.flags());
        for value in self.target.isa_flags() {
            text.push_str(&value.to_string());
            text.push('\n');
        }
        text
    }

    pub(crate) fn target(&self) -> &dyn TargetIsa {
        &*self.target
    }
}

fn flags() -> Result<Flags, String> {
    let mut flags = settings::builder();
    let settings = [
        ("opt_level", "speed"),
        // Large frames touch their pages in order, in line: no call to a helper, hence no relocation.
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
        ("unwind_info", "false"),
        // Code of strangers' programs is made of this IR: its checks cost a tenth of the compile time.
        ("enable_verifier", "true"),
    ];
    for (name, value) in settings {
        flags.set(name, value).map_err(|e| e.to_string())?;
    }
    Ok(Flags::new(flags))
}
