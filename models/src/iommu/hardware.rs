//! The hardware: PCI functions, the translation tables that they are registered with, and the
//! translations that they cache.
//!
//! A function translates addresses by the table that it is registered with (its *IOAT*), and keeps
//! the translations in its TLB until it is refreshed. Tables are ordinary memory, so a freed table
//! is noticed where the function or the driver walks it. Only the hardware sees both, so its rules
//! are checked here.
//!
//! | | broken when |
//! |---|---|
//! | I-4a | a table is freed by a party other than its owner |
//! | I-4b | a table is walked, changed or registered after its free, or freed while registered |
//! | I-4c | a table is freed twice |
//! | I-6 | the function of a released device is registered |
//! | I-8 | a registered function is registered, or an unregistered one unregistered |
//! | I-11 | a function uses a translation after its flush |
//!
//! Source: `arch/s390/pci/pci_insn.c` and `pci_dma.c`. "modify PCI function controls" registers and
//! unregisters, and "refresh PCI translations" flushes.

use std::collections::{BTreeMap, BTreeSet};

use selvedge_core::sync;
use selvedge_core::{invariant_broken, might_sleep};

/// A translation table, by its owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    /// The table of a domain.
    Domain(u8),
    /// A table that `zpci_dma_init_device` has created. Such tables are numbered.
    DmaApi(u8),
    /// No table, so that addresses are not translated.
    Identity,
}

/// A page of the address space of a function.
pub type Page = u8;

/// The result of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cc {
    /// Condition code 0.
    Ok,
    /// Condition code 1 for a reason that the kernel does not distinguish.
    Error,
    /// Condition code 1 with the status that the function is in its error state.
    FuncNotAvail,
    /// Condition code 2 once, since the function was busy. The repeated instruction succeeds.
    Busy,
    /// Condition code 3: the function no longer exists.
    InvalidHandle,
}

/// The rules that a scenario checks. A violation of any other rule does not end the execution.
pub type Rules = fn(&str) -> bool;

/// The hardware.
#[derive(Debug)]
pub struct Hardware {
    state: sync::Hardware<State>,
    rules: Rules,
}

#[derive(PartialEq, Eq, Hash, Debug, Default)]
struct State {
    functions: Vec<Function>,
    tables: BTreeMap<Table, Memory>,
    /// The number of tables of the DMA API that have been created.
    made: u8,
    /// Pages that are unmapped and flushed, and must no longer be reached through the table.
    flushed: BTreeSet<(Table, Page)>,
}

#[derive(PartialEq, Eq, Hash, Debug, Default)]
struct Function {
    absent: bool,
    error: bool,
    /// Whether the next instruction finds the function busy.
    busy: bool,
    /// Which registrations fail.
    refuses: Refuses,
    /// The progress of the release of the function's device.
    release: Release,
    registered: Option<Table>,
    tlb: BTreeSet<(Table, Page)>,
}

/// The registrations that fail for a reason inside the hardware.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Refuses {
    #[default]
    Nothing,
    Next,
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
enum Release {
    #[default]
    Not,
    Begun,
    Done,
}

/// A table, possibly freed.
#[derive(PartialEq, Eq, Hash, Debug, Default)]
struct Memory {
    freed: bool,
    valid: BTreeSet<Page>,
}

