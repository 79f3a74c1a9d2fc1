//! What a line of the kernel looks like that an operation of a model stands for.

use selvedge_core::Action;

/// The objects of the models, with their names in the kernel.
const OBJECTS: &[(&str, &str)] = &[
    ("guests_lock", "matrix_dev->guests_lock"),
    ("mdevs_lock", "matrix_dev->mdevs_lock"),
    ("pqap_hook_lock", "matrix_dev->pqap_hook_lock"),
    ("mdev_list", "matrix_dev->mdev_list"),
    ("pqap_hook_rwsem", "kvm->arch.crypto.pqap_hook_rwsem"),
    ("pqap_hook", "kvm->arch.crypto.pqap_hook"),
    ("matrix.apm", "matrix_mdev->matrix.apm"),
    ("matrix.aqm", "matrix_mdev->matrix.aqm"),
    ("matrix.adm", "matrix_mdev->matrix.adm"),
    ("kvm_busy", "matrix_mdev->wait_for_kvm"),
    ("driver_override", "ap_dev->driver_override"),
    ("driver_override.lock", "dev->driver_override.lock"),
    ("device_list_lock", "iommu->device_list_lock"),
    ("kvm_ref_lock", "group->kvm_ref_lock"),
    ("vfio_device->refcount", "device->refcount"),
    ("vfio_device->comp", "device->comp"),
    ("request", "ap_msg->completion"),
    ("reset_work", "q->reset_work"),
    ("s390_domain of zdev", "zdev->s390_domain"),
    ("dma_table", "zdev->dma_table"),
    ("iommu_bitmap", "zdev->iommu_bitmap"),
    ("iommu_bitmap_lock", "zdev->iommu_bitmap_lock"),
    ("dom_lock", "zdev->dom_lock"),
    ("state_lock", "zdev->state_lock"),
    ("list_lock", "s390_domain->list_lock"),
    ("dma_table_lock", "s390_domain->dma_table_lock"),
    ("vfio group users", "group->users"),
    ("vfio group unused", "group->unused"),
    ("zpci_dev", "zdev"),
    ("iova_rbtree_lock", "iovad->iova_rbtree_lock"),
    ("fq_domain", "cookie->fq_domain"),
    ("fq_timer", "cookie->fq_timer"),
    ("fq_timer_on", "cookie->fq_timer_on"),
    ("fq_flush_start_cnt", "cookie->fq_flush_start_cnt"),
    ("fq_flush_finish_cnt", "cookie->fq_flush_finish_cnt"),
    ("fq", "cookie->percpu_fq"),
    ("iova_rcache", "rcaches"),
];

