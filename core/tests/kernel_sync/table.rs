//! A table of counted objects in a static, and handles that the lock of their object protects.

use selvedge_core::kernel::prelude::*;
use selvedge_core::kernel::sync::{Arc, LockedBy, Mutex, global_lock, new_mutex};
use selvedge_core::{ViolationKind, thread};

use super::{proves, refutes};

global_lock! {
    // SAFETY: `load` initialises it before the threads are started.
    unsafe(uninit) static TABLE: Mutex<Vec<Arc<Node>>> = Vec::new();
}

struct Inner {
    /// The uses of all handles.
    uses: u32,
    removed: bool,
}

struct Node {
    id: u32,
    inner: Mutex<Inner>,
}

struct Handle {
    node: Arc<Node>,
    /// Its own uses.
    uses: LockedBy<u32, Inner>,
}

impl Node {
    fn register(id: u32) -> Result {
        let new = pin_init!(Node {
            id,
            inner <- new_mutex!(Inner { uses: 0, removed: false }, "Node::inner"),
        });
        let node = Arc::pin_init(new, GFP_KERNEL)?;
        TABLE.lock().push(node);
        Ok(())
    }

    fn find(id: u32) -> Result<Arc<Node>> {
        TABLE.lock().iter().find(|node| node.id == id).cloned().ok_or(ENOENT)
    }

    /// Takes the node out of the table, and lets no handle use it any more.
    fn unregister(id: u32) -> Result {
        let node = Node::find(id)?;
        TABLE.lock().retain(|other| !Arc::ptr_eq(other, &node));
        node.inner.lock().removed = true;
        Ok(())
    }
}

impl Handle {
    fn open(id: u32) -> Result<Handle> {
        let node = Node::find(id)?;
        let uses = LockedBy::new(&node.inner, 0);
        Ok(Handle { node, uses })
    }

    fn access(&self) -> Result {
        let mut inner = self.node.inner.lock();
        if inner.removed {
            return Err(ENODEV);
        }
        inner.uses += 1;
        *self.uses.access_mut(&mut inner) += 1;
        assert!(*self.uses.access(&inner) <= inner.uses);
        Ok(())
    }
}

/// One thread uses a node while another removes it.
fn removed(user: fn() -> Result, remove: fn() -> Result) -> impl Fn() + Send + Sync {
    move || {
        // SAFETY: it is called once in an execution.
        unsafe { TABLE.init() };
        Node::register(1).unwrap();
        let thread = thread::spawn("user", user);
        remove().unwrap();
        assert!(matches!(thread.join(), Ok(()) | Err(ENOENT | ENODEV)));
        assert!(TABLE.lock().is_empty());
    }
}

fn user() -> Result {
    Handle::open(1)?.access()
}

#[test]
fn a_node_is_used_until_it_is_removed() {
    proves(removed(user, || Node::unregister(1)));
}

/// A user locks the table under the node, and the removal locks the node under the table.
#[test]
fn the_table_and_a_node_in_both_orders_deadlock() {
    let last: fn() -> Result = || {
        let node = Node::find(1)?;
        let inner = node.inner.lock();
        let listed = TABLE.lock().iter().any(|other| Arc::ptr_eq(other, &node));
        assert!(listed || inner.uses == 0);
        Ok(())
    };
    proves(removed(last, || Node::unregister(1)));
    let mutant: fn() -> Result = || {
        let mut table = TABLE.lock();
        let node = table.pop().ok_or(ENOENT)?;
        node.inner.lock().removed = true;
        Ok(())
    };
    proves(removed(user, mutant));
    refutes([ViolationKind::deadlock(["Node::inner", "TABLE"])], removed(last, mutant));
}

/// The handle is of another node than the one whose lock is held.
#[test]
fn a_handle_is_not_used_with_the_lock_of_another_node() {
    let mutant: fn() -> Result = || {
        let handle = Handle::open(1)?;
        Node::register(2)?;
        let other = Node::find(2)?;
        *handle.uses.access_mut(&mut other.inner.lock()) += 1;
        Node::unregister(2)
    };
    let wrong = ViolationKind::invariant("LockedBy");
    refutes([wrong], removed(mutant, || Node::unregister(1)));
}
