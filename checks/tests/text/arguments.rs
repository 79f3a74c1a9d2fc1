//! The arguments of a call: what C passes is accepted, and nothing else is left out in silence.

use selvedge_checks::text;

use super::errors::refused;
use super::verdict;

#[test]
fn an_object_too_many_is_refused() {
    refused(
        "mutex a, b\nthread t: mutex_lock(a, b); mutex_unlock(b)\n",
        (2, 25),
        "`mutex_lock` takes 1 argument, not 2",
        "a call for each: mutex_lock(a); mutex_lock(b)",
    );
    refused(
        "memory m\nthread t: use(m, 2)\n",
        (2, 11),
        "`use` takes 1 argument, not 2",
        "write use(m)",
    );
    refused(
        "memory m\npointer p\nthread t: kfree(m, p)\n",
        (3, 20),
        "`kfree` takes 1 argument, not 2",
        "a call for each: kfree(m); kfree(p)",
    );
    refused(
        "spinlock s, r\nthread t: spin_lock(&s, &r); spin_unlock(&s)\n",
        (2, 26),
        "`spin_lock` takes 1 argument, not 2",
        "a call for each",
    );
    refused(
        "spinlock s, r\nthread t: spin_lock_irqsave(&s, r); spin_unlock_irqrestore(&s, r)\n",
        (2, 33),
        "`spin_lock_irqsave` does nothing with `r`, which is a spinlock",
        "a call for each",
    );
    refused(
        "mutex a\nthread t: rcu_read_lock(a); rcu_read_unlock()\n",
        (2, 25),
        "`rcu_read_lock` takes no argument, not 1",
        "write rcu_read_lock()",
    );
    refused(
        "mutex a\nthread t: guard(mutex)(a); local_irq_disable(a)\n",
        (2, 46),
        "`local_irq_disable` takes no argument, not 1",
        "write local_irq_disable()",
    );
}

/// A work runs on the queue of its declaration.
#[test]
fn another_queue_is_refused() {
    let text = |on: &str, call: &str| {
        format!("work w{on}: pass\nworkqueue wq, other\nmutex m\nthread t:\n    {call}\n")
    };
    refused(
        &text("", "queue_work(wq, &w)"),
        (5, 16),
        "`w` does not run on `wq`",
        "declare it: work w on wq: ..",
    );
    refused(
        &text(" on wq", "mod_delayed_work(other, &w, HZ)"),
        (5, 22),
        "`w` does not run on `other`",
        "declare it: work w on other: ..",
    );
    refused(
        &text(" on wq", "queue_work(m, &w)"),
        (5, 16),
        "`queue_work` takes a workqueue here, and `m` is a mutex",
        "write queue_work(w)",
    );
    refused(
        &text("", "flush_work(&w, m)"),
        (5, 20),
        "`flush_work` takes 1 argument, not 2",
        "write flush_work(w)",
    );
    // A function may queue a work that is declared below it.
    let text = "work v: queue_work(wq, w)\nwork w on wq: pass\nworkqueue wq\n\
                thread t: queue_work(v)\n";
    assert_eq!(verdict(text), "proved");
}

#[test]
fn what_the_kernel_passes_is_accepted() {
    for body in [
        "spin_lock_irqsave(&s, flags); spin_unlock_irqrestore(&s, flags)",
        "local_irq_save(flags); local_irq_restore(flags)",
        "queue_delayed_work(system_wq, &w, HZ); mod_delayed_work(wq, &w, 2 * HZ)",
        "schedule_delayed_work(&w, delay)",
        "mod_timer(&tm, jiffies + HZ); hrtimer_start(&hr, ms_to_ktime(5), HRTIMER_MODE_REL)",
        "free_irq(rx, m)",
        "if !wait_for_completion_timeout(&done, HZ): return",
        "if !wait_event_timeout(q, n == 1, HZ): return",
        "prepare_to_wait(&q, &wait, TASK_UNINTERRUPTIBLE); finish_wait(&q, &wait)",
        "let idx = srcu_read_lock(&sr); srcu_read_unlock(&sr, idx)",
        "if down_timeout(&sem, HZ): return",
        "p = kzalloc(sizeof(*p), GFP_KERNEL); kfree(p)",
        "p = kmalloc(sizeof(struct frob) + n * sizeof(u8), GFP_KERNEL); kfree(p)",
        "kfree_rcu(m, rcu)",
        "call_rcu(&m->rcu, done_now)",
        "copy_from_user(&n, user, sizeof(n)); msleep(10)",
        "if test_and_set_bit(0, &n): return",
        "set_bit(FROB_BUSY, &n); clear_bit(FROB_BUSY, &n)",
    ] {
        let text = format!(
            "spinlock s\nmemory m\nflag n\npointer p\nworkqueue wq\nwork w on wq: pass\n\
             timer tm: pass\nhrtimer hr: pass\nirq rx: pass\n\
             completion done\nwaitqueue q\nsrcu sr\nsemaphore sem\n\
             fn done_now: pass\nthread t:\n    {body}\n"
        );
        text::parse("t.selvedge", &text).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_flag_is_one_bit() {
    let text = "flag f\nthread t: if !test_and_set_bit(3, &f): assert test_bit(3, &f)\n";
    assert_eq!(verdict(text), "proved");
    refused(
        "flag f\nthread t:\n    set_bit(0, &f)\n    set_bit(1, &f)\n",
        (4, 5),
        "`f` stands for bit 0, and this is bit 1",
        "declare a flag for each bit",
    );
}
