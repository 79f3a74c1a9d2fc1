//! The functions on other objects, and those without an object.

use selvedge_core::invariant_broken;
use selvedge_core::sync::{
    Tracked, local_bh_disable, local_bh_enable, local_irq_disable, local_irq_enable,
    preempt_disable, preempt_enable,
};

use super::Does::{Free, Object as On, Special as Takes};
use super::Kind as K;
use super::Returns::{Bool, Int, Nothing};
use super::{Object, Row, Special};

/// `name on KINDS: Type "rust" => |object, arguments| value`.
macro_rules! rows {
    ($(
        $name:literal on [$($kind:ident)*]: $returns:ident $rust:literal
            => |$o:pat_param, $a:pat_param| $value:expr;
    )*) => {
        &[$({
            let run = |$o: &Object, $a: &[i64]| $value;
            Row::new($name, &[$(K::$kind),*], On(run, $returns, $rust))
        },)*]
    };
}

/// Returns 0, as what stands for nothing, after `unit`.
fn nothing(_unit: ()) -> i64 {
    0
}

fn used(object: &Object) {
    match object {
        Object::Pointer(pointer) => match pointer.memory() {
            Some(memory) => *memory.get(),
            None => invariant_broken("NULL", "a NULL pointer is followed"),
        },
        object => *object.memory().get(),
    }
}

fn freed(object: &Object) {
    match object {
        Object::Pointer(pointer) => pointer.memory().into_iter().for_each(Tracked::release),
        object => object.memory().release(),
    }
}

fn argument(arguments: &[i64]) -> i64 {
    arguments.first().copied().unwrap_or(1)
}

