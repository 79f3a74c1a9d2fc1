//! Which operations of the models no execution has reached.
//!
//! A proof about code that never runs proves nothing. When the whole catalogue is verified, every
//! lock operation and every change of the machine's state in the sources of the models must have
//! happened in some execution of some scenario; the others are listed.

use std::collections::BTreeSet;
use std::io::{self, Write};

use selvedge_core::{Report, Site};

/// The operations in the sources: file, line, method.
const OPERATIONS: &[(&str, u32, &str)] = &include!(concat!(env!("OUT_DIR"), "/operations.rs"));

/// The lines that have been reached so far.
#[derive(Default)]
pub(crate) struct Reached(BTreeSet<Site>);

impl Reached {
    pub(crate) fn add(&mut self, report: &Report) {
        self.0.extend(&report.reached);
    }

    fn has(&self, file: &str, line: u32) -> bool {
        // As a dependency of something else the models have a longer path.
        self.0.iter().any(|site| site.line == line && site.file.ends_with(file))
    }

    /// Writes how many operations were reached, and each that was not.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let missed: Vec<_> =
            OPERATIONS.iter().filter(|(file, line, _)| !self.has(file, *line)).collect();
        let reached = OPERATIONS.len() - missed.len();
        writeln!(out, "{reached} of {} operations of the models were reached.", OPERATIONS.len())?;
        for (file, line, method) in missed {
            writeln!(out, "  not reached: {file}:{line} {method}")?;
        }
        Ok(())
    }
}
