//! What the compiler tells the user beside the program.

/// Findings and figures of one compilation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub warnings: Vec<String>,
}
