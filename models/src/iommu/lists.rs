//! The lists of the devices of each domain, as whoever walks them under RCU finds them.
//!
//! Since v6.2 a device has one node, which is in it (`zdev->iommu_list`), and moves from the list of
//! one domain to that of another. A walker does not lock; it follows `next` until it is back at the
//! head where it began. A node that has been moved meanwhile leads it to another head, which is no
//! device: it is taken for one all the same.
//!
//! Source: commits 1a3a7d64bbce and 2ba8336dab5f, v6.2; `include/linux/rculist.h`.

use std::collections::{BTreeMap, BTreeSet};

use selvedge_core::sync;

use super::hardware::{Hardware, rule_broken};

/// Where `next` can lead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// The list of a domain.
    Head(u8),
    /// The node of a device.
    Node(usize),
}

/// All nodes and heads. Each access is a load or a store of one pointer; whoever stores holds the
/// domain's `list_lock`.
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
    /// An empty list for each of this many domains.
    pub fn new(domains: u8) -> Self {
        let next = (0..domains).map(|d| (Place::Head(d), Place::Head(d))).collect();
        Self { links: sync::Hardware::new("iommu_list", Links { next, ..Links::default() }) }
    }

    /// `list_del_rcu`: the node still leads to where it led.
    ///
    /// # Violations
    ///
    /// I-3 if the device is on no list.
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
            rule_broken(hardware, "I-3", "list_del_rcu of a device that is on no list");
        }
    }

    /// `list_add_rcu`: the node is made to lead on before the head leads to it.
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

    /// Where `at` leads.
    #[track_caller]
    pub fn next(&self, at: Place) -> Place {
        self.links.execute("list_next_rcu", |links| links.next[&at])
    }

    /// The devices on the list of a domain, as whoever walks it finds them.
    #[track_caller]
    pub fn devices_of(&self, domain: u8) -> Vec<usize> {
        self.links.execute("list_for_each_entry_rcu", |links| {
            let mut devices = Vec::new();
            let mut at = links.next[&Place::Head(domain)];
            while let Place::Node(zdev) = at
                && !devices.contains(&zdev)
            {
                devices.push(zdev);
                at = links.next[&at];
            }
            devices
        })
    }

    /// `list_empty`.
    #[track_caller]
    pub fn is_empty(&self, domain: u8) -> bool {
        self.next(Place::Head(domain)) == Place::Head(domain)
    }
}