#[expect(clippy::unit_arg, reason = "a call without a value has the value 0")]
const SIMPLE: &[Row] = rows! {
    "complete" on [Completion]: Nothing "{}.complete()"
        => |o, _| nothing(o.completion().complete());
    "complete_all" on [Completion]: Nothing "{}.complete_all()"
        => |o, _| nothing(o.completion().complete_all());
    "reinit_completion" on [Completion]: Nothing "{}.reinit_completion()"
        => |o, _| nothing(o.completion().reinit_completion());
    "completion_done" on [Completion]: Bool "{}.completion_done()"
        => |o, _| o.completion().completion_done().into();
    "wait_for_completion" on [Completion]: Nothing "{}.wait_for_completion()"
        => |o, _| nothing(o.completion().wait_for_completion());
    "wait_for_completion_timeout" on [Completion]: Bool "{}.wait_for_completion_timeout()"
        => |o, _| o.completion().wait_for_completion_timeout().into();
    "wait_for_completion_interruptible" on [Completion]: Bool
        "{}.wait_for_completion_interruptible().is_err()"
        => |o, _| o.completion().wait_for_completion_interruptible().is_err().into();
    "try_wait_for_completion" on [Completion]: Bool "{}.try_wait_for_completion()"
        => |o, _| o.completion().try_wait_for_completion().into();
    "promise" on [Completion WaitQueue]: Nothing "{}.promise()" => |o, _| nothing(match o {
        Object::Completion(completion) => completion.promise(),
        queue => queue.waitqueue().promise(),
    });
    "fulfil" on [Completion WaitQueue]: Nothing "{}.fulfil()" => |o, _| nothing(match o {
        Object::Completion(completion) => completion.fulfil(),
        queue => queue.waitqueue().fulfil(),
    });
    "wake_up" on [WaitQueue]: Nothing "{}.wake_up()" => |o, _| nothing(o.waitqueue().wake_up());
    "wake_up_interruptible" on [WaitQueue]: Nothing "{}.wake_up()"
        => |o, _| nothing(o.waitqueue().wake_up());
    "wake_up_all" on [WaitQueue]: Nothing "{}.wake_up_all()"
        => |o, _| nothing(o.waitqueue().wake_up_all());
    "wake_up_nr" on [WaitQueue]: Nothing "{}.wake_up_nr({0} as u32)"
        => |o, a| nothing(o.waitqueue().wake_up_nr(u32::try_from(argument(a)).unwrap_or(0)));
    "waitqueue_active" on [WaitQueue]: Bool "{}.waitqueue_active()"
        => |o, _| o.waitqueue().waitqueue_active().into();
    "prepare_to_wait" on [WaitQueue]: Nothing "{}.prepare_to_wait()"
        => |o, _| nothing(o.waitqueue().prepare_to_wait());
    "prepare_to_wait_exclusive" on [WaitQueue]: Nothing "{}.prepare_to_wait_exclusive()"
        => |o, _| nothing(o.waitqueue().prepare_to_wait_exclusive());
    "schedule" on [WaitQueue]: Nothing "{}.schedule()" => |o, _| nothing(o.waitqueue().schedule());
    "finish_wait" on [WaitQueue]: Nothing "{}.finish_wait()"
        => |o, _| nothing(o.waitqueue().finish_wait());
    "use" on [Memory Pointer]: Nothing "used(&{})" => |o, _| nothing(used(o));
    "free" on [Memory Pointer]: Nothing "freed(&{})" => |o, _| nothing(freed(o));
    "kfree" on [Memory Pointer]: Nothing "freed(&{})" => |o, _| nothing(freed(o));
    "alloc" on [Pointer]: Nothing "{}.allocate()" => |o, _| nothing(o.pointer().allocate());
    "kzalloc" on [Pointer]: Nothing "{}.allocate()" => |o, _| nothing(o.pointer().allocate());
    "kref_get" on [Kref]: Nothing "{}.get()" => |o, _| nothing(o.kref().get());
    "kref_get_unless_zero" on [Kref]: Bool "{}.get_unless_zero()"
        => |o, _| o.kref().get_unless_zero().into();
    "refcount_inc" on [Kref]: Nothing "{}.get()" => |o, _| nothing(o.kref().get());
    "refcount_inc_not_zero" on [Kref]: Bool "{}.get_unless_zero()"
        => |o, _| o.kref().get_unless_zero().into();
    "refcount_dec_and_test" on [Kref]: Bool "{}.put()" => |o, _| o.kref().put().into();
    "try_module_get" on [Module]: Bool "{}.try_get()" => |o, _| o.module().try_get().into();
    "module_put" on [Module]: Nothing "{}.put()" => |o, _| nothing(o.module().put());
    "atomic_read" on [Int]: Int "{}.load()" => |o, _| o.int().load();
    "READ_ONCE" on [Int Plain]: Int "{}.load()" => |o, _| match o {
        Object::Plain(_) => o.plain().read_once(),
        int => int.int().load(),
    };
    "WRITE_ONCE" on [Int Plain]: Nothing "{}.store({0})" => |o, a| match o {
        Object::Plain(_) => nothing(o.plain().write_once(argument(a))),
        int => nothing(int.int().store(argument(a))),
    };
    "atomic_set" on [Int]: Nothing "{}.store({0})" => |o, a| nothing(o.int().store(argument(a)));
    "atomic_inc" on [Int]: Nothing "{}.fetch_add(1)" => |o, _| { o.int().fetch_add(1); 0 };
    "atomic_dec" on [Int]: Nothing "{}.fetch_add(-1)" => |o, _| { o.int().fetch_add(-1); 0 };
    "atomic_inc_return" on [Int]: Int "({}.fetch_add(1) + 1)" => |o, _| o.int().fetch_add(1) + 1;
    "atomic_dec_return" on [Int]: Int "({}.fetch_add(-1) - 1)" => |o, _| o.int().fetch_add(-1) - 1;
    "atomic_dec_and_test" on [Int]: Bool "({}.fetch_add(-1) == 1)"
        => |o, _| (o.int().fetch_add(-1) == 1).into();
    "test_and_set_bit" on [Int]: Bool "({}.swap(1) != 0)" => |o, _| (o.int().swap(1) != 0).into();
    "test_and_clear_bit" on [Int]: Bool "({}.swap(0) != 0)" => |o, _| (o.int().swap(0) != 0).into();
    "set_bit" on [Int]: Nothing "{}.store(1)" => |o, _| nothing(o.int().store(1));
    "clear_bit" on [Int]: Nothing "{}.store(0)" => |o, _| nothing(o.int().store(0));
    "test_bit" on [Int]: Bool "({}.load() != 0)" => |o, _| (o.int().load() != 0).into();
    "queue_work" on [Work]: Bool "{}.queue_work()" => |o, _| o.work().queue_work().into();
    "schedule_work" on [Work]: Bool "{}.queue_work()" => |o, _| o.work().queue_work().into();
    "queue_delayed_work" on [Work]: Bool "{}.queue_delayed_work()"
        => |o, _| o.work().queue_delayed_work().into();
    "schedule_delayed_work" on [Work]: Bool "{}.queue_delayed_work()"
        => |o, _| o.work().queue_delayed_work().into();
    "mod_delayed_work" on [Work]: Bool "{}.mod_delayed_work()"
        => |o, _| o.work().mod_delayed_work().into();
    "flush_work" on [Work]: Nothing "{}.flush_work()" => |o, _| nothing(o.work().flush_work());
    "flush_delayed_work" on [Work]: Nothing "{}.flush_delayed_work()"
        => |o, _| nothing(o.work().flush_delayed_work());
    "cancel_work" on [Work]: Bool "{}.cancel_work()" => |o, _| o.work().cancel_work().into();
    "cancel_delayed_work" on [Work]: Bool "{}.cancel_work()"
        => |o, _| o.work().cancel_work().into();
    "cancel_work_sync" on [Work]: Bool "{}.cancel_work_sync()"
        => |o, _| o.work().cancel_work_sync().into();
    "cancel_delayed_work_sync" on [Work]: Bool "{}.cancel_work_sync()"
        => |o, _| o.work().cancel_work_sync().into();
    "disable_work" on [Work]: Bool "{}.disable_work()" => |o, _| o.work().disable_work().into();
    "disable_work_sync" on [Work]: Bool "{}.disable_work_sync()"
        => |o, _| o.work().disable_work_sync().into();
    "enable_work" on [Work]: Bool "{}.enable_work()" => |o, _| o.work().enable_work().into();
    "flush_workqueue" on [Workqueue OrderedWorkqueue]: Nothing "{}.flush_workqueue()"
        => |o, _| nothing(o.workqueue().flush_workqueue());
    "drain_workqueue" on [Workqueue OrderedWorkqueue]: Nothing "{}.drain_workqueue()"
        => |o, _| nothing(o.workqueue().drain_workqueue());
    "destroy_workqueue" on [Workqueue OrderedWorkqueue]: Nothing "{}.destroy_workqueue()"
        => |o, _| nothing(o.workqueue().destroy_workqueue());
    "mod_timer" on [Timer]: Nothing "{}.mod_timer()" => |o, _| nothing(o.timer().mod_timer());
    "add_timer" on [Timer]: Nothing "{}.mod_timer()" => |o, _| nothing(o.timer().mod_timer());
    "del_timer" on [Timer]: Bool "{}.del_timer()" => |o, _| o.timer().del_timer().into();
    "timer_delete" on [Timer]: Bool "{}.del_timer()" => |o, _| o.timer().del_timer().into();
    "del_timer_sync" on [Timer]: Bool "{}.del_timer_sync()"
        => |o, _| o.timer().del_timer_sync().into();
    "timer_delete_sync" on [Timer]: Bool "{}.del_timer_sync()"
        => |o, _| o.timer().del_timer_sync().into();
    "timer_shutdown_sync" on [Timer]: Bool "{}.timer_shutdown_sync()"
        => |o, _| o.timer().timer_shutdown_sync().into();
    "hrtimer_start" on [Hrtimer HardHrtimer]: Nothing "{}.mod_timer()"
        => |o, _| nothing(o.timer().mod_timer());
    "hrtimer_cancel" on [Hrtimer HardHrtimer]: Bool "{}.del_timer_sync()"
        => |o, _| o.timer().del_timer_sync().into();
    "hrtimer_try_to_cancel" on [Hrtimer HardHrtimer]: Bool "{}.del_timer()"
        => |o, _| o.timer().del_timer().into();
    "raise" on [Irq HardIrq ThreadedIrq]: Nothing "{}.raise()" => |o, _| nothing(o.irq().raise());
    "free_irq" on [Irq HardIrq ThreadedIrq]: Nothing "{}.free_irq()"
        => |o, _| nothing(o.irq().free_irq());
    "disable_irq" on [Irq HardIrq ThreadedIrq]: Nothing "{}.disable_irq()"
        => |o, _| nothing(o.irq().disable_irq());
    "disable_irq_nosync" on [Irq HardIrq ThreadedIrq]: Nothing "{}.disable_irq_nosync()"
        => |o, _| nothing(o.irq().disable_irq_nosync());
    "enable_irq" on [Irq HardIrq ThreadedIrq]: Nothing "{}.enable_irq()"
        => |o, _| nothing(o.irq().enable_irq());
    "synchronize_irq" on [Irq HardIrq ThreadedIrq]: Nothing "{}.synchronize_irq()"
        => |o, _| nothing(o.irq().synchronize_irq());
    "tasklet_schedule" on [Tasklet]: Nothing "{}.tasklet_schedule()"
        => |o, _| nothing(o.tasklet().tasklet_schedule());
    "raise_softirq" on [Tasklet]: Nothing "{}.tasklet_schedule()"
        => |o, _| nothing(o.tasklet().tasklet_schedule());
    "tasklet_disable" on [Tasklet]: Nothing "{}.tasklet_disable()"
        => |o, _| nothing(o.tasklet().tasklet_disable());
    "tasklet_enable" on [Tasklet]: Nothing "{}.tasklet_enable()"
        => |o, _| nothing(o.tasklet().tasklet_enable());
    "tasklet_kill" on [Tasklet]: Nothing "{}.tasklet_kill()"
        => |o, _| nothing(o.tasklet().tasklet_kill());
    "kthread_run" on [Kthread]: Nothing "{}.kthread_run()"
        => |o, _| nothing(o.kthread().kthread_run());
    "kthread_stop" on [Kthread]: Nothing "{}.kthread_stop()"
        => |o, _| nothing(o.kthread().kthread_stop());
    "kthread_park" on [Kthread]: Nothing "{}.kthread_park()"
        => |o, _| nothing(o.kthread().kthread_park());
    "kthread_unpark" on [Kthread]: Nothing "{}.kthread_unpark()"
        => |o, _| nothing(o.kthread().kthread_unpark());
    "wake_up_process" on [Kthread]: Nothing "{}.wake_up_process()"
        => |o, _| nothing(o.kthread().wake_up_process());
    "get_task_struct" on [Kthread]: Nothing "{}.get_task_struct()"
        => |o, _| nothing(o.kthread().get_task_struct());
    "synchronize_rcu" on [Rcu]: Nothing "{}.synchronize()" => |o, _| nothing(o.rcu().synchronize());
    "synchronize_srcu" on [Srcu]: Nothing "{}.synchronize()"
        => |o, _| nothing(o.srcu().synchronize());
};

