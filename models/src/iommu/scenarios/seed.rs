//! `iommu/seed/<kernel>/<outcome>`: the outcomes of the race of the mail, one at a time.
//!
//! An execution ends with the first rule that is broken, which hides the later outcomes. Here VFIO
//! detaches a function that is being deconfigured, as in `detach-deconfigure`. One rule is checked
//! while all others may be broken. The reported warning is `warn`: "Removing from iommu group 4"
//! and a warning of the core that the blocking domain could not be attached.

use selvedge_core::Scenario;

use crate::iommu::domain::{A, Dom};
use crate::iommu::hardware::Rules;
use crate::iommu::hotplug::zpci_deconfigure_device;
use crate::iommu::kernel::Kernel;
use crate::iommu::scenarios::races::{
    Builder, POSTED_V3, POSTED_V4, Shared, V5_19, V5_19_LOCKED, V6_1, V6_2_ALONE, V6_2_LOCKED,
    Wrong, attached, claim, detach, unset_and_free,
};

/// An outcome, with a description and the kernels that have it.
struct Outcome {
    name: &'static str,
    rule: &'static str,
    about: &'static str,
    rules: Rules,
    /// Whether VFIO then frees its domain.
    frees: bool,
    kernels: &'static [&'static str],
    /// The places where the domain itself is accessed after that.
    touches: &'static [&'static str],
}

const KERNELS: [Kernel; 7] =
    [V5_19, V5_19_LOCKED, V6_1, POSTED_V3, POSTED_V4, V6_2_ALONE, V6_2_LOCKED];

const OUTCOMES: [Outcome; 10] = [
    Outcome {
        name: "warn",
        rule: "WARN",
        about: "the core cannot attach the blocking domain, which is the reported warning",
        rules: |id| id == "WARN",
        frees: false,
        kernels: &["v5.19"],
        touches: &[],
    },
    Outcome {
        name: "not-owner",
        rule: "I-4a",
        about: "the DMA API frees a domain's table",
        rules: |id| id == "I-4a",
        frees: false,
        kernels: &["v5.19", "v6.2-alone"],
        touches: &[],
    },
    Outcome {
        name: "walks-freed",
        rule: "I-4b",
        about: "the function walks a table that was freed",
        rules: |id| id == "I-4b",
        frees: false,
        kernels: &["v5.19"],
        touches: &[],
    },
    Outcome {
        name: "freed-twice",
        rule: "I-4c",
        about: "a table is freed twice, or the domain is accessed after it was freed",
        rules: |id| id == "I-4c",
        frees: true,
        kernels: &["v5.19"],
        touches: &["v5.19", "posted-v3", "posted-v4", "v6.2-alone"],
    },
    Outcome {
        name: "stale-node",
        rule: "I-5",
        about: "a domain has a device that was removed",
        rules: |id| id == "I-5",
        frees: false,
        kernels: &["v5.19", "v5.19-locked", "v6.1", "posted-v3", "posted-v4", "v6.2-alone"],
        touches: &[],
    },
    Outcome {
        name: "not-sticky",
        rule: "I-6",
        about: "a released device is attached",
        rules: |id| id == "I-6",
        frees: false,
        kernels: &["v5.19", "v6.2-alone"],
        touches: &[],
    },
    Outcome {
        name: "begins-attached",
        rule: "I-7a",
        about: "the DMA API is initialised while a domain is attached",
        rules: |id| id == "I-7a",
        frees: false,
        kernels: &["v5.19"],
        touches: &[],
    },
    Outcome {
        name: "ends-attached",
        rule: "I-7c",
        about: "the DMA API is shut down while a domain is attached",
        rules: |id| id == "I-7c",
        frees: false,
        kernels: &["v5.19", "v6.2-alone"],
        touches: &[],
    },
    Outcome {
        name: "bitmaps",
        rule: "I-7b",
        about: "bitmaps or tables of the DMA API leak",
        rules: |id| id == "I-7b",
        frees: false,
        kernels: &["v5.19"],
        touches: &[],
    },
    Outcome {
        name: "registered-twice",
        rule: "I-8",
        about: "a function is registered twice, or unregistered twice",
        rules: |id| id == "I-8",
        frees: false,
        kernels: &["v5.19", "v6.2-alone"],
        touches: &[],
    },
];

pub(super) fn scenarios() -> Vec<Scenario> {
    let of = |kernel: &Kernel| OUTCOMES.each_ref().map(|outcome| outcome.scenario(*kernel));
    KERNELS.iter().flat_map(of).chain(left_overs()).collect()
}

impl Outcome {
    fn scenario(&self, kernel: Kernel) -> Scenario {
        let wrongs =
            [(self.kernels, Wrong::Rule(self.rule)), (self.touches, Wrong::Freed("s390_domain"))];
        let wrongs = wrongs.into_iter().filter(|(kernels, _)| kernels.contains(&kernel.name));
        let wrong: Vec<Wrong> = wrongs.map(|(_, wrong)| wrong).collect();
        let name = format!("iommu/seed/{}/{}", kernel.name, self.name);
        let builder = match self.frees {
            true => {
                race(name, kernel, self.rules, unset_and_free).finally(|w| w.at_rest(&[A], &[0]))
            }
            false => race(name, kernel, self.rules, detach).finally(|w| w.at_rest(&[], &[0])),
        };
        claim(builder.about(self.about), &wrong)
    }
}

fn race(name: String, kernel: Kernel, rules: Rules, vfio: fn(&Shared)) -> Builder {
    Scenario::builder(name, move || attached(kernel, rules))
        .source(kernel.source)
        .thread("VFIO_GROUP_UNSET_CONTAINER", vfio)
        .thread("deconfigure", |w| zpci_deconfigure_device(w, 0))
}

/// Returns the scenarios of patch 2/2 of v4, which frees the remaining nodes with their domains.
fn left_overs() -> Vec<Scenario> {
    fn new(kernel: Kernel) -> Builder {
        race(format!("iommu/seed/{}/left-over", kernel.name), kernel, |id| id == "B3", detach)
            .about("both domains are freed at the end: does either still have the device?")
            .finally(|w: &Shared| {
                for domain in [A, Dom::blocking(0)] {
                    w.kernel.domain_free(w, domain);
                }
                w.at_rest(&[A, Dom::blocking(0)], &[0]);
            })
    }
    vec![claim(new(POSTED_V3), &[Wrong::Rule("B3")]), claim(new(POSTED_V4), &[])]
}
