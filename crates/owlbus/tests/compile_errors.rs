//! A mistake in `#[event(…)]` or `#[topics(…)]` is told by the compiler, at the place where it was written, in words that
//! say what to do; and all mistakes of a type are told at once.
//!
//! Each file in `ui` holds mistakes, the `.stderr` beside it what the compiler answers. After a change of the wording
//! run `TRYBUILD=overwrite cargo test --test compile_errors` and read the difference.

#[test]
fn mistakes_in_derived_types_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
