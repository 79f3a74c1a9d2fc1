//! What the versions from v6.0 on differ in: commits, in the order in which they came.
//!
//! From v6.0 to 2026 the locks are taken by the same few functions, and the versions are one
//! model: where a commit changed what happens, the model asks whether the version
//! [has](crate::vfio_ap::world::World::has) it. Each commit is named after what it brought.

/// A commit that changed what the model does. A version has all up to its last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Commit {
    /// None of them: up to v5.19.
    None,
    /// v6.0: the series "dynamic configuration support", commits 034921cdea1c to eeb386aeb5b7.
    DynamicConfiguration,
    /// v6.0, 1918f2b20c3d "bypass unnecessary processing of AP resources": what is assigned
    /// already is not assigned again.
    AssignedOnce,
    /// v6.2, 2b48f52f2bff "vfio: fix deadlock between group lock and kvm lock": VFIO keeps a
    /// reference to the guest from the first open to the last close.
    VfioKeepsGuest,
    /// v6.2, 08866d34c709 "fix an error handling path in vfio_ap_mdev_probe_queue()".
    ProbeUndone,
    /// v6.3, f12bcdc615d6 in stable: "fix memory leak in vfio_ap device driver".
    MatrixDevFreed,
    /// v6.4, 62414d901c3a, 0daf9878a799, 3ba41768105c, 5a42b348adf9, 51d4d9877087 and 7cb7636a1ac1: a
    /// reset is polled ten times, and what the queue answers is looked at.
    ResetPolled,
    /// v6.6, f88fb1335733 "make sure nib is shared": a protected guest's notification byte must be
    /// on a page that the host may write to.
    NibShared,
    /// v6.6, 9261f0438835: a work item waits for the end of a reset, and for as long as it takes.
    ResetVerifiedByWork,
    /// v6.7, f4518de40a21 in stable: a page is unpinned if the subclass cannot be registered.
    GiscFailureUndone,
    /// v6.8, 850fb7fa8c68 "always filter entire AP matrix".
    FilterEntireMatrix,
    /// v6.8, 16fb78cbf56e "loop over the shadow APCB when filtering guest's AP configuration".
    FilterShadow,
    /// v6.8, f848cba767e5 "reset queues filtered from the guest's AP config".
    ResetFiltered,
    /// v6.8, f009cfa46655 "reset queues associated with adapter for queue unbound from driver".
    ResetAdapterOfUnbound,
    /// v6.8, b9bd10c43456 "do not reset queue removed from host config".
    NoResetOfAbsent,
    /// v6.15, 07d89045bffe and cbf367d5b0aa: the `request` callback takes the guest's queues.
    Request,
    /// 2026, bc833a7b1e7f "stale pqap_hook on error": the hook changes under all locks, and the
    /// guest's reference is dropped under none.
    HookUnderLocks,
    /// 2026, b1f092d94f62: whether a device loses anything is asked for each by itself.
    RemoveForEach,
    /// 2026, d50346801b4f: a device need not have a guest.
    GuestOptional,
    /// 2026, 6b8a02e216f6: control domains that are removed *and* assigned are taken away.
    RemoveControlDomains,
    /// 2026, 917f509bfb88: the last adapter or domain is taken away too.
    RemoveLast,
    /// 2026, bf09b9d7cd78: the mask of filtered adapters is initialised.
    FilteredInitialised,
    /// 2026, 7fa61c29850d: a device is put on the list with `guests_lock` held.
    ListedUnderGuestsLock,
    /// 2026, dd6f4ef6f8a3: the attribute `status` can do without a queue.
    StatusOptional,
    /// Posted in August 2022, not merged: "fix unlinking of queues from the mdev".
    UnlinkAll,
    /// Posted by nobody: what the resources of a queue need that left with its adapter (B31).
    AbsentFreed,
    /// Posted by nobody: what reading `ap_config` needs (B25).
    ApConfigUnderLock,
    /// Posted by nobody: what a queue needs that cannot be made to interrupt (B22).
    EnableUndone,
    /// Posted by nobody: what the container's two mutexes need (B24).
    DevicesLockedAlone,
}
