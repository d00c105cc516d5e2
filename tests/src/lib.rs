//! picc-tests
