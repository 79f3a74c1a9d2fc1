//! The operations of kernel threads, of delayed works and of works that are disabled.

/// Adds these operations to those before.
macro_rules! rows_of_later_work {
    ($($before:tt)*) => {
        rows_of_data! {
            $($before)*
            /// `queue_delayed_work`: replies whether that needs a thread.
            QueueDelayedWork => op("queue_delayed_work").work().can_be_disabled(),
            /// `mod_delayed_work`: the same, and takes the work off its queue or timer first.
            ModDelayedWork => op("mod_delayed_work").work().can_be_disabled(),
            /// The delay of a work is over: it is queued, unless it was cancelled.
            DelayEnds => op("delay ends")
                .work()
                .can_be_disabled()
                .enabled_by(&[QueueDelayedWork, ModDelayedWork]),
            /// `flush_delayed_work` ends the delay, if there is one, before it waits.
            FlushDelayedWork => op("flush_delayed_work").work().sleeps().can_be_disabled(),
            /// `disable_work`: as `cancel_work`, and the work cannot be queued until it is enabled.
            DisableWork => op("disable_work").work().can_be_disabled(),
            /// `disable_work_sync`: as `cancel_work_sync`, likewise.
            DisableWorkSync => op("disable_work_sync")
                .work()
                .waits(Exclusive)
                .sleeps()
                .can_be_disabled(),
            /// `enable_work`: replies whether the work can be queued again.
            EnableWork => op("enable_work").work().can_be_disabled(),
            /// `kthread_run`: replies whether the thread is to be started.
            KthreadRun => op("kthread_run").can_be_disabled(),
            /// The thread begins, unless it was stopped before.
            KthreadBegins => op("kthread begins").takes(Exclusive).can_be_disabled(),
            /// The function of the thread has returned.
            KthreadExits => op("kthread exits").releases().can_be_disabled(),
            /// `kthread_should_stop`.
            KthreadShouldStop => op("kthread_should_stop")
                .can_be_disabled()
                .reads(Reads::Always)
                .shows(Shows::YesNo),
            /// `kthread_should_park`.
            KthreadShouldPark => op("kthread_should_park")
                .can_be_disabled()
                .reads(Reads::Always)
                .shows(Shows::YesNo),
            /// `kthread_stop`: asks the thread to stop.
            KthreadStop => op("kthread_stop").can_be_disabled(),
            /// The rest of `kthread_stop`: the wait for the end of the thread.
            AwaitKthread => op("kthread_stop (waiting)")
                .waits(Exclusive)
                .sleeps()
                .can_be_disabled()
                .reads(Reads::Always)
                .enabled_by(&[KthreadExits]),
            /// `kthread_park`: asks the thread to park.
            KthreadPark => op("kthread_park").can_be_disabled(),
            /// The rest of `kthread_park`: the wait until it has parked.
            AwaitParked => op("kthread_park (waiting)")
                .waits(Exclusive)
                .sleeps()
                .can_be_disabled()
                .reads(Reads::Always)
                .enabled_by(&[KthreadParkme]),
            /// `kthread_parkme`: parks if the thread is to; replies whether it is.
            KthreadParkme => op("kthread_parkme").can_be_disabled().shows(Shows::YesNo),
            /// The rest of `kthread_parkme`: the wait until it is unparked.
            AwaitUnpark => op("kthread_parkme (parked)")
                .sleeps()
                .can_be_disabled()
                .enabled_by(&[KthreadUnpark, KthreadStop]),
            /// `kthread_unpark`.
            KthreadUnpark => op("kthread_unpark").can_be_disabled(),
            /// `get_task_struct`: the thread is not freed when it has ended.
            GetTaskStruct => op("get_task_struct").can_be_disabled(),
        }
    };
}
