//! picc-examples
