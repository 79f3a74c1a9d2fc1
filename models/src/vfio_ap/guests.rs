//! What `guests_lock` protects.
//!
//! To change what a guest may use takes `guests_lock`, `kvm->lock` and `mdevs_lock`, in this
//! order. Which `kvm->lock`, only the mediated device can tell, and which mediated device, only
//! its matrix or the queue. So whoever comes with nothing but a queue must be able to read these
//! before it holds `mdevs_lock`: they are written with both mutexes held and may be read with
//! either. The model keeps them twice, once behind each mutex, so that the types say so.

use std::collections::BTreeMap;

use crate::ap::{ApMask, ApMatrix, Apqn};

/// The host's AP configuration, `struct ap_config_info`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct HostConfig {
    /// Adapters and usage domains.
    pub matrix: ApMatrix,
    /// Control domains.
    pub adm: ApMask,
}

/// What may be read, and some of it written, with `guests_lock` alone.
#[derive(PartialEq, Eq, Hash, Debug, Default)]
pub struct Guests {
    /// What is assigned to each mediated device, by number: usage, and control domains.
    pub assigned: Vec<HostConfig>,
    /// What the host has gained of it, from the change of its configuration until the scan is
    /// complete: `apm_add`, `aqm_add` and `adm_add`.
    pub added: Vec<HostConfig>,
    /// `q->matrix_mdev` of the queues.
    pub links: BTreeMap<Apqn, usize>,
    /// `matrix_dev->info`: the host's configuration, as the driver knows it.
    pub info: HostConfig,
}

impl HostConfig {
    /// Every adapter and domain.
    pub fn everything() -> Self {
        let matrix = ApMatrix { apm: ApMask::all(), aqm: ApMask::all() };
        Self { matrix, adm: ApMask::all() }
    }

    /// What both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { matrix: self.matrix.and(&other.matrix), adm: self.adm.and(&other.adm) }
    }

    /// What `other` lacks.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self { matrix: self.matrix.without(&other.matrix), adm: self.adm.without(&other.adm) }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
