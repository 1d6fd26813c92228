//! The program `owlbus`.
fn main() {}
