//! The operations that wake a kernel thread wherever it sleeps.

/// Adds these operations to those before.
macro_rules! rows_of_tasks {
    ($($before:tt)*) => {
        op_kinds! {
            $($before)*
            /// `set_current_state` of a kernel thread that is about to join the wait queue with the
            /// number `a`: from here on others wake it there. Replies whether it is the first time.
            SetCurrentState => op("set_current_state")
                .can_be_disabled()
                .reads(Reads::If(0))
                .observes(Observes::Nothing),
            /// `signal_pending` of a kernel thread: replies whether it is to stop.
            SignalPending => op("signal_pending")
                .can_be_disabled()
                .reads(Reads::Always)
                .shows(Shows::YesNo),
            /// `try_to_wake_up` of the thread `a`, if it sleeps on this wait queue: replies whether
            /// it does. It touches the thread and not the queue, which may be freed by now.
            TryToWakeUp => op("try_to_wake_up")
                .reads(Reads::If(0))
                .observes(Observes::Nothing)
                .outlives_memory(),
        }
    };
}
