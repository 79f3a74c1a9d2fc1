//! What `guests_lock` protects.
//!
//! To change what a guest may use takes `guests_lock`, `kvm->lock` and `mdevs_lock`, in this
//! order. Which `kvm->lock`, only the mediated device can tell, and which mediated device, only
//! its matrix or the queue. So whoever comes with nothing but a queue must be able to read these
//! before it holds `mdevs_lock`: they are written with both mutexes held and may be read with
//! either. The model keeps them twice, once behind each mutex, so that the types say so.

use std::collections::BTreeMap;

use crate::ap::{ApConfig, Apqn};

/// What may be read, and some of it written, with `guests_lock` alone.
#[derive(PartialEq, Eq, Hash, Debug, Default)]
pub struct Guests {
    /// What is assigned to each mediated device, by number: usage, and control domains.
    pub assigned: Vec<ApConfig>,
    /// What the host has gained of it, from the change of its configuration until the scan is
    /// complete: `apm_add`, `aqm_add` and `adm_add`.
    pub added: Vec<ApConfig>,
    /// `q->matrix_mdev` of the queues.
    pub links: BTreeMap<Apqn, usize>,
    /// `matrix_dev->info`: the host's configuration, as the driver knows it.
    pub info: ApConfig,
}
