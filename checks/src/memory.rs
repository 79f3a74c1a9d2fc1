//! How much memory a search may take on this machine.

use sysinfo::System;

/// Half of what is free, in bytes, so that the machine stays usable. Within a container's limit, where
/// there is one.
pub fn half_of_free_memory() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    let in_container = system.cgroup_limits().map_or(u64::MAX, |limits| limits.free_memory);
    in_container.min(system.available_memory()) / 2
}
