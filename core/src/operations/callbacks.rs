//! The operations of the callbacks of RCU, those of `ww_mutex`, and some later ones.

/// Adds these operations to those before.
macro_rules! rows_of_callbacks {
    ($($before:tt)*) => {
        rows_of_memory! {
            $($before)*
            /// `call_rcu` of the head `b`: the thread `a` will run its function. Refused if the
            /// head is queued.
            CallRcu => op("call_rcu").commutes_with(&[
                RcuReadLock,
                RcuReadUnlock,
                SynchronizeRcu,
                GracePeriodBegins,
                CallbackReturns,
            ]),
            /// `call_srcu`, likewise.
            CallSrcu => op("call_srcu").commutes_with(&[
                SrcuReadLock,
                SrcuReadUnlock,
                SynchronizeSrcu,
                GracePeriodBegins,
                CallbackReturns,
            ]),
            /// The grace period of a callback begins, at its call or later.
            GracePeriodBegins => op("grace period begins")
                .enabled_by(&[CallRcu, CallSrcu])
                .assumes(&[GracePeriods]),
            /// The end of the grace period that a callback of `call_srcu` waits for.
            SrcuCallback => op("srcu callback")
                .granted()
                .enabled_by(&[SrcuReadUnlock])
                .assumes(&[GracePeriods]),
            /// The function of a callback has returned; replies with the set of the threads that
            /// waited for it.
            CallbackReturns => op("callback returns").observes(Observes::NoName).commutes_with(&[
                RcuReadLock,
                RcuReadUnlock,
                SynchronizeRcu,
                SrcuReadLock,
                SrcuReadUnlock,
                SynchronizeSrcu,
                GracePeriodBegins,
                CallbackReturns,
            ]),
            /// `rcu_barrier`: begins to wait for the callbacks that are queued or run.
            RcuBarrier => op("rcu_barrier").sleeps(),
            /// `srcu_barrier`, likewise.
            SrcuBarrier => op("srcu_barrier").sleeps(),
            /// The rest of `rcu_barrier` or `srcu_barrier`: the wait until they have returned.
            AwaitCallbacks => op("barrier (waiting)").granted().enabled_by(&[CallbackReturns]),
            /// `ww_acquire_init`: replies whether the thread is in a context already.
            WwAcquireInit => op("ww_acquire_init")
                .waits(Exclusive)
                .takes(Exclusive)
                .can_be_disabled(),
            /// `ww_acquire_fini`.
            WwAcquireFini => op("ww_acquire_fini").releases().can_be_disabled(),
            /// `ww_mutex_lock` of the mutex `b`, in the context of the thread if `a` is not 0:
            /// granted at once, refused with `-EDEADLK`, or queued.
            WwLock => op("ww_mutex_lock")
                .of_class()
                .waits(Exclusive)
                .takes(Exclusive)
                .sleeps()
                .shows(Shows::BacksOff)
                .can_be_disabled(),
            /// The rest of a queued `ww_mutex_lock`: granted, or refused with `-EDEADLK`.
            AwaitWwLock => op("ww_mutex_lock (queued)")
                .of_class()
                .takes(Exclusive)
                .shows(Shows::BacksOff)
                .can_be_disabled()
                .enabled_by(&[WwUnlock, WwLock, TryWwLock, AwaitWwLock]),
            /// `ww_mutex_trylock`.
            TryWwLock => op("ww_mutex_trylock")
                .of_class()
                .takes(Exclusive)
                .shows(Shows::Taken)
                .can_be_disabled(),
            /// `ww_mutex_unlock`.
            WwUnlock => op("ww_mutex_unlock").of_class().releases().can_be_disabled(),
            /// `timer_shutdown`: as `del_timer`, and no thread can arm it any more.
            TimerShutdown => op("timer_shutdown").can_be_disabled(),
            /// A thread has taken its first spinning lock: replies with the set of the callbacks
            /// whose grace period has begun, or refuses if there is none.
            RcuDue => op("rcu callbacks due").lets_arrive().reads(Reads::Always).commutes_with(&[
                RcuReadLock,
                RcuReadUnlock,
                SynchronizeRcu,
                CallRcu,
                CallbackReturns,
                RcuBarrier,
            ]),
            /// A callback of the set `a` runs on top of the thread, or none; replies with the
            /// thread of the callback.
            RcuArrives => op("rcu callback arrives")
                .lets_arrive()
                .shows(Shows::Arrives)
                .reads(Reads::If(REFUSED))
                .commutes_with(&[
                    RcuReadLock,
                    SynchronizeRcu,
                    GracePeriodBegins,
                    CallbackReturns,
                    RcuBarrier,
                ])
                .assumes(&[NotPreemptRt, GracePeriods]),
            /// The thread waits for the callback on top of it, which runs in the thread `a`.
            AwaitRcuCallback => op("interrupted (waiting)")
                .granted()
                .enabled_by(&[CallbackReturns]),
            /// `wake_up_process`: accesses the thread before it wakes it. Replies with the queue at
            /// the place `a` among those on which it has slept; the first access has the place 0.
            WakeUpProcess => op("wake_up_process").can_be_disabled().reads(Reads::Always),
            /// The rest of `tasklet_kill`: waits until the tasklet does not run.
            AwaitTaskletKill => op("tasklet_kill (waiting)")
                .waits(Exclusive)
                .sleeps()
                .can_be_disabled()
                .enabled_by(&[TaskletReturns]),
        }
    };
}
