//! picc
