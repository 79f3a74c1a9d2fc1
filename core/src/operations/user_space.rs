//! The operations of `std` that decide when a thread continues.

/// Adds these operations to those before.
macro_rules! rows_of_user_space {
    ($($before:tt)*) => {
        rows_of_tasks! {
            $($before)*
            /// The rest of a wait for a condition variable that only a notification ends.
            CondvarAwait => op("Condvar::wait (asleep)")
                .waits(Exclusive)
                .sleeps()
                .granted()
                .enabled_by(&[NotifyOne, NotifyAll]),
            /// The rest of one that ends by itself: with `a` 1 by a timeout, otherwise spuriously.
            /// Replies whether there was no notification before.
            CondvarWakes => op("Condvar::wait (wakes)"),
            /// `std::thread::park`: waits for the token and takes it.
            Park => op("thread::park").enabled_by(&[Unpark]).assumes(&[Parks]),
            /// `std::thread::Thread::unpark`: makes the token available.
            Unpark => op("Thread::unpark"),
        }
    };
}