const OTHERS: &[Row] = &[
    Row::new("wait_event", WAITS, Takes(Special::WaitEvent)),
    Row::new("wait_event_exclusive", QUEUE, Takes(Special::WaitEventExclusive)),
    Row::new("wait_event_timeout", QUEUE, Takes(Special::WaitEventTimeout)),
    Row::new("wait_event_interruptible", QUEUE, Takes(Special::WaitEventInterruptible)),
    Row::new("wait_event_killable", QUEUE, Takes(Special::WaitEventKillable)),
    Row::new("kthread_should_stop", &[K::Kthread], Takes(Special::ShouldStop)),
    Row::new("kthread_should_park", &[K::Kthread], Takes(Special::ShouldPark)),
    Row::new("kthread_parkme", &[K::Kthread], Takes(Special::ParkMe)),
    Row::new("call_rcu", &[K::Rcu], Takes(Special::CallRcu)),
    Row::new("kfree_rcu", &[K::Memory], Takes(Special::KfreeRcu)),
    Row::new("rcu_dereference", &[K::Memory], Takes(Special::RcuDereference)),
    Row::new("kref_put", &[K::Kref], Takes(Special::KrefPut)),
    Row::new("downgrade_write", &[K::RwSem], Takes(Special::Downgrade)),
    Row::new("xchg", &[K::Int], Takes(Special::Swap)),
    Row::new("atomic_xchg", &[K::Int], Takes(Special::Swap)),
    Row::new("cmpxchg", &[K::Int], Takes(Special::CompareExchange)),
    Row::new("atomic_cmpxchg", &[K::Int], Takes(Special::CompareExchange)),
    Row::new("might_sleep", &[], Takes(Special::MightSleep)),
    Row::new("msleep", &[], Takes(Special::Sleeps)),
    Row::new("schedule_timeout", &[], Takes(Special::Sleeps)),
    Row::new("vfree", &[], Takes(Special::Sleeps)),
    Row::new("copy_from_user", &[], Takes(Special::Sleeps)),
    Row::new("copy_to_user", &[], Takes(Special::Sleeps)),
    Row::new("local_irq_save", &[], Takes(Special::IrqSave)),
    Row::new("local_irq_restore", &[], Takes(Special::IrqRestore)),
    Row::new("BUG_ON", &[], Takes(Special::BugOn)),
    Row::new("WARN_ON", &[], Takes(Special::BugOn)),
    Row::new("maybe", &[], Takes(Special::Maybe)),
    Row::new("local_irq_disable", &[], Free(local_irq_disable, "local_irq_disable()")),
    Row::new("local_irq_enable", &[], Free(local_irq_enable, "local_irq_enable()")),
    Row::new("local_bh_disable", &[], Free(local_bh_disable, "local_bh_disable()")),
    Row::new("local_bh_enable", &[], Free(local_bh_enable, "local_bh_enable()")),
    Row::new("preempt_disable", &[], Free(preempt_disable, "preempt_disable()")),
    Row::new("preempt_enable", &[], Free(preempt_enable, "preempt_enable()")),
];

const QUEUE: &[K] = &[K::WaitQueue];
const WAITS: &[K] = &[K::WaitQueue, K::Kthread];

pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    SIMPLE.iter().chain(OTHERS)
}
