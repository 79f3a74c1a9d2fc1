//! The commits that distinguish the versions from v6.0 on, in order.
//!
//! From v6.0 to 2026 the same few functions take the locks, and one model covers all versions.
//! Where a commit changed the behaviour, the model checks whether the version
//! [has](crate::vfio_ap::world::World::has) it. Each commit is named after its change.

/// A commit that changed the behaviour of the model. A version has all commits up to its last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Commit {
    /// No commit, up to v5.19.
    None,
    /// v6.0: the series "dynamic configuration support", commits 034921cdea1c to eeb386aeb5b7.
    DynamicConfiguration,
    /// v6.0, 1918f2b20c3d "bypass unnecessary processing of AP resources": a resource that is
    /// already assigned is not assigned again.
    AssignedOnce,
    /// v6.2, 2b48f52f2bff "vfio: fix deadlock between group lock and kvm lock": VFIO keeps a
    /// reference to the guest from the first open to the last close.
    VfioKeepsGuest,
    /// v6.2, 08866d34c709 "fix an error handling path in vfio_ap_mdev_probe_queue()".
    ProbeUndone,
    /// v6.3, f12bcdc615d6 in stable: "fix memory leak in vfio_ap device driver".
    MatrixDevFreed,
    /// v6.4, 62414d901c3a, 0daf9878a799, 3ba41768105c, 5a42b348adf9, 51d4d9877087 and 7cb7636a1ac1:
    /// a reset is polled ten times, and the response of the queue is checked.
    ResetPolled,
    /// v6.6, f88fb1335733 "make sure nib is shared": a protected guest's notification byte must be
    /// on a page that the host may write to.
    NibShared,
    /// v6.6, 9261f0438835: a work item waits for the end of a reset without a limit.
    ResetVerifiedByWork,
    /// v6.7, f4518de40a21 in stable: a page is unpinned if the subclass cannot be registered.
    GiscFailureUndone,
    /// v6.8, e1f17f8ea93d "handle hardware checkstop state on queue reset operation": a queue that
    /// has failed counts as reset.
    CheckstopHandled,
    /// v6.8, 850fb7fa8c68 "always filter entire AP matrix".
    FilterEntireMatrix,
    /// v6.8, 16fb78cbf56e "loop over the shadow APCB when filtering guest's AP configuration".
    FilterShadow,
    /// v6.8, 774d10196e64 "let 'on_scan_complete' callback filter matrix and update guest's APCB":
    /// while a scan adds resources, the probe of a queue leaves the guest as it is.
    ProbeWaitsForScan,
    /// v6.8, f848cba767e5 "reset queues filtered from the guest's AP config".
    ResetFiltered,
    /// v6.8, f009cfa46655 "reset queues associated with adapter for queue unbound from driver".
    ResetAdapterOfUnbound,
    /// v6.8, b9bd10c43456 "do not reset queue removed from host config".
    NoResetOfAbsent,
    /// v6.15, 07d89045bffe and cbf367d5b0aa: the `request` callback removes the guest's queues.
    Request,
    /// v6.19, 8babcc2b6a75, d38a87d7c064, 46030379f13c and 6917f434fda3: the AP bus has
    /// [`driver_override`](crate::ap::DriverOverride).
    DriverOverride,
    /// 2026, 81d6f7c3a70b: a spinlock protects `driver_override`.
    DriverOverrideLocked,
    /// 2026, bc833a7b1e7f "stale pqap_hook on error": the hook changes under all locks, and the
    /// guest's reference is dropped without a lock.
    HookUnderLocks,
    /// 2026, b1f092d94f62: each device is checked separately for losses.
    RemoveForEach,
    /// 2026, d50346801b4f: a device without a guest is handled.
    GuestOptional,
    /// 2026, 6b8a02e216f6: control domains that are removed *and* assigned are removed from the
    /// guest.
    RemoveControlDomains,
    /// 2026, 917f509bfb88: the last adapter or domain is also removed.
    RemoveLast,
    /// 2026, bf09b9d7cd78: the mask of filtered adapters is initialised.
    FilteredInitialised,
    /// 2026, 7fa61c29850d: a device is added to the list with `guests_lock` held.
    ListedUnderGuestsLock,
    /// 2026, 5883528250be "Fix required lock not held during update of ap_matrix_mdev object": the
    /// gained resources of a device are recorded with `mdevs_lock` held. Only the subject of the
    /// commit is known to us.
    AddedUnderMdevsLock,
    /// 2026, dd6f4ef6f8a3: the attribute `status` handles a missing queue.
    StatusOptional,
    /// Posted in August 2022, not merged: "fix unlinking of queues from the mdev".
    UnlinkAll,
    /// Not posted: the fix for the resources of a queue that left with its adapter (B31).
    AbsentFreed,
    /// Not posted: the fix for readers of `ap_config` (B25).
    ApConfigUnderLock,
    /// Not posted: the fix for a queue whose interrupts cannot be enabled (B22).
    EnableUndone,
    /// Not posted: the fix for the container's two mutexes (B24).
    DevicesLockedAlone,
}
