//! vfio_ap, the driver that passes AP queues through to guests, version by version.
//!
//! A guest uses a queue directly. Only PQAP(AQIC), the instruction that enables the interrupts of
//! the queue, is intercepted. KVM finds the driver by a *hook* in the guest and calls it with
//! `vcpu->mutex` held. Attaching a mediated device to a guest publishes the hook and writes the
//! guest's control block (APCB), which requires `kvm->lock`. The rule of KVM is that `kvm->lock`
//! comes before `vcpu->mutex`. The driver's mutex, which both paths need, can therefore close a
//! cycle, and three years of patches are about how to avoid that.
//!
//! | module | kernel | how it avoids the cycle |
//! |---|---|---|
//! | [`v5_3`](versions::v5_3) | v5.3 to v5.10 | most of the work is outside the mutex |
//! | [`v5_11`](versions::v5_11) | v5.11 | not at all: `kvm->lock` is taken under the mutex |
//! | [`v5_13`](versions::v5_13) | v5.13, v5.14 | a flag and a wait queue |
//! | [`v5_15`](versions::v5_15) | v5.15 to v5.19 | `kvm->lock` first |
//! | [`p15`](versions::p15) | posted for v5.13 | hot plug, and the cycle again |
//! | [`p17`](versions::p17) | posted for v5.15 | a trylock, and one mutex for all hooks |
//! | [`v6_0`](versions::v6_0) | v6.0 to 2026 | `guests_lock` first, and hot plug of queues |
//!
//! [`alternatives`] has the designs that were considered and not merged.
//!
//! [`world`] has the state that the threads share and [`Version`](world::Version), the functions in
//! which the versions differ. [`hardware`] is the hardware, with the rules that the code must not
//! break.

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
pub mod hook;
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
mod rules;
pub(crate) mod scenarios;
pub mod status;
pub mod stores;
pub mod type1;
pub mod versions;
pub mod vfio_device;
pub mod world;

pub use rules::RULES;
