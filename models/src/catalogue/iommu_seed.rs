//! `iommu/seed/<kernel>/<outcome>`: what comes of the race of the mail, one outcome at a time.
//!
//! An execution ends with the first rule that is broken, which hides what would have come of it.
//! Here VFIO takes its domain from a function that is deconfigured, as in `detach-deconfigure`, and
//! one rule is judged while all others may be broken. The warning that was reported, "Removing from
//! iommu group 4" and one of the core that the blocking domain could not be attached, is `warn`.

use selvedge_core::Scenario;

use super::iommu::{
    Builder, POSTED_V3, POSTED_V4, Shared, V5_19, V5_19_LOCKED, V6_1, V6_2_ALONE, V6_2_LOCKED,
    Wrong, attached, claim, detach,
};
use crate::iommu::hotplug::zpci_deconfigure_device;
use crate::iommu::kernel::Kernel;
use crate::iommu::machine::Judged;
use crate::iommu::world::{A, Dom};

/// An outcome, what it is, and in which kernels it comes about.
struct Outcome {
    name: &'static str,
    rule: &'static str,
    about: &'static str,
    judged: Judged,
    kernels: &'static [&'static str],
}

const KERNELS: [Kernel; 7] =
    [V5_19, V5_19_LOCKED, V6_1, POSTED_V3, POSTED_V4, V6_2_ALONE, V6_2_LOCKED];

const OUTCOMES: [Outcome; 11] = [
    Outcome {
        name: "warn",
        rule: "WARN",
        about: "the core cannot attach the blocking domain: the warning that was reported",
        judged: |id| id == "WARN",
        kernels: &[],
    },
    Outcome {
        name: "differ",
        rule: "I-1",
        about: "hardware and software believe in different tables",
        judged: |id| id == "I-1",
        kernels: &[],
    },
    Outcome {
        name: "group-differs",
        rule: "I-2",
        about: "the group has another domain than its device",
        judged: |id| id == "I-2",
        kernels: &[],
    },
    Outcome {
        name: "not-owner",
        rule: "I-4a",
        about: "the DMA API frees a domain's table",
        judged: |id| id == "I-4a",
        kernels: &[],
    },
    Outcome {
        name: "walks-freed",
        rule: "I-4b",
        about: "the function walks a table that was freed",
        judged: |id| id == "I-4b",
        kernels: &[],
    },
    Outcome {
        name: "freed-twice",
        rule: "I-4c",
        about: "a table is freed twice",
        judged: |id| id == "I-4c",
        kernels: &[],
    },
    Outcome {
        name: "stale-node",
        rule: "I-5",
        about: "a domain has a device that is gone",
        judged: |id| id == "I-5",
        kernels: &[],
    },
    Outcome {
        name: "not-sticky",
        rule: "I-6",
        about: "a device is attached that was released",
        judged: |id| id == "I-6",
        kernels: &[],
    },
    Outcome {
        name: "both-modes",
        rule: "I-7a",
        about: "the DMA API begins or ends while a domain is attached",
        judged: |id| id == "I-7a",
        kernels: &[],
    },
    Outcome {
        name: "bitmaps",
        rule: "I-7b",
        about: "bitmaps or tables of the DMA API are lost",
        judged: |id| id == "I-7b",
        kernels: &[],
    },
    Outcome {
        name: "registered-twice",
        rule: "I-8",
        about: "a function is registered twice, or unregistered twice",
        judged: |id| id == "I-8",
        kernels: &[],
    },
];

pub(super) fn scenarios() -> Vec<Scenario> {
    let of = |kernel: &Kernel| OUTCOMES.each_ref().map(|outcome| outcome.scenario(*kernel));
    KERNELS.iter().flat_map(of).chain(left_overs()).collect()
}

impl Outcome {
    fn scenario(&self, kernel: Kernel) -> Scenario {
        let rule = [Wrong::Rule(self.rule)];
        let wrong = if self.kernels.contains(&kernel.name) { &rule[..] } else { &[] };
        let builder =
            race(format!("iommu/seed/{}/{}", kernel.name, self.name), kernel, self.judged);
        claim(builder.about(self.about).finally(|w| w.at_rest(&[], &[0])), wrong)
    }
}

fn race(name: String, kernel: Kernel, judged: Judged) -> Builder {
    Scenario::builder(name, move || attached(kernel, judged))
        .source(kernel.source)
        .thread("VFIO_GROUP_UNSET_CONTAINER", detach)
        .thread("deconfigure", |w| zpci_deconfigure_device(w, 0))
}

/// What patch 2/2 of v4 is for: nodes that are left go with their domains.
fn left_overs() -> Vec<Scenario> {
    fn new(kernel: Kernel) -> Builder {
        race(format!("iommu/seed/{}/left-over", kernel.name), kernel, |id| id == "B3")
            .about("both domains are freed in the end: does either have the device still?")
            .finally(|w: &Shared| {
                for domain in [A, Dom::blocking(0)] {
                    w.kernel.domain_free(w, domain);
                }
                w.at_rest(&[A, Dom::blocking(0)], &[0]);
            })
    }
    vec![claim(new(POSTED_V3), &[Wrong::Rule("B3")]), claim(new(POSTED_V4), &[])]
}
