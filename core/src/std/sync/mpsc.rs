//! Channels, as [`std::sync::mpsc`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

use super::{Condvar, Mutex, MutexGuard};
use crate::runtime::object::unwinding;

/// Creates a channel without a limit.
///
/// ```
/// use selvedge_core::std::sync::mpsc;
/// use selvedge_core::std::thread;
///
/// selvedge_core::model(|| {
///     let (sender, receiver) = mpsc::channel();
///     let other = thread::spawn(move || sender.send(1).unwrap());
///     assert_eq!(receiver.recv(), Ok(1));
///     other.join().unwrap();
/// });
/// ```
#[track_caller]
pub fn channel<T: Send + 'static>() -> (Sender<T>, Receiver<T>) {
    let (channel, receiver) = Channel::new(usize::MAX, false);
    (Sender { channel }, receiver)
}

/// Creates a channel for so many values, beyond which senders wait. With 0 a sender waits until its
/// value has been received.
#[track_caller]
pub fn sync_channel<T: Send + 'static>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let (channel, receiver) = Channel::new(bound.max(1), bound == 0);
    (SyncSender { channel }, receiver)
}

struct Channel<T: Send + 'static> {
    state: Mutex<State<T>>,
    /// Notified where there is something for the receiver.
    filled: Condvar,
    /// Notified where there is something for the senders.
    emptied: Condvar,
    bound: usize,
    /// Whether a sender waits until its value has been received.
    rendezvous: bool,
}

struct State<T> {
    values: VecDeque<T>,
    senders: usize,
    receiver: bool,
    /// Whether the receiver waits.
    receiving: bool,
    /// The number of values that were received.
    received: usize,
    /// The number of values that were sent.
    sent: usize,
}

impl<T: Send> Channel<T> {
    #[track_caller]
    fn new(bound: usize, rendezvous: bool) -> (Arc<Self>, Receiver<T>) {
        let values = VecDeque::new();
        let state =
            State { values, senders: 1, receiver: true, receiving: false, received: 0, sent: 0 };
        let (filled, emptied) = (Condvar::new(), Condvar::new());
        let channel = Self { state: Mutex::new(state), filled, emptied, bound, rendezvous };
        let channel = Arc::new(channel);
        (Arc::clone(&channel), Receiver { channel })
    }

    #[track_caller]
    fn wait<'a>(
        condvar: &Condvar,
        state: MutexGuard<'a, State<T>>,
        while_: impl FnMut(&mut State<T>) -> bool,
    ) -> MutexGuard<'a, State<T>> {
        condvar.wait_while(state, while_).unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        let full = |state: &mut State<T>| state.receiver && state.values.len() >= self.bound;
        let mut state = Self::wait(&self.emptied, self.state.held(), full);
        if !state.receiver {
            return Err(SendError(value));
        }
        state.push(value);
        self.filled.notify_one();
        if self.rendezvous {
            let mine = state.sent;
            let waits = |state: &mut State<T>| state.receiver && state.received < mine;
            state = Self::wait(&self.emptied, state, waits);
            if state.received < mine {
                // The receiver is gone, and has left what it did not receive.
                return state.values.pop_back().map_or(Ok(()), |value| Err(SendError(value)));
            }
        }
        Ok(())
    }

    #[track_caller]
    fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut state = self.state.held();
        let ready = state.receiving && state.values.is_empty();
        if !state.receiver {
            Err(TrySendError::Disconnected(value))
        } else if state.values.len() >= self.bound || (self.rendezvous && !ready) {
            Err(TrySendError::Full(value))
        } else {
            state.push(value);
            self.filled.notify_one();
            Ok(())
        }
    }

    #[track_caller]
    fn change_senders(&self, change: impl FnOnce(&mut usize)) {
        let mut state = self.state.held();
        change(&mut state.senders);
        if state.senders == 0 {
            self.filled.notify_one();
        }
    }

    /// Notes the drop of a sender.
    fn drop_sender(&self) {
        if !unwinding() {
            self.change_senders(|senders| *senders -= 1);
        }
    }
}

impl<T> State<T> {
    fn push(&mut self, value: T) {
        self.values.push_back(value);
        self.sent += 1;
    }

