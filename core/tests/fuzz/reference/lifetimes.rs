//! Reference counts, objects that can be freed, and modules.

use super::super::program::{Instr, KREFS, MODULES, TRACKED};
use super::{After, Done, Held, Phase, State};

#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Module {
    references: u64,
    going: bool,
    freed: bool,
}

impl State {
    pub(super) fn violate(&mut self, violation: String) {
        self.violation = Some(violation);
    }

    /// lib/refcount.c, refcount_dec_and_mutex_lock: it takes the mutex only if the reference may be
    /// the last, and puts it under the mutex then.
    fn put_mutex(&mut self, me: usize, k: usize, m: usize) -> Option<Done> {
        let phase = self.threads[me].phase;
        if matches!(phase, Phase::Begin | Phase::Put) && self.krefs[k] == 0 {
            self.violate(format!("use-after-release({})", KREFS[k]));
            return Some(Done::Next);
        }
        let last_entry = match phase {
            Phase::Touch(after) => return Some(after.done()),
            Phase::Begin if self.krefs[k] == 1 => return Some(Done::More(Phase::Under)),
            Phase::Under => {
                self.lock(me, Held::Mutex(m))?;
                return Some(Done::More(Phase::Put));
            }
            Phase::Unput => {
                let place = self.threads[me].held.iter().rposition(|held| *held == Held::Mutex(m));
                self.threads[me].held.remove(place.expect("it has taken it"));
                self.mutexes[m].owner = None;
                self.threads[me].log.push(0);
                return Some(self.unlocked(After::Return(true)));
            }
            Phase::Put if self.krefs[k] > 1 => {
                self.krefs[k] -= 1;
                return Some(Done::More(Phase::Unput));
            }
            _ => self.krefs[k] == 1,
        };
        self.krefs[k] -= 1;
        self.threads[me].log.push(u64::from(last_entry));
        Some(Done::Next)
    }

    /// Performs an operation on a lifetime, if it is one.
    pub(super) fn counts(&mut self, me: usize, instr: Instr) -> Option<Option<Done>> {
        if let Instr::KrefPutMutex(k, m) = instr {
            return Some(self.put_mutex(me, k, m));
        }
        let last_entry = match instr {
            // include/linux/refcount.h, refcount_inc: "will WARN if the counter is 0, as this
            // represents a possible use-after-free condition".
            Instr::KrefGet(k) | Instr::KrefPut(k) if self.krefs[k] == 0 => {
                self.violate(format!("use-after-release({})", KREFS[k]));
                None
            }
            Instr::KrefGet(k) => {
                self.krefs[k] += 1;
                None
            }
            // include/linux/kref.h, kref_get_unless_zero: "Return non-zero if the increment
            // succeeded. Otherwise return 0."
            Instr::KrefGetUnlessZero(k) => {
                let alive = self.krefs[k] > 0;
                self.krefs[k] += u64::from(alive);
                Some(alive)
            }
            // include/linux/kref.h, kref_read, returns refcount_read, which in
            // include/linux/refcount.h is to "get a refcount's value".
            Instr::KrefRead(k) => Some(self.krefs[k] == 1),
            // include/linux/kref.h, kref_put: "Return 1 if the object was removed".
            Instr::KrefPut(k) => {
                self.krefs[k] -= 1;
                Some(self.krefs[k] == 0)
            }
            // Documentation/dev-tools/kasan.rst: use-after-free, and double-free.
            Instr::Use(x) if self.freed[x] => {
                self.violate(format!("use-after-release({})", TRACKED[x]));
                None
            }
            Instr::Free(x) if self.freed[x] => {
                self.violate(format!("double-release({})", TRACKED[x]));
                None
            }
            Instr::Use(_) => None,
            Instr::Free(x) => {
                self.freed[x] = true;
                if self.memory_is_gone() {
                    self.look_whose_lock_is_freed();
                }
                None
            }
            Instr::ModuleGet(m)
            | Instr::ModulePut(m)
            | Instr::ModuleDelete(m)
            | Instr::ModuleFree(m)
            | Instr::ModuleCall(m) => self.module(m, instr),
            _ => return None,
        };
        self.threads[me].log.extend(last_entry.map(u64::from));
        Some(Some(Done::Next))
    }

    /// kernel/module/main.c. `struct module`, with the count in it, lies in the module's own memory
    /// (free_module: "This may be empty, but that's OK"), so a later count accesses that.
    fn module(&mut self, m: usize, instr: Instr) -> Option<bool> {
        let module = &mut self.modules[m];
        match instr {
            // delete_module finds a module by its name, in a list that does not contain freed ones.
            Instr::ModuleDelete(_) if module.freed => return Some(false),
            Instr::ModuleFree(_) if module.freed => {
                self.violate(format!("double-release({})", MODULES[m]));
            }
            _ if module.freed => self.violate(format!("use-after-release({})", MODULES[m])),
            // try_module_get: fails if the module is being unloaded.
            Instr::ModuleGet(_) => {
                module.references += u64::from(!module.going);
                return Some(!module.going);
            }
            // module_put: "WARN_ON(ret < 0); /* Failed to put refcount */".
            Instr::ModulePut(_) if module.references == 0 => {
                self.violate(format!("double-release({})", MODULES[m]));
            }
            Instr::ModulePut(_) => module.references -= 1,
            // delete_module: "Doing init or already dying?", and try_stop_module if it is unused.
            Instr::ModuleDelete(_) => {
                let goes = !module.going && module.references == 0;
                module.going |= goes;
                return Some(goes);
            }
            Instr::ModuleFree(_) => module.freed = true,
            _ => {}
        }
        None
    }

    /// Returns the leaks at the end.
    pub(super) fn leaks(&self) -> Vec<String> {
        let krefs = self.krefs.iter().zip(KREFS).filter(|(count, _)| **count > 0);
        let tracked = self.freed.iter().zip(TRACKED).filter(|(freed, _)| !**freed);
        let modules = self.modules.iter().zip(MODULES).filter(|(m, _)| m.references > 0);
        let names = krefs.map(|(_, name)| name).chain(tracked.map(|(_, name)| name));
        names.chain(modules.map(|(_, name)| name)).map(|name| format!("leak({name})")).collect()
    }
}
