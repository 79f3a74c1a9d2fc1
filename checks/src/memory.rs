//! The memory that a search may take on this computer.

use sysinfo::System;

/// Returns half of the free memory in bytes, so that the computer stays usable. In a container,
/// that is free memory within its limit.
pub fn half_of_free_memory() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    let in_container = system.cgroup_limits().map_or(u64::MAX, |limits| limits.free_memory);
    in_container.min(system.available_memory()) / 2
}
