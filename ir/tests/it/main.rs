//! The test ladder of picc-ir: types, evaluation, text, verifier, artefacts.

mod eval;
mod linear;
mod support;
