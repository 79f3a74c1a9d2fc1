//! The lines of the kernel that the model functions stand for.
//!
//! A file for each driver has an entry for each function of the kernel, with the words of its locks
//! and of the state that it reads and writes, in order. A test compares them with what the model
//! functions do, so that a model cannot change alone, and `selvedge sources` compares them with a
//! kernel tree, so that a kernel cannot change unnoticed.
//!
//! An entry begins with a line of three fields, `function | versions | read`: the name, the
//! versions of the kernel that have this sequence, and those in whose text it was read. The name
//! may be `function as model`, if the model has another, and follows `inline` if the model has the
//! lines of the function in its callers. The indented lines are the sequence. `[ a ]` may be left
//! out, `{ a }` is done any number of times, and `( a | b )` is either. A field of a structure is
//! read where it is named and written where `=` follows. A list is named where its walk begins, and
//! where it ends or the list changes. A line that begins with `=` names the file of the entries
//! after it, and other lines before the first are about the whole.

mod entry;
mod words;

pub use entry::{Source, Versions};
pub use words::word;

/// The tables, one for each driver.
const TABLES: [&str; 4] = [
    include_str!("ap.txt"),
    include_str!("vfio_ap.txt"),
    include_str!("iommu.txt"),
    include_str!("dma.txt"),
];

/// Scenarios of which no kernel has the sequences, as path globs, each with the reason.
pub const ELSEWHERE: &[(&str, &str)] =
    &[("vfio-ap/matrix/{alt-*,kvm-first*}/**", "alternatives from the mailing lists")];

/// Names in the models that are no functions of the kernel, each with the reason.
pub const NO_FUNCTION: &[(&str, &str)] =
    &[("release_update_locks", "a check of the model at the end of an update")];

/// Returns all entries.
///
/// # Panics
///
/// If a table is malformed.
pub fn sources() -> Vec<Source> {
    TABLES.iter().flat_map(|table| entry::parse(table)).collect()
}
