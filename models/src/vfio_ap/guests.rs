//! The data that `guests_lock` protects.
//!
//! Changing the resources of a guest takes `guests_lock`, `kvm->lock` and `mdevs_lock`, in this
//! order. The mediated device determines which `kvm->lock`, and its matrix or the queue determines
//! which mediated device. A caller that knows only a queue must therefore read these before it
//! holds `mdevs_lock`. They are written with both mutexes held and may be read with either. The
//! model keeps a copy behind each mutex, so that the types express this.

use std::collections::BTreeMap;

use crate::ap::{ApConfig, Apqn};

/// The data that may be read, and partly written, with `guests_lock` alone.
#[derive(PartialEq, Eq, Hash, Debug, Default)]
pub struct Guests {
    /// The usage and control domains assigned to each mediated device, by number.
    pub assigned: Vec<ApConfig>,
    /// The resources of each device that the host has gained, from the change of its configuration
    /// until the scan is complete: `apm_add`, `aqm_add` and `adm_add`.
    pub added: Vec<ApConfig>,
    /// `q->matrix_mdev` of the queues.
    pub links: BTreeMap<Apqn, usize>,
    /// `matrix_dev->info`: the host's configuration, as the driver knows it.
    pub info: ApConfig,
}
