//! The `selvedge` command over the catalogue of this repository.

use std::process::ExitCode;

use selvedge_checks::{Selvedge, catalogue};
use selvedge_models::clients;
use selvedge_models::programs::programs;

fn main() -> ExitCode {
    Selvedge::new(catalogue()).compares(programs()).enumerates(clients()).main()
}
