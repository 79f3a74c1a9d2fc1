//! Simulates the costs of each scheme for reusing I/O addresses, next to the figures of the mail.

use std::process::ExitCode;

fn main() -> ExitCode {
    selvedge_benches::simulate::main(Vec::new())
}