    fn pop(&mut self) -> Option<T> {
        let value = self.values.pop_front()?;
        self.received += 1;
        Some(value)
    }
}

/// The side of a channel that sends.
pub struct Sender<T: Send + 'static> {
    channel: Arc<Channel<T>>,
}

impl<T: Send> Sender<T> {
    /// Sends a value.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the receiver was dropped.
    #[track_caller]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.channel.send(value)
    }
}

/// The side of a bounded channel that sends.
pub struct SyncSender<T: Send + 'static> {
    channel: Arc<Channel<T>>,
}

impl<T: Send> SyncSender<T> {
    /// Sends a value, and waits for as long as the channel is full.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the receiver was dropped.
    #[track_caller]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.channel.send(value)
    }

    /// Sends a value if that is possible at once.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] if it is not, [`TrySendError::Disconnected`] if the receiver was
    /// dropped.
    #[track_caller]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.channel.try_send(value)
    }
}

macro_rules! senders {
    ($($sender:ident)*) => {$(
        impl<T: Send> Clone for $sender<T> {
            #[track_caller]
            fn clone(&self) -> Self {
                self.channel.change_senders(|senders| *senders += 1);
                Self { channel: Arc::clone(&self.channel) }
            }
        }

        impl<T: Send> Drop for $sender<T> {
            fn drop(&mut self) {
                self.channel.drop_sender();
            }
        }

        impl<T: Send> fmt::Debug for $sender<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($sender)).finish_non_exhaustive()
            }
        }
    )*};
}

senders!(Sender SyncSender);

/// The side of a channel that receives.
pub struct Receiver<T: Send + 'static> {
    channel: Arc<Channel<T>>,
}

impl<T: Send> Receiver<T> {
    /// Waits for a value.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if there is none and every sender was dropped.
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        let channel = &*self.channel;
        let empty = |state: &mut State<T>| state.values.is_empty() && state.senders > 0;
        let mut state = channel.state.held();
        // Elsewhere it would be a change of the data that no thread looks at.
        if channel.rendezvous {
            state.receiving = true;
        }
        state = Channel::wait(&channel.filled, state, empty);
        if channel.rendezvous {
            state.receiving = false;
        }
        let value = state.pop().ok_or(RecvError)?;
        channel.emptied.notify_all();
        Ok(value)
    }

    /// Returns a value if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if there is none, [`TryRecvError::Disconnected`] if there can be
    /// none either.
    #[track_caller]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut state = self.channel.state.held();
        let nothing = match state.senders {
            0 => TryRecvError::Disconnected,
            _ => TryRecvError::Empty,
        };
        let value = state.pop().ok_or(nothing)?;
        self.channel.emptied.notify_all();
        Ok(value)
    }

    /// As [`recv`](Self::recv), but the time may be up whenever there is no value.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] then, [`RecvTimeoutError::Disconnected`] as for `recv`.
    #[track_caller]
    pub fn recv_timeout(&self, limit: Duration) -> Result<T, RecvTimeoutError> {
        let channel = &*self.channel;
        let empty = |state: &mut State<T>| state.values.is_empty() && state.senders > 0;
        let waited = channel.filled.wait_timeout_while(channel.state.held(), limit, empty);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        let nothing = match waited.timed_out() {
            true => RecvTimeoutError::Timeout,
            false => RecvTimeoutError::Disconnected,
        };
        let value = state.pop().ok_or(nothing)?;
        channel.emptied.notify_all();
        Ok(value)
    }

    /// Returns values until every sender was dropped.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        std::iter::from_fn(|| self.recv().ok())
    }

    /// Returns the values that are there.
    pub fn try_iter(&self) -> impl Iterator<Item = T> + '_ {
        std::iter::from_fn(|| self.try_recv().ok())
    }
}

impl<T: Send> Drop for Receiver<T> {
    fn drop(&mut self) {
        if unwinding() {
            return;
        }
        let mut state = self.channel.state.held();
        state.receiver = false;
        let left = if self.channel.rendezvous {
            VecDeque::new()
        } else {
            std::mem::take(&mut state.values)
        };
        self.channel.emptied.notify_all();
        drop(state);
        // Their destructors may use the channel.
        drop(left);
    }
}

impl<T: Send> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
