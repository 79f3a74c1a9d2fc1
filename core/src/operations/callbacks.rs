//! The operations of the callbacks of RCU.

/// Adds these operations to those before.
macro_rules! rows_of_callbacks {
    ($($before:tt)*) => {
        op_kinds! {
            $($before)*
            /// `call_rcu`: the thread `a` will run the callback.
            CallRcu => op("call_rcu").commutes_with(&[
                RcuReadLock,
                RcuReadUnlock,
                SynchronizeRcu,
                GracePeriodBegins,
                CallRcu,
                CallbackReturns,
            ]),
            /// `call_srcu`, likewise.
            CallSrcu => op("call_srcu").commutes_with(&[
                SrcuReadLock,
                SrcuReadUnlock,
                SynchronizeSrcu,
                GracePeriodBegins,
                CallSrcu,
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
            CallbackReturns => op("callback returns").observes(Observes::Nothing).commutes_with(&[
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
        }
    };
}