/// A rule that is broken, with a message.
type Broken = Option<(&'static str, String)>;

impl Hardware {
    /// Creates hardware with this number of functions, and a table for each of this number of
    /// domains.
    pub fn new(functions: usize, domains: u8, rules: Rules) -> Self {
        let state = State {
            functions: (0..functions).map(|_| Function::default()).collect(),
            tables: (0..domains).map(|d| (Table::Domain(d), Memory::default())).collect(),
            ..State::default()
        };
        Self { state: sync::Hardware::new("hardware", state), rules }
    }

    /// Returns whether the scenario checks the rule `id`.
    pub fn checks(&self, id: &str) -> bool {
        (self.rules)(id)
    }

    #[track_caller]
    fn execute<R: Copy + std::hash::Hash + Send + Sync + 'static>(
        &self,
        name: &'static str,
        instruction: impl FnOnce(&mut State) -> (R, Broken),
    ) -> R {
        let (result, broken) = self.state.execute(name, instruction);
        if let Some((id, message)) = broken {
            rule_broken(self, id, message);
        }
        result
    }

    /// Models `zpci_mod_fc`, which repeats the instruction if the function is busy, after a pause
    /// in which it sleeps.
    #[track_caller]
    fn zpci_mod_fc(
        &self,
        name: &'static str,
        zdev: usize,
        instruct: impl Fn(&mut State) -> (Cc, Broken),
    ) -> Cc {
        let modify = |state: &mut State| {
            let function = &mut state.functions[zdev];
            if function.absent {
                return (Cc::InvalidHandle, None);
            }
            if function.error {
                return (Cc::FuncNotAvail, None);
            }
            if std::mem::take(&mut function.busy) {
                return (Cc::Busy, None);
            }
            instruct(state)
        };
        match self.execute(name, modify) {
            Cc::Busy => {
                might_sleep("zpci_mod_fc");
                self.execute(name, modify)
            }
            cc => cc,
        }
    }

    /// Models `zpci_register_ioat`. The TLB is then empty, since nothing was registered.
    #[track_caller]
    pub fn zpci_register_ioat(&self, zdev: usize, table: Table) -> Cc {
        self.zpci_mod_fc("MPCIFC: register", zdev, |state| {
            let function = &mut state.functions[zdev];
            match function.refuses {
                Refuses::Nothing => {}
                Refuses::Next => {
                    function.refuses = Refuses::Nothing;
                    return (Cc::Error, None);
                }
                Refuses::All => return (Cc::Error, None),
            }
            if let Some(other) = function.registered {
                let what = format!("{table:?} is registered, and {other:?} is registered already");
                return (Cc::Error, Some(("I-8", what)));
            }
            function.registered = Some(table);
            let released = function.release == Release::Done;
            let sticky =
                || ("I-6", "a function is registered whose device was released".to_owned());
            let broken = state.touched(table, "registered");
            (Cc::Ok, broken.or_else(|| released.then(sticky)))
        })
    }

    /// Models `zpci_unregister_ioat`.
    #[track_caller]
    pub fn zpci_unregister_ioat(&self, zdev: usize) -> Cc {
        self.zpci_mod_fc("MPCIFC: unregister", zdev, |state| {
            let function = &mut state.functions[zdev];
            function.tlb.clear();
            match function.registered.take() {
                Some(_) => (Cc::Ok, None),
                None => (Cc::Error, Some(("I-8", "nothing is registered to unregister".into()))),
            }
        })
    }

    /// Models `zpci_refresh_trans`, RPCIT, which drops the translations of `pages`. It never
    /// sleeps, and its error on a function that is gone or not registered is harmless.
    ///
    /// # Errors
    ///
    /// Any result other than condition code 0.
    #[track_caller]
    pub fn zpci_refresh_trans(&self, zdev: usize, pages: &BTreeSet<Page>) -> Result<(), Cc> {
        let cc = self.state.execute("RPCIT", |state| {
            let function = &mut state.functions[zdev];
            function.tlb.retain(|(_, page)| !pages.contains(page));
            match (function.absent, function.registered) {
                (true, _) => Cc::InvalidHandle,
                (false, None) => Cc::Error,
                (false, Some(_)) => Cc::Ok,
            }
        });
        if cc == Cc::Ok { Ok(()) } else { Err(cc) }
    }

    /// Reads or writes at `page` from the function.
    #[track_caller]
    pub fn dma(&self, zdev: usize, page: Page) {
        self.execute("DMA", |state| {
            let function = &mut state.functions[zdev];
            if let Some((table, _)) = function.tlb.iter().find(|(_, cached)| *cached == page) {
                let stale = state.flushed.contains(&(*table, page));
                let what = || format!("function {zdev} uses page {page} after its flush");
                return ((), stale.then(|| ("I-11", what())));
            }
            let Some(table) = function.registered.filter(|_| !function.absent) else {
                return ((), None);
            };
            if state.tables.get(&table).is_some_and(|memory| memory.valid.contains(&page)) {
                function.tlb.insert((table, page));
            }
            ((), state.touched(table, "walked by a function"))
        });
    }

    /// Makes the table's entry for `page` valid or invalid.
    #[track_caller]
    pub fn dma_update_cpu_trans(&self, table: Table, page: Page, valid: bool) {
        self.execute("dma_update_cpu_trans", |state| {
            if let Some(memory) = state.tables.get_mut(&table) {
                if valid {
                    memory.valid.insert(page);
                } else {
                    memory.valid.remove(&page);
                }
            }
            ((), state.touched(table, "changed"))
        });
    }

    /// Records that `page` was flushed and is reused, as the code that unmapped it assumes.
    #[track_caller]
    pub fn hands_out_again(&self, table: Table, page: Page) {
        self.state.execute("reuse", |state| _ = state.flushed.insert((table, page)));
    }

    /// Models `dma_alloc_cpu_table` for the DMA API.
    #[track_caller]
    pub fn dma_alloc_cpu_table(&self) -> Table {
        self.state.execute("dma_alloc_cpu_table", |state| {
            state.made += 1;
            let table = Table::DmaApi(state.made);
            state.tables.insert(table, Memory::default());
            table
        })
    }

    /// Models `dma_cleanup_tables`, called by the owner of the table or by the DMA API, which does
    /// not own the table of a domain.
    #[track_caller]
    pub fn dma_cleanup_tables(&self, table: Table, owner: bool) {
        self.execute("dma_cleanup_tables", |state| {
            let registered = |f: &Function| f.registered == Some(table) && !f.absent;
            let registered = state.functions.iter().any(registered);
            let Some(memory) = state.tables.get_mut(&table) else { return ((), None) };
            let twice = std::mem::replace(&mut memory.freed, true);
            let broken = if twice {
                Some(("I-4c", "is freed twice"))
            } else if !owner && matches!(table, Table::Domain(_)) {
                Some(("I-4a", "is freed by the DMA API"))
            } else if registered {
                Some(("I-4b", "is freed, and a function walks it"))
            } else {
                None
            };
            ((), broken.map(|(id, what)| (id, format!("{table:?} {what}"))))
        });
    }

    /// Returns the table that the function is registered with.
    #[track_caller]
    pub fn registered(&self, zdev: usize) -> Option<Table> {
        self.state.execute("read the registration", |state| state.functions[zdev].registered)
    }

    /// Disables the function, which loses its registration.
    #[track_caller]
    pub fn disable(&self, zdev: usize) {
        self.state.execute("the function is disabled", |state| {
            state.functions[zdev].registered = None;
            state.functions[zdev].tlb.clear();
        });
    }

    /// Unplugs the function.
    #[track_caller]
    pub fn surprise_removal(&self, zdev: usize) {
        self.state.execute("the function is unplugged", |state| {
            let release = state.functions[zdev].release;
            state.functions[zdev] = Function { absent: true, release, ..Function::default() };
        });
    }

    /// Moves the function into its error state, in which nothing can be registered, or out of it.
    #[track_caller]
    pub fn set_error(&self, zdev: usize, error: bool) {
        self.state.execute("error state", |state| {
            state.functions[zdev].error = error;
            state.functions[zdev].registered = None;
            state.functions[zdev].tlb.clear();
        });
    }

    /// Makes the next instruction for the function report once that the function is busy.
    #[track_caller]
    pub fn set_busy(&self, zdev: usize) {
        self.state.execute("busy from now on", |state| state.functions[zdev].busy = true);
    }

    /// Makes the next registration of the function fail for a reason inside the hardware.
    #[track_caller]
    pub fn refuse_once(&self, zdev: usize) {
        self.state.execute("refuses once", |state| state.functions[zdev].refuses = Refuses::Next);
    }

    /// Makes every registration of the function fail from now on.
    #[track_caller]
    pub fn refuse_all(&self, zdev: usize) {
        self.state
            .execute("refuses from now on", |state| state.functions[zdev].refuses = Refuses::All);
    }

    /// Records that the core begins to release the device.
    #[track_caller]
    pub fn release_begins(&self, zdev: usize) {
        self.state
            .execute("the release begins", |state| state.functions[zdev].release = Release::Begun);
    }

    /// Records that the device was released.
    #[track_caller]
    pub fn release_ends(&self, zdev: usize) {
        self.state
            .execute("the release ends", |state| state.functions[zdev].release = Release::Done);
    }

    /// Returns whether the core has begun to release the device.
    #[track_caller]
    pub fn is_released(&self, zdev: usize) -> bool {
        self.state
            .execute("test for the release", |state| state.functions[zdev].release > Release::Not)
    }

    /// Returns whether the function has been unplugged.
    #[track_caller]
    pub fn is_absent(&self, zdev: usize) -> bool {
        self.state.execute("test for absence", |state| state.functions[zdev].absent)
    }

    /// Returns a table that leaked: one of the DMA API that is not `used`, or one that should be
    /// `freed`.
    #[track_caller]
    pub fn leaked_table(&self, used: &[Table], freed: &[Table]) -> Option<Table> {
        self.state.execute("check for leaks", |state| {
            let mut live = state.tables.iter().filter(|(_, memory)| !memory.freed);
            let left = |table: &Table| match table {
                Table::DmaApi(_) => !used.contains(table),
                _ => freed.contains(table),
            };
            live.find(|(table, _)| left(table)).map(|(table, _)| *table)
        })
    }
}

/// Reports that `id` is broken, if the scenario checks it.
#[track_caller]
pub fn rule_broken(hardware: &Hardware, id: &str, message: impl Into<String>) {
    if hardware.checks(id) {
        invariant_broken(id, message);
    }
}

impl State {
    fn touched(&self, table: Table, how: &str) -> Broken {
        let freed = self.tables.get(&table).is_some_and(|memory| memory.freed);
        freed.then(|| ("I-4b", format!("{table:?} is {how} after it was freed")))
    }
}