/// Operations that another word than their own stands for, or none: they are the memory of an
/// object, a part of an operation, hardware that does something by itself, and checks.
const OPERATIONS: &[(&str, &str)] = &[
    ("mutex_lock(device_lock)", "device_lock(dev)"),
    ("mutex_unlock(device_lock)", "device_unlock(dev)"),
    // An attribute is removed when no thread reads it.
    ("down_write(kernfs)", "sysfs_group()"),
    ("up_write(kernfs)", ""),
    ("down_read(kernfs)", "kernfs_get_active()"),
    ("up_read(kernfs)", "kernfs_put_active()"),
    ("down_read(klist_devices)", "driver_find_device()"),
    ("up_read(klist_devices)", ""),
    ("down_write(klist_devices)", "klist_remove(klist_devices)"),
    ("up_write(klist_devices)", ""),
    ("down_read(klist_drivers)", "klist_next(klist_drivers)"),
    ("up_read(klist_drivers)", "klist_put(klist_drivers)"),
    ("down_write(klist_drivers)", "klist_remove(klist_drivers)"),
    ("up_write(klist_drivers)", ""),
    ("mutex_lock(kvm_ref_lock)", "spin_lock(&group->kvm_ref_lock)"),
    ("mutex_unlock(kvm_ref_lock)", "spin_unlock(&group->kvm_ref_lock)"),
    ("kref_get(kvm->users_count)", "kvm_get_kvm(kvm)"),
    ("kref_put(kvm->users_count)", "kvm_put_kvm(kvm)"),
    ("release(kvm)", ""),
    ("release(matrix_mdev->wait_for_kvm)", ""),
    ("try_module_get(vfio_ap)", "try_module_get()"),
    ("module_put(vfio_ap)", "module_put()"),
    ("call(vfio_ap)", ""),
    ("delete_module(vfio_ap)", "try_stop_module(vfio_ap)"),
    ("complete_all(vfio_register_group_dev)", "vfio_register_group_dev()"),
    ("prepare_to_wait(kvm_busy)", "wait_event_cmd(matrix_mdev->wait_for_kvm)"),
    ("schedule(kvm_busy)", ""),
    ("finish_wait(kvm_busy)", ""),
    // A thread that polls a queue sleeps in between.
    ("prepare_to_wait(reset of an AP queue)", "msleep()"),
    ("schedule(reset of an AP queue)", ""),
    ("finish_wait(reset of an AP queue)", ""),
    ("wake_up_all(reset of an AP queue)", ""),
    ("join(reset_work)", "flush_work(&q->reset_work)"),
    ("atomic_fetch_add(mdev_list)", "matrix_dev->mdev_list"),
    ("atomic_fetch_add(fq_flush_start_cnt)", "atomic64_inc(&cookie->fq_flush_start_cnt)"),
    ("atomic_fetch_add(fq_flush_finish_cnt)", "atomic64_inc(&cookie->fq_flush_finish_cnt)"),
    ("cancel_work_sync(rcache->work)", "cancel_delayed_work_sync(&rcache->work)"),
    ("rcu_read_lock(rcu)", "rcu_read_lock()"),
    ("rcu_read_unlock(rcu)", "rcu_read_unlock()"),
    // kfree_rcu is one too.
    ("call_rcu(rcu)", "call_rcu()"),
    ("PQAP(ZAPQ)()", "ap_zapq()"),
    ("PQAP(TAPQ)()", "ap_tapq()"),
    ("PQAP(AQIC)()", "ap_aqic()"),
    ("write APCB()", "kvm->arch.crypto.crycb="),
    ("read APCB()", ""),
    ("pin()", "dma->pfn_list="),
    ("unpin()", "dma->pfn_list="),
    ("test for a pin()", "dma->pfn_list"),
    ("the host uses the queue()", "ap_send()"),
    ("the queue changes()", "ap_config_changes()"),
    ("release_update_locks()", ""),
    ("MPCIFC: register()", "zpci_register_ioat()"),
    ("MPCIFC: unregister()", "zpci_unregister_ioat()"),
    ("RPCIT()", "zpci_refresh_trans()"),
    ("RPCIT begins()", "zpci_refresh_trans()"),
    ("RPCIT ends()", ""),
    ("RPCIT of the new mapping()", "zpci_refresh_trans()"),
    ("list_add_rcu: node()", "list_add_rcu:node"),
    ("list_add_rcu: head()", "list_add_rcu:head"),
    ("the function is disabled()", "zpci_disable_device()"),
    ("read the registration()", ""),
    ("the release begins()", ""),
    ("the release ends()", ""),
    ("test for the release()", ""),
    ("the device is detached()", ""),
    ("map()", "map_pages()"),
    ("unmap()", "unmap_pages()"),
    ("unhook the table()", "free_pgtable()"),
    ("free the table()", "put_pages_list()"),
];

/// Returns the word for what a model function does, if a line of the kernel does it.
pub fn word(action: Action) -> Option<String> {
    let shown = action.to_string();
    if let Some((_, word)) = OPERATIONS.iter().find(|(operation, _)| *operation == shown) {
        return (!word.is_empty()).then(|| (*word).to_owned());
    }
    let Action::Operation(operation, class) = action else { return Some(shown) };
    let object = OBJECTS.iter().find(|(name, _)| *name == class).map_or(class, |(_, name)| name);
    match operation {
        // A pointer that is followed, a ghost, a free choice, the rest of an operation.
        "use" | "ghost" | "choose" | "rest of the unlock" => None,
        _ if operation.ends_with("(queued)") || operation.ends_with("(waiting)") => None,
        "atomic_read" => Some(object.to_owned()),
        "atomic_set" | "atomic_xchg" => Some(format!("{object}=")),
        "release" => Some(format!("kfree({object})")),
        "this_cpu" => Some(format!("this_cpu_ptr({object})")),
        "complete_all" => Some(format!("complete(&{object})")),
        "free_module" => Some(format!("{operation}({object})")),
        _ => Some(format!("{operation}(&{object})")),
    }
}
