//! vfio_ap, the driver that gives AP queues to guests, version by version.
//!
//! A guest uses a queue directly; only the instruction that makes the queue interrupt,
//! PQAP(AQIC), is intercepted. KVM finds the driver by a *hook* in the guest and calls it with
//! `vcpu->mutex` held. Attaching a mediated device to a guest publishes the hook and writes the
//! guest's control block (APCB), for which `kvm->lock` must be held. And KVM's own rule is that
//! `kvm->lock` comes before `vcpu->mutex`. So the driver's mutex, which both need, is in the
//! middle of a possible circle, and three years of patches are about how to keep it open.
//!
//! | module | kernel | what it does about it |
//! |---|---|---|
//! | [`v5_3`](versions::v5_3) | v5.3 to v5.10 | most of it outside of the mutex |
//! | [`v5_11`](versions::v5_11) | v5.11 | everything under the mutex, `kvm->lock` too |
//! | [`v5_13`](versions::v5_13) | v5.13, v5.14 | a flag and a wait queue |
//! | [`v5_15`](versions::v5_15) | v5.15 to v5.19 | `kvm->lock` first |
//! | [`p15`](versions::p15) | posted for v5.13 | hot plug, and the circle again |
//! | [`p17`](versions::p17) | posted for v5.15 | a trylock, and one mutex for all hooks |
//! | [`v6_0`](versions::v6_0) | v6.0 to 2026 | `guests_lock` before it, and queues come and go |
//!
//! What else could have been done is in [`alternatives`].
//!
//! [`world`] has what the threads share and [`Version`](world::Version), the functions in which
//! the versions differ; [`hardware`] is the hardware, with the rules that it must not see broken it.

pub mod alternatives;
pub mod ap_config;
mod ap_driver;
pub mod ap_queue;
pub mod aqic;
pub mod assign;
pub mod attributes;
pub mod config;
pub mod filter;
pub mod find_queue;
pub mod group_lock;
pub mod guests;
pub mod hardware;
pub mod invariants;
pub mod kvm;
pub mod locks;
pub mod matrix_dev;
pub mod mdev_list;
pub mod mdev_probe;
pub mod pqap;
pub mod queue_device;
pub mod reset;
pub mod reset_work;
pub mod resource;
pub(crate) mod scenarios;
pub mod status;
pub mod stores;
pub mod type1;
pub mod versions;
pub mod vfio_device;
pub mod world;
