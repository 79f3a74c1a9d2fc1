//! What a run of a body holds, and the calls.

use selvedge_core::sync::{
    MutexGuard, RcuHead, RcuReader, ReadGuard, ReadLockGuard, SpinGuard, SrcuReader, WriteGuard,
    WriteLockGuard, local_irq_restore, local_irq_save,
};
use selvedge_core::{in_world, invariant_broken, might_sleep};

use super::calls::{Does, Special, Way};
use super::object::Object;
use super::program::{Call, Target};
use super::run::{self, Frame};
use super::world::World;

/// A lock that is held.
pub(super) struct Hold<'w> {
    pub(super) object: usize,
    pub(super) guard: Guard<'w>,
}

/// How it is released.
pub(super) enum Guard<'w> {
    Mutex(MutexGuard<'w, ()>),
    Spin(SpinGuard<'w, ()>),
    Read(ReadLockGuard<'w, ()>),
    Write(WriteLockGuard<'w, ()>),
    DownRead(ReadGuard<'w, ()>),
    DownWrite(WriteGuard<'w, ()>),
    Rcu(RcuReader<'w>),
    Srcu(SrcuReader<'w>),
    /// By a call on the object.
    Object,
}

impl Guard<'_> {
    fn release(self) {
        match self {
            Self::Mutex(guard) => guard.unlock(),
            Self::Spin(guard) => guard.unlock(),
            Self::Read(guard) => guard.read_unlock(),
            Self::Write(guard) => guard.write_unlock(),
            Self::DownRead(guard) => guard.up_read(),
            Self::DownWrite(guard) => guard.up_write(),
            Self::Rcu(reader) => reader.unlock(),
            Self::Srcu(reader) => reader.unlock(),
            Self::Object => {}
        }
    }

    /// Whether a function that releases locks of this way releases it.
    fn fits(&self, way: Way) -> bool {
        match self {
            Self::Read(_) => {
                matches!(way, Way::Read | Way::ReadBh | Way::ReadIrq | Way::ReadIrqsave)
            }
            Self::Write(_) => {
                matches!(way, Way::Write | Way::WriteBh | Way::WriteIrq | Way::WriteIrqsave)
            }
            Self::DownRead(_) => way == Way::DownRead,
            Self::DownWrite(_) => way == Way::DownWrite,
            _ => true,
        }
    }
}

impl<'w> Frame<'w> {
    /// Calls a function of the kernel, and returns what it returns.
    pub(super) fn call(&self, call: &'w Call) -> i64 {
        match call.row.does {
            Does::Take(lock) => {
                let object = self.number(target(call));
                let guard = take(lock.way, self.world.object(object));
                self.hold(object, guard.expect("it waits until it has the lock"));
                0
            }
            Does::Nested(_) => {
                let object = self.number(target(call));
                let subclass = u8::try_from(self.value(&call.arguments[0])).unwrap_or(0);
                let mutex = self.world.object(object).mutex();
                self.hold(object, Guard::Mutex(mutex.mutex_lock_nested(subclass)));
                0
            }
            Does::Try(lock, taken) => {
                let object = self.number(target(call));
                match attempt(lock.way, self.world.object(object)) {
                    Some(guard) => {
                        self.hold(object, guard);
                        taken
                    }
                    None => 1 - taken,
                }
            }
            Does::Release(way) => {
                self.release(self.number(target(call)), way, call.row.name);
                0
            }
            Does::Object(run, ..) => {
                let object = self.object(target(call));
                let arguments: Vec<i64> =
                    call.arguments.iter().map(|value| self.value(value)).collect();
                run(object, &arguments)
            }
            Does::Free(run, _) => {
                run();
                0
            }
            Does::Special(special) => self.special(special, call),
        }
    }

    fn release(&self, object: usize, way: Way, name: &str) {
        let fits = |hold: &Hold<'_>| hold.object == object && hold.guard.fits(way);
        let at = self.held.borrow().iter().rposition(fits);
        let hold = at.map(|at| self.held.borrow_mut().remove(at));
        match hold.map(|hold| hold.guard) {
            Some(Guard::Object) | None => {}
            Some(guard) => return guard.release(),
        }
        match (self.world.object(object), way) {
            (Object::Mutex(mutex), _) => mutex.raw_unlock(),
            (Object::SpinLock(lock), _) => lock.raw_unlock_irqrestore(),
            (Object::RwSem(sem), Way::DownRead) => sem.raw_up_read(),
            (Object::RwSem(sem), _) => sem.raw_up_write(),
            (Object::Semaphore(semaphore), _) => semaphore.up(),
            _ => invariant_broken(name, "what is released is not held"),
        }
    }

    /// Releases what a guard has taken at the beginning of a block.
    pub(super) fn release_scoped(&self, call: &'w Call) {
        let Some(lock) = call.row.does.lock() else { return };
        self.release(self.number(target(call)), lock.way, lock.release);
    }

    fn special(&self, special: Special, call: &'w Call) -> i64 {
        let argument = |at: usize| self.value(&call.arguments[at]);
        match special {
            Special::WaitEvent
            | Special::WaitEventExclusive
            | Special::WaitEventTimeout
            | Special::WaitEventInterruptible
            | Special::WaitEventKillable => self.wait(special, call),
            Special::ShouldStop => self.object(target(call)).kthread().kthread_should_stop().into(),
            Special::ShouldPark => self.object(target(call)).kthread().kthread_should_park().into(),
            Special::ParkMe => {
                self.object(target(call)).kthread().kthread_parkme();
                0
            }
            Special::CallRcu => {
                let body = call.later.expect("the call has a function");
                let callback = in_world(move |world: &World| run::body(world, body, 0));
                self.object(target(call)).rcu().call(&RcuHead::new(callback));
                0
            }
            Special::KfreeRcu => {
                let memory = self.number(target(call));
                let callback =
                    in_world(move |world: &World| world.object(memory).memory().release());
                self.world.object(0).rcu().call(&RcuHead::new(callback));
                0
            }
            Special::RcuDereference => {
                self.world.object(0).rcu().dereference(self.object(target(call)).memory());
                0
            }
            Special::KrefPut => {
                let last = self.object(target(call)).kref().put();
                if let Some(release) = call.function.as_deref().filter(|_| last) {
                    self.inline(release);
                }
                last.into()
            }
            Special::MightSleep | Special::Sleeps => {
                might_sleep(&call.text);
                0
            }
            Special::IrqSave => {
                self.flags.borrow_mut().push(local_irq_save());
                0
            }
            Special::IrqRestore => {
                let flags = self.flags.borrow_mut().pop();
                flags.into_iter().for_each(local_irq_restore);
                0
            }
            Special::BugOn => {
                let holds = argument(0);
                if holds != 0 {
                    invariant_broken(&call.text, "the condition holds");
                }
                holds
            }
            Special::Maybe => self.object(target(call)).choice().choose(2).into(),
            Special::Downgrade => self.downgrade(self.number(target(call))),
            Special::Swap => self.object(target(call)).int().swap(argument(0)),
            Special::CompareExchange => {
                let (old, new) = (argument(0), argument(1));
                match self.object(target(call)).int().compare_exchange(old, new) {
                    Ok(found) | Err(found) => found,
                }
            }
        }
    }

    fn wait(&self, special: Special, call: &'w Call) -> i64 {
        let condition = || self.value(&call.arguments[0]) != 0;
        match (self.object(target(call)), special) {
            (Object::Kthread(kthread), _) => kthread.wait_event(condition),
            (queue, Special::WaitEventExclusive) => {
                queue.waitqueue().wait_event_exclusive(condition)
            }
            (queue, Special::WaitEventTimeout) => {
                return queue.waitqueue().wait_event_timeout(condition).into();
            }
            (queue, Special::WaitEventInterruptible) => {
                return queue.waitqueue().wait_event_interruptible(condition).is_err().into();
            }
            (queue, Special::WaitEventKillable) => {
                return queue.waitqueue().wait_event_killable(condition).is_err().into();
            }
            (queue, _) => queue.waitqueue().wait_event(condition),
        }
        0
    }

    fn downgrade(&self, object: usize) -> i64 {
        let held = self.held.borrow();
        let writes = |hold: &Hold<'_>| matches!(hold.guard, Guard::DownWrite(_));
        let at = held.iter().rposition(|hold| hold.object == object && writes(hold));
        drop(held);
        let hold = at.map(|at| self.held.borrow_mut().remove(at));
        match hold.map(|hold| hold.guard) {
            Some(Guard::DownWrite(guard)) => {
                let guard = self.world.object(object).rwsem().downgrade_write(guard);
                self.hold(object, Guard::DownRead(guard));
            }
            _ => invariant_broken("downgrade_write", "the semaphore is not held for writing"),
        }
        0
    }
}

fn target(call: &Call) -> &Target {
    call.target.as_ref().expect("the function has an object")
}

/// Takes a lock in a way that waits for it.
fn take(way: Way, object: &Object) -> Option<Guard<'_>> {
    Some(match way {
        Way::Mutex => {
            object.mutex().raw_lock();
            Guard::Object
        }
        Way::Spin => Guard::Spin(object.spinlock().spin_lock()),
        Way::SpinBh => Guard::Spin(object.spinlock().spin_lock_bh()),
        Way::SpinIrq => Guard::Spin(object.spinlock().spin_lock_irq()),
        Way::SpinIrqsave => Guard::Spin(object.spinlock().spin_lock_irqsave()),
        Way::Read => Guard::Read(object.rwlock().read_lock()),
        Way::ReadBh => Guard::Read(object.rwlock().read_lock_bh()),
        Way::ReadIrq => Guard::Read(object.rwlock().read_lock_irq()),
        Way::ReadIrqsave => Guard::Read(object.rwlock().read_lock_irqsave()),
        Way::Write => Guard::Write(object.rwlock().write_lock()),
        Way::WriteBh => Guard::Write(object.rwlock().write_lock_bh()),
        Way::WriteIrq => Guard::Write(object.rwlock().write_lock_irq()),
        Way::WriteIrqsave => Guard::Write(object.rwlock().write_lock_irqsave()),
        Way::DownRead => Guard::DownRead(object.rwsem().down_read()),
        Way::DownWrite => Guard::DownWrite(object.rwsem().down_write()),
        Way::Down => {
            object.semaphore().down();
            Guard::Object
        }
        Way::Rcu => Guard::Rcu(object.rcu().read_lock()),
        Way::Srcu => Guard::Srcu(object.srcu().read_lock()),
        _ => return None,
    })
}

/// Tries to take a lock, or waits for it until a signal.
fn attempt(way: Way, object: &Object) -> Option<Guard<'_>> {
    match way {
        Way::Mutex => object.mutex().raw_try_lock().then_some(Guard::Object),
        Way::MutexInterruptible => object.mutex().lock_interruptible().ok().map(Guard::Mutex),
        Way::Spin => object.spinlock().spin_trylock().map(Guard::Spin),
        Way::SpinBh => object.spinlock().spin_trylock_bh().map(Guard::Spin),
        Way::SpinIrq => object.spinlock().spin_trylock_irq().map(Guard::Spin),
        Way::SpinIrqsave => object.spinlock().spin_trylock_irqsave().map(Guard::Spin),
        Way::Read => object.rwlock().read_trylock().map(Guard::Read),
        Way::Write => object.rwlock().write_trylock().map(Guard::Write),
        Way::DownRead => object.rwsem().try_down_read().map(Guard::DownRead),
        Way::DownReadKillable => object.rwsem().down_read_killable().ok().map(Guard::DownRead),
        Way::DownWrite => object.rwsem().try_down_write().map(Guard::DownWrite),
        Way::DownWriteKillable => object.rwsem().down_write_killable().ok().map(Guard::DownWrite),
        Way::Down => object.semaphore().down_trylock().then_some(Guard::Object),
        Way::DownInterruptible => {
            object.semaphore().down_interruptible().ok().map(|()| Guard::Object)
        }
        Way::DownTimeout => object.semaphore().down_timeout().then_some(Guard::Object),
        _ => unreachable!("no function tries this way"),
    }
}
