//! The operations of `std`'s threads.

/// Adds these operations to those before.
macro_rules! rows_of_user_space {
    ($($before:tt)*) => {
        op_kinds! {
            $($before)*
            /// `std::thread::park`: waits for the token and takes it.
            Park => op("thread::park").enabled_by(&[Unpark]).assumes(&[Parks]),
            /// `std::thread::Thread::unpark`: makes the token available.
            Unpark => op("Thread::unpark"),
        }
    };
}
