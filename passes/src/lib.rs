//! picc-passes
