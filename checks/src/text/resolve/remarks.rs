//! What is no error, but hardly meant, as far as the text alone tells.

use super::super::kind::Kind;
use super::super::tree::{Declaration, Section};
use super::Resolver;

impl Resolver<'_> {
    /// Notes what is declared and never used, and what is read and never set.
    pub(super) fn remark(&mut self, sections: &[&Section]) {
        for (function, called) in self.functions.iter().zip(&self.called) {
            if !called {
                let remark = format!("no thread calls `{}`", function.name.text);
                self.program.remarks.push((function.name.span.clone(), remark));
            }
        }
        for declaration in sections.iter().flat_map(|section| &section.declarations) {
            for resident in &declaration.residents {
                self.remark_on(resident);
            }
            self.remark_on(declaration);
        }
    }

    fn remark_on(&mut self, declaration: &Declaration) {
        let name = &declaration.name.text;
        let Some(class) = self.class(name) else { return };
        // Memory is used by what lives in it.
        let used =
            |name: &str| self.class(name).is_some_and(|class| self.program.classes[class].is_used);
        let lives_in = declaration.residents.iter().any(|resident| used(&resident.name.text));
        let class = &self.program.classes[class];
        let remark = match start(class.kind) {
            Some(start) if !class.is_started => {
                format!("`{name}` never runs: nothing calls {start}({name})")
            }
            _ if !class.is_used && !lives_in => format!("`{name}` is declared and never used"),
            _ if class.is_read && !class.is_set && class.kind != Kind::Pointer => {
                let value = class.value.unwrap_or(0);
                format!("`{name}` is read and never set, so it is always {value}")
            }
            _ => return,
        };
        self.program.remarks.push((declaration.name.span.clone(), remark));
    }
}

/// Returns the function that lets an object of the kind run.
fn start(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Work => "queue_work",
        Kind::Timer => "mod_timer",
        Kind::Hrtimer | Kind::HardHrtimer => "hrtimer_start",
        Kind::Irq | Kind::HardIrq | Kind::ThreadedIrq => "raise",
        Kind::Tasklet => "tasklet_schedule",
        Kind::Kthread => "kthread_run",
        _ => return None,
    })
}
