//! The crate that `selvedge new` writes: it compiles, and its scenarios are as expected.

use std::process::ExitCode;

#[expect(unreachable_pub, reason = "it is the library of a crate of its own")]
#[path = "../src/new/lib.rs"]
mod driver;

fn main() -> ExitCode {
    selvedge_checks::test_main(driver::scenarios())
}
