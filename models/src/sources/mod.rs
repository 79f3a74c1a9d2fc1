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

/// The tables, one for each driver, and one for series that are in no release.
const TABLES: [&str; 5] = [
    include_str!("ap.txt"),
    include_str!("vfio_ap.txt"),
    include_str!("iommu.txt"),
    include_str!("dma.txt"),
    include_str!("posted.txt"),
];

/// The series that were posted and are in no release, each with the release that has what it does
/// not change.
pub const POSTED: &[(&str, &str)] = &[("p15", "v5.14"), ("p17", "v5.15")];

/// Scenarios, as path globs, of which no kernel has the sequences, each with the reason.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("kernel/**", "a report of another subsystem, which cites its source"),
    ("vfio-ap/matrix/{alt-*,kvm-first*,early-null,hook-*}/**", "an alternative from the lists"),
    ("vfio-ap/matrix/{polling,trylock,two-rwsems*}/**", "an alternative from the lists"),
    ("vfio-ap/{virtual-qci,in-use-by-guest}/**", "an alternative from the lists"),
    ("vfio-ap/ap-perms/p1*/**", "a posted series, and functions that do less"),
    ("vfio-ap/matrix/p17-hook-kept-*/**", "a variant of a posted series"),
    ("vfio-ap/bugs/*/p17-failure-path", "a variant of a posted series"),
    ("vfio-ap/matrix/v5.15-bisect-*/**", "a commit in the middle of a series"),
    ("vfio-ap/bugs/*/{draft,held,v5.13-rc}", "a draft, or a release candidate"),
    ("vfio-ap/bugs/**/*2026-proposed", "a proposed fix"),
    ("vfio-ap/bugs/{b17-status-attribute,b36-leaving-queue}/v6.0", "a fix with older locks"),
    ("vfio-ap/{hook-store,mutants}/**", "a part of a function, or a broken one"),
    ("vfio-ap/ap-perms/v6.0-unlocked/**", "broken on purpose"),
    ("vfio-ap/parse-mask/unlocked", "broken on purpose"),
    ("vfio-ap/in-use/{klist-alone,module-ref-*,no-module-ref}", "broken on purpose"),
    ("iommu/{proposed,uninitialised*,dma-in-probe,posted-*}/**", "a patch that was not merged"),
    ("iommu/seed/posted-*/**", "a patch that was not merged"),
    ("iommu/bugs/*/{proposed,posted-*,draft}", "a patch that was not merged"),
    ("iommu/{v,seed/v}*-locked/**", "a fix in the core alone"),
    ("iommu/bugs/*/v*-locked", "a fix in the core alone"),
    ("iommu/flush/{*-at-once,*-first,*-last,*-late,*-early,*-lazily,*-twice}/**", VARIANT),
    ("iommu/flush/{*-unlocked,*-locked,*-without-cancel,without-sync}/**", VARIANT),
    ("iommu/flush/{counts-*,one-counter,ignores-failure,trusts-bitmap}/**", VARIANT),
    ("iommu/flush/{until-room,when-dry,swap*}/**", "a proposed flush policy"),
];

const VARIANT: &str = "broken on purpose, or a variant";

/// Model functions that do less than that of the kernel in these scenarios, each with the reason.
pub const SMALLER: &[(&str, &str, &str)] = &[
    ("handle_pqap", "vfio-ap/ap-perms/**", "only its mutex"),
    ("handle_pqap", "vfio-ap/reset/stuck/*", "with the locks of v5.15"),
    ("vfio_ap_irq_enable", "vfio-ap/reset/stuck/*", "that of v5.15"),
    ("vfio_ap_exit", "vfio-ap/in-use/*", "only what unloading needs"),
    ("vfio_ap_mdev_resource_in_use", "vfio-ap/in-use/*", "only its mutex"),
    ("vfio_ap_mdev_set_kvm", "vfio-ap/bugs/b20-*/*", "only the locks of the update"),
    ("vfio_ap_mdev_unset_kvm", "vfio-ap/bugs/b20-*/*", "only the locks of the update"),
    ("zpci_dma_exit_device", "iommu/flush/bitmap/exit", "only what frees the bitmap"),
];

/// Names in the models that are no functions of the kernel, each with the reason.
pub const NO_FUNCTION: &[(&str, &str)] =
    &[("release_update_locks", "a check of the model at the end of an update")];

/// Files of the models, as path globs, whose operations are no lines of a kernel, each with the
/// reason.
pub const NO_LINES: &[(&str, &str)] = &[
    ("**/scenarios/**", "what a scenario does itself, and its checks"),
    ("**/scenarios.rs", "what a scenario does itself, and its checks"),
    ("**/vfio_ap/alternatives/**", "alternatives from the lists"),
    ("**/dma/ordering.rs", "parts of functions, with the orderings of weak memory"),
    ("**/{world,invariants,hardware,iotlb}.rs", "the world, its hardware and its final checks"),
];

/// Files of the models, as path globs, in which some operations are in no function that has an
/// entry, each with the reason.
pub const WITHOUT_ENTRY: &[(&str, &str)] = &[
    ("ap/{bus,driver_override}.rs", "the initial masks, a final check, and what is freed at last"),
    ("ap_perms/*.rs", "functions that do less than those of the kernel, and a final check"),
    ("dma/*.rs", "final checks, the worker that is queued, the bitmap of zpci_dma_exit_device"),
    ("iommu/*.rs", "users of a group, which VFIO has in several functions, and ghosts"),
    ("iommu/versions/*.rs", "the callback of RCU, and the domain that a probe begins with"),
    ("vfio_ap/group_lock.rs", "functions that do less than those of the kernel"),
    ("vfio_ap/{locks,status}.rs", "a check of the model, and the attribute when it is read"),
    ("vfio_ap/versions/*.rs", "VFIO_DEVICE_RESET, and VFIO around opening and closing"),
];

/// Returns all entries.
///
/// # Panics
///
/// If a table is malformed.
pub fn sources() -> Vec<Source> {
    TABLES.iter().flat_map(|table| entry::parse(table)).collect()
}
