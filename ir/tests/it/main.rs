//! The test ladder of picc-ir: types, evaluation, text, verifier, artefacts.

mod artefacts;
mod eval;
mod kernel;
mod linear;
mod random;
mod segments;
mod support;
mod text;
mod types;
mod verifier;
