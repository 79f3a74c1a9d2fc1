//! A reader that is interrupted by a softirq that waits for a lock whose holder reads behind a
//! writer.
//!
//! Source: ALSA: irq lock inversion of `group->lock` and `ctl_files_rwlock`, syzbot, 2020-09-22.

use selvedge_core::sync::{RwLock, SpinLock, Tasklet};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function, in_world};

use super::report;

const SOURCE: &str =
    "ALSA: irq lock inversion of group->lock and ctl_files_rwlock, syzbot, 2020-09-22";

struct World {
    group_lock: SpinLock,
    ctl_files: RwLock,
    period: Tasklet,
}

fn world() -> World {
    World {
        group_lock: SpinLock::new("group->lock", ()),
        ctl_files: RwLock::new("card->ctl_files_rwlock", ()),
        period: Tasklet::new("snd_pcm_period_elapsed", in_world(snd_pcm_period_elapsed)),
    }
}

fn snd_pcm_period_elapsed(w: &World) {
    let _function = function("snd_pcm_period_elapsed");
    w.group_lock.spin_lock_irqsave().unlock();
}

fn snd_ctl_notify(w: &World) {
    let _function = function("snd_ctl_notify");
    w.ctl_files.read_lock().read_unlock();
}

fn snd_ctl_notify_irqsave(w: &World) {
    let _function = function("snd_ctl_notify");
    w.ctl_files.read_lock_irqsave().read_unlock();
}

fn snd_pcm_stop(w: &World) {
    let _function = function("snd_pcm_action_group");
    let _group = w.group_lock.spin_lock_irqsave();
    w.ctl_files.read_lock().read_unlock();
}

fn snd_ctl_open(w: &World) {
    let _function = function("snd_ctl_open");
    w.ctl_files.write_lock_irqsave().write_unlock();
}

fn variant(name: &str, notify: fn(&World)) -> ScenarioBuilder<World> {
    report(&format!("alsa-ctl-files/{name}"), SOURCE, world)
        .thread("notify", notify)
        .thread("period", |w| w.period.tasklet_schedule())
        .thread("stop", snd_pcm_stop)
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let classes = || ["card->ctl_files_rwlock", "group->lock"];
    vec![
        variant("writer", snd_ctl_notify)
            .about("a softirq waits for a lock whose holder reads behind a writer")
            .thread("open", snd_ctl_open)
            .expect_violations([ViolationKind::deadlock(classes())]),
        variant("no-writer", snd_ctl_notify)
            .about("harmless without a writer, and lockdep reports it")
            .expect_proof()
            .expect_inversion(classes()),
        variant("irqsave", snd_ctl_notify_irqsave)
            .about("the reader disables interrupts")
            .thread("open", snd_ctl_open)
            .expect_proof(),
    ]
}
