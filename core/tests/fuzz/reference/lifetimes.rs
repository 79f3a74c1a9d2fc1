//! Reference counts, objects that can be freed, and modules.

use super::super::program::{Instr, KREFS, MODULES, TRACKED};
use super::{Done, State};

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

    /// Performs an operation on a lifetime, if it is one.
    pub(super) fn counts(&mut self, me: usize, instr: Instr) -> Option<Option<Done>> {
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
