//! The list of the devices of each domain, as a walk under RCU finds it.
//!
//! Since v6.2 a device has one embedded node (`zdev->iommu_list`), which moves from the list of one
//! domain to that of another. A walk takes no lock and follows `next` until it is back at the head
//! where it began. A node that was moved meanwhile leads the walk to another head. A head is not a
//! device, but the walk treats it as one.
//!
//! Source: commits 1a3a7d64bbce and 2ba8336dab5f, v6.2; `include/linux/rculist.h`.

use std::collections::{BTreeMap, BTreeSet};

use selvedge_core::sync;

use super::hardware::{Hardware, rule_broken};

/// The target of a `next` pointer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// The list of a domain.
    Head(u8),
    /// The node of a device.
    Node(usize),
}

/// All nodes and heads. Each access is a load or a store of one pointer. A thread that stores holds
/// the `list_lock` of the domain.
#[derive(Debug)]
pub struct Lists {
    links: sync::Hardware<Links>,
}

#[derive(PartialEq, Eq, Hash, Debug, Default)]
struct Links {
    next: BTreeMap<Place, Place>,
    /// The devices that are on a list, for the rules.
    listed: BTreeSet<usize>,
}

impl Lists {
    /// Creates an empty list for each of this number of domains.
    pub fn new(domains: u8) -> Self {
        let next = (0..domains).map(|d| (Place::Head(d), Place::Head(d))).collect();
        Self { links: sync::Hardware::new("iommu_list", Links { next, ..Links::default() }) }
    }

    /// Models `list_del_rcu`. The `next` pointer of the node does not change.
    ///
    /// # Violations
    ///
    /// I-3 if the device is not on a list.
    #[track_caller]
    pub fn list_del_rcu(&self, hardware: &Hardware, zdev: usize) {
        let was_on = self.links.execute("list_del_rcu", |links| {
            let node = Place::Node(zdev);
            let after = links.next.get(&node).copied();
            let before = links.next.iter().find(|(at, to)| **to == node && **at != node);
            if let (Some((before, _)), Some(after)) = (before.map(|(at, to)| (*at, *to)), after) {
                links.next.insert(before, after);
            }
            links.listed.remove(&zdev)
        });
        if !was_on {
            rule_broken(hardware, "I-3", "list_del_rcu of a device that is not on a list");
        }
    }

    /// Models `list_add_rcu`, which sets `next` of the node before the head points to it.
    #[track_caller]
    pub fn list_add_rcu(&self, zdev: usize, domain: u8) {
        self.links.execute("list_add_rcu: node", |links| {
            let first = links.next[&Place::Head(domain)];
            links.next.insert(Place::Node(zdev), first);
            links.listed.insert(zdev);
        });
        self.links.execute("list_add_rcu: head", |links| {
            links.next.insert(Place::Head(domain), Place::Node(zdev));
        });
    }

    /// Returns the target of `next` at `at`.
    #[track_caller]
    pub fn next(&self, at: Place) -> Place {
        self.links.execute("list_next_rcu", |links| links.next[&at])
    }

    /// Returns the devices on the list of a domain, as a walk finds them.
    #[track_caller]
    pub fn devices_of(&self, domain: u8) -> Vec<usize> {
        self.links.execute("list_for_each_entry_rcu", |links| {
            let mut devices = Vec::new();
            let mut at = links.next[&Place::Head(domain)];
            while let Place::Node(zdev) = at {
                if devices.contains(&zdev) {
                    break;
                }
                devices.push(zdev);
                at = links.next[&at];
            }
            devices
        })
    }

    /// Models `list_empty`.
    #[track_caller]
    pub fn is_empty(&self, domain: u8) -> bool {
        self.next(Place::Head(domain)) == Place::Head(domain)
    }
}
