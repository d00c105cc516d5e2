//! What the compiler tells the user beside the program.

/// Findings and figures of one compilation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub warnings: Vec<String>,
    /// For each output, how many units of the last place it is off at most in all but about one run in 10^8: six
    /// standard deviations, errors of truncations taken as independent.
    pub likely_ulps: Vec<(String, f64)>,
}
