//! INV-19 over all that is claimed of v6.0 and later together. Lockdep looks at each scenario by
//! itself, and a scenario has few of the paths: two of them may take two locks in opposite orders,
//! each without a cycle of its own.

#[path = "common/each.rs"]
mod each;

use std::collections::{BTreeMap, BTreeSet};

use selvedge_checks::catalogue;
use selvedge_core::observe::lockdep::{Dependency, Mode};
use selvedge_core::{Engine, Expectation, Scenario};

/// Nothing goes wrong in it, but what it does is half of B20.
const HALF_OF_B20: &str = "vfio-ap/bugs/b20-last-put/v6.1";

/// A scenario of the driver as it was released, v6.0 to 2026, in which nothing goes wrong.
fn is_released_and_proved(scenario: &Scenario) -> bool {
    let mut parts = scenario.name().split('/');
    parts.next() == Some("vfio-ap")
        && parts.any(|part| part.starts_with("v6.") || part.starts_with("2026"))
        && *scenario.expected(Engine::Native) == Expectation::Proved
        && scenario.name() != HALF_OF_B20
}

/// Who has shown each dependency first.
fn order() -> BTreeMap<Dependency, String> {
    let mut order = BTreeMap::new();
    let mut scenarios = catalogue();
    scenarios.retain(is_released_and_proved);
    let shown = each::each(&scenarios, |scenario| scenario.verify(Engine::Native).dependencies);
    for (scenario, dependencies) in scenarios.iter().zip(shown) {
        for dependency in dependencies {
            order.entry(dependency).or_insert_with(|| scenario.name().to_owned());
        }
    }
    order
}

const PERMS: &str = "ap_perms_mutex";
const GUESTS: &str = "guests_lock";
const KVM: &str = "kvm->lock";
const VCPU: &str = "vcpu->mutex";
const HOOK: &str = "pqap_hook_rwsem";
const MDEVS: &str = "mdevs_lock";
const IOMMU: &str = "iommu->lock";

/// Each after which the next may be taken.
const TAKEN: &[(&str, &str)] = &[
    ("device_lock", PERMS),
    ("device_lock", GUESTS),
    (PERMS, GUESTS),
    (GUESTS, KVM),
    (KVM, VCPU),
    (KVM, MDEVS),
    (VCPU, HOOK),
    (HOOK, MDEVS),
    (MDEVS, IOMMU),
];

/// The classes that must not be wanted while the first is held. Of the hook's semaphore it is the
/// read side: in 2026 a change of the hook holds the write side with all the others.
const FORBIDDEN: &[(&str, &str)] = &[
    (MDEVS, KVM),
    (MDEVS, GUESTS),
    (KVM, GUESTS),
    (MDEVS, PERMS),
    (GUESTS, PERMS),
    (VCPU, KVM),
    (VCPU, GUESTS),
    (HOOK, KVM),
    (HOOK, GUESTS),
];

/// The classes that lead back to themselves, with those that they do it through.
fn cycles(order: &BTreeMap<Dependency, String>) -> BTreeSet<BTreeSet<&'static str>> {
    let mut leads: BTreeSet<(&str, &str)> =
        order.keys().map(|dependency| (dependency.held.0, dependency.wanted.0)).collect();
    let classes: BTreeSet<&str> = leads.iter().flat_map(|(from, to)| [*from, *to]).collect();
    for by in &classes {
        let (to, from): (Vec<_>, Vec<_>) = (
            leads.iter().filter(|(_, to)| to == by).map(|(from, _)| *from).collect(),
            leads.iter().filter(|(from, _)| from == by).map(|(_, to)| *to).collect(),
        );
        leads.extend(to.iter().flat_map(|to| from.iter().map(move |from| (*to, *from))));
    }
    let back = |class: &&&str| leads.contains(&(**class, **class));
    let through = |class: &&str| {
        let both = |other: &&&str| {
            leads.contains(&(*class, **other)) && leads.contains(&(**other, *class))
        };
        classes.iter().filter(both).copied().collect()
    };
    classes.iter().filter(back).map(through).collect()
}

#[test]
fn all_scenarios_together_have_one_order_of_locks() {
    let order = order();
    let shown = |held: &str, wanted: &str| {
        order.iter().find(move |(dependency, _)| {
            let read = held != HOOK || dependency.held.1 == Mode::Shared;
            dependency.held.0 == held && dependency.wanted.0 == wanted && read
        })
    };
    for (held, wanted) in TAKEN {
        assert!(shown(held, wanted).is_some(), "no thread wants {wanted} while {held} is held");
    }
    for (held, wanted) in FORBIDDEN {
        assert_eq!(shown(held, wanted), None, "{wanted} is wanted while {held} is held");
    }
    // B24, which is in every version since v6.0: unmapping takes the two mutexes of the container
    // in one order, opening a device in the other, and since v6.2 the driver's mutex is in between.
    let container = BTreeSet::from(["device_list_lock", IOMMU, MDEVS]);
    // driver_override_store takes `ap_attr_mutex` and then the lock of the device, in a store of a
    // file of that device; removing the device waits for such a store with its lock held. Which
    // scenarios deadlock on it, `vfio-ap/driver-override` says; no proved one does by itself.
    let chosen = BTreeSet::from(["ap_attr_mutex", "device_lock", "kernfs"]);
    assert_eq!(cycles(&order), BTreeSet::from([container, chosen]));
}
