//! The operations of interrupt lines and tasklets.

/// Adds these operations to those before.
macro_rules! rows_of_interrupts {
    ($($before:tt)*) => {
        rows_of_spinning_locks! {
            $($before)*
            /// The timer expires in the thread that its function interrupts, or not.
            TimerArrives => op("timer expires").arrives(Softirq).assumes(&[NotPreemptRt]),
            /// `request_irq`: replies whether there was no handler.
            RequestIrq => op("request_irq").can_be_disabled(),
            /// `free_irq`: takes the handler off the line.
            FreeIrq => op("free_irq").can_be_disabled(),
            /// The device raises the line: replies whether it needs a thread for an idle CPU.
            RaiseIrq => op("interrupt raised").can_be_disabled(),
            /// `disable_irq`: disables the line once more.
            DisableIrq => op("disable_irq").can_be_disabled(),
            /// `enable_irq`: replies whether it was not disabled.
            EnableIrq => op("enable_irq").can_be_disabled(),
            /// `synchronize_irq`: waits until the handler does not run.
            SynchronizeIrq => op("synchronize_irq")
                .waits(Exclusive)
                .sleeps()
                .can_be_disabled()
                .reads(Reads::Always)
                .enabled_by(&[IrqReturns]),
            /// The interrupt arrives in the thread that it interrupts, or not.
            IrqArrives => op("interrupt").arrives(Hardirq).raw().assumes(&[NotPreemptRt]),
            /// The interrupt arrives on an idle CPU.
            IrqBegins => op("interrupt begins")
                .interrupts(Hardirq)
                .raw()
                .enabled_by(&[RaiseIrq, EnableIrq, IrqReturns])
                .assumes(&[NotPreemptRt]),
            /// The thread of an interrupt runs its handler.
            IrqThreadBegins => op("irq thread begins")
                .takes(Exclusive)
                .can_be_disabled()
                .enabled_by(&[RaiseIrq, EnableIrq, IrqReturns]),
            /// The handler returns.
            IrqReturns => op("interrupt returns").releases().can_be_disabled(),
            /// `tasklet_schedule`: replies whether it needs a thread for an idle CPU.
            TaskletSchedule => op("tasklet_schedule").can_be_disabled(),
            /// `tasklet_disable`: disables the tasklet once more.
            TaskletDisable => op("tasklet_disable").can_be_disabled(),
            /// `tasklet_enable`: replies whether it was not disabled.
            TaskletEnable => op("tasklet_enable").can_be_disabled(),
            /// The rest of `tasklet_disable`: waits until the tasklet does not run.
            AwaitTasklet => op("tasklet_disable (waiting)")
                .waits(Exclusive)
                .sleeps()
                .can_be_disabled()
                .reads(Reads::Always)
                .enabled_by(&[TaskletReturns]),
            /// `tasklet_kill`: waits until the tasklet is not scheduled, and keeps it from being.
            TaskletKill => op("tasklet_kill")
                .waits(Exclusive)
                .sleeps()
                .can_be_disabled()
                .enabled_by(&[TaskletArrives, TaskletBegins, AwaitTaskletKill]),
            /// The tasklet runs in the thread that it interrupts, or not.
            TaskletArrives => op("tasklet").arrives(Softirq).assumes(&[NotPreemptRt]),
            /// The tasklet runs on an idle CPU.
            TaskletBegins => op("tasklet begins")
                .interrupts(Softirq)
                .enabled_by(&[TaskletSchedule, TaskletEnable, TaskletReturns])
                .assumes(&[NotPreemptRt]),
            /// The tasklet returns.
            TaskletReturns => op("tasklet returns").releases().can_be_disabled(),
        }
    };
}
