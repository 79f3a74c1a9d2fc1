//! The instructions that take no lock, on selvedge's primitives.

use std::sync::atomic::Ordering;

use selvedge_core::might_sleep;
use selvedge_core::sync::{Atomic, ModuleRef, WaitQueue, Workqueue};

use super::program::Instr;
use super::world::World;

/// Performs an instruction that takes no lock. Returns the entry for the log.
pub(super) fn operate(world: &World, instr: Instr, before: u64) -> Option<u64> {
    if let Some(last_entry) = wait(world, instr) {
        return last_entry;
    }
    match instr {
        Instr::MightSleep => might_sleep("vfree"),
        Instr::Load(a) => return Some(Atomic::load(&world.atomics[a])),
        Instr::FetchAdd(a, more) => return Some(world.atomics[a].fetch_add(more)),
        Instr::Swap(a, value) => return Some(Atomic::swap(&world.atomics[a], value)),
        Instr::CompareExchange(a, current, new) => {
            let found = Atomic::compare_exchange(&world.atomics[a], current, new);
            return Some(found.unwrap_or_else(|found| found));
        }
        Instr::Store(a, value) => Atomic::store(&world.atomics[a], value),
        Instr::StoreLast(a) => world.atomics[a].store(before + 1),
        Instr::KrefGet(k) => world.krefs[k].get(),
        Instr::KrefGetUnlessZero(k) => return Some(u64::from(world.krefs[k].get_unless_zero())),
        Instr::KrefRead(k) => return Some(u64::from(world.krefs[k].read() == 1)),
        Instr::KrefPut(k) => return Some(u64::from(world.krefs[k].put())),
        Instr::Use(x) => _ = world.tracked[x].get(),
        Instr::Free(x) => {
            world.tracked[x].release();
            world.gone.store(world.program.in_memory, Ordering::Relaxed);
        }
        Instr::ModuleGet(m) => return Some(u64::from(world.modules[m].try_get())),
        Instr::ModulePut(m) => ModuleRef::put(&world.modules[m]),
        Instr::ModuleDelete(m) => return Some(u64::from(world.modules[m].delete().is_ok())),
        Instr::ModuleFree(m) => world.modules[m].free(),
        Instr::ModuleCall(m) => world.modules[m].call(),
        Instr::SrcuSync(s) => world.srcus[s].synchronize(),
        Instr::RcuSync => world.rcu.synchronize(),
        Instr::RcuBarrier => world.rcu.barrier(),
        Instr::ModTimer(t) => world.timers[t].mod_timer(),
        Instr::DelTimer(t) => return Some(u64::from(world.timers[t].del_timer())),
        Instr::DelTimerSync(t) => return Some(u64::from(world.timers[t].del_timer_sync())),
        Instr::TimerShutdown(t) => return Some(u64::from(world.timers[t].timer_shutdown())),
        Instr::TimerShutdownSync(t) => {
            return Some(u64::from(world.timers[t].timer_shutdown_sync()));
        }
        Instr::QueueWork(w) => return Some(u64::from(world.works[w].queue_work())),
        Instr::FlushWork(w) => world.works[w].flush_work(),
        Instr::CancelWork(w) => return Some(u64::from(world.works[w].cancel_work_sync())),
        Instr::FlushWorkqueue => world.workqueue().flush_workqueue(),
        Instr::DrainWorkqueue => world.workqueue().drain_workqueue(),
        Instr::DestroyWorkqueue => world.workqueue().destroy_workqueue(),
        Instr::ThisCpu => return Some(*world.cpus.this_cpu()),
        Instr::Choose(among) => return Some(u64::from(world.choice.choose(among))),
        other => unreachable!("{other:?} is done elsewhere"),
    }
    None
}

impl World {
    fn workqueue(&self) -> &Workqueue {
        self.workqueue.as_ref().expect("what is done with it is done where there is one")
    }
}

/// Waits, or wakes. Returns the entry for the log, if it is such an instruction.
fn wait(world: &World, instr: Instr) -> Option<Option<u64>> {
    let not_zero = |a: usize| move || world.atomics[a].load() != 0;
    let last_entry = |last_entry: bool| Some(Some(u64::from(last_entry)));
    match instr {
        Instr::WaitForAtomic(q, a) => WaitQueue::wait_event(&world.queues[q], not_zero(a)),
        Instr::WaitForData(q, m) => world.queues[q].wait_event(|| *world.mutexes[m].lock() != 0),
        Instr::WaitExclusive(q, a) => world.queues[q].wait_event_exclusive(not_zero(a)),
        Instr::WaitTimeout(q, a) => {
            return last_entry(world.queues[q].wait_event_timeout(not_zero(a)));
        }
        Instr::WaitInterruptible(q, a) => {
            return last_entry(world.queues[q].wait_event_interruptible(not_zero(a)).is_ok());
        }
        Instr::WaitKillable(q, a) => {
            return last_entry(world.queues[q].wait_event_killable(not_zero(a)).is_ok());
        }
        Instr::Prepare(q) => world.queues[q].prepare_to_wait(),
        Instr::PrepareExclusive(q) => world.queues[q].prepare_to_wait_exclusive(),
        Instr::Schedule(q) => world.queues[q].schedule(),
        Instr::ScheduleTimeout(q) => return last_entry(world.queues[q].schedule_timeout()),
        Instr::Finish(q) => world.queues[q].finish_wait(),
        Instr::WakeUp(q) => world.queues[q].wake_up(),
        Instr::WakeUpNr(q, nr) => world.queues[q].wake_up_nr(nr),
        Instr::WakeUpAll(q) => world.queues[q].wake_up_all(),
        Instr::Active(q) => return last_entry(world.queues[q].waitqueue_active()),
        Instr::Complete(c) => world.completions[c].complete(),
        Instr::CompleteAll(c) => world.completions[c].complete_all(),
        Instr::Reinit(c) => world.completions[c].reinit_completion(),
        Instr::CompletionDone(c) => return last_entry(world.completions[c].completion_done()),
        Instr::WaitForCompletion(c) => world.completions[c].wait_for_completion(),
        Instr::TryWaitForCompletion(c) => {
            return last_entry(world.completions[c].try_wait_for_completion());
        }
        Instr::WaitForCompletionTimeout(c) => {
            return last_entry(world.completions[c].wait_for_completion_timeout());
        }
        Instr::WaitForCompletionInterruptible(c) => {
            return last_entry(world.completions[c].wait_for_completion_interruptible().is_ok());
        }
        Instr::Down(n) => world.slots[n].down(),
        Instr::DownInterruptible(n) => {
            return last_entry(world.slots[n].down_interruptible().is_ok());
        }
        Instr::DownTimeout(n) => return last_entry(world.slots[n].down_timeout()),
        Instr::DownTrylock(n) => return last_entry(world.slots[n].down_trylock()),
        Instr::Up(n) => world.slots[n].up(),
        Instr::NotifyOne(v) => world.condvars[v].notify_one(),
        Instr::NotifyAll(v) => world.condvars[v].notify_all(),
        _ => return None,
    }
    Some(None)
}
