//! The read of the counters of a function's domain through `debugfs`.
//!
//! Source: `zpci_get_iommu_ctrs`, v6.7; commits ecda483339a5, v6.13, and b3506e9bcc77, 2025.

use selvedge_core::function;

use super::domain::Dom;
use super::hardware::rule_broken;
use super::world::World;

/// Models `pci_perf_show` with `zpci_get_iommu_ctrs`. Locks: none; since v6.13 `dom_lock`.
///
/// # Violations
///
/// `CONTAINER-OF` if the identity domain, which has no counters, is treated as a domain with
/// counters, unless `spares_identity`. Use after release of a domain that is freed meanwhile.
pub fn pci_perf_show(w: &World, zdev: usize, spares_identity: bool) {
    let _function = function("zpci_get_iommu_ctrs");
    let device = w.held(zdev);
    let _locked = w.kernel.has_dom_lock().then(|| device.dom_lock.lock());
    match device.s390_domain.read() {
        Some(Dom::Paging(domain)) => _ = w.domain(domain),
        Some(Dom::Identity) if !spares_identity => {
            rule_broken(
                &w.hardware,
                "CONTAINER-OF",
                "the identity domain is not a struct s390_domain",
            );
        }
        Some(Dom::Identity | Dom::Blocking) | None => {}
    }
}
