//! A scenario in Rust: the same operations by the types of `selvedge_core`.

mod names;
mod steps;
mod values;

use std::fmt::Write as _;

use super::Resolved;
use super::kind::Kind;
use super::program::{Body, Class, Program};
use names::{identifier, imports};

/// Returns the scenarios as a program that checks them.
pub(crate) fn rust(scenarios: &[Resolved]) -> String {
    let mut modules: Vec<(String, String)> = Vec::new();
    for scenario in scenarios {
        let name = identifier(scenario.short());
        let taken = modules.iter().filter(|(known, _)| known.starts_with(&name)).count();
        let name = if taken > 0 { format!("{name}_{taken}") } else { name };
        modules.push((name, Printer::new(&scenario.program).module(scenario)));
    }
    let body = match modules.as_slice() {
        [(_, module)] => {
            format!(
                "{module}\nfn main() {{\n    scenario().assert_as_expected(Engine::Native);\n}}\n"
            )
        }
        several => {
            let mut text = String::new();
            let mut calls = String::new();
            for (name, module) in several {
                let module = indented(module);
                _ = write!(text, "mod {name} {{\n    use super::*;\n\n{module}}}\n\n");
                _ = writeln!(calls, "    {name}::scenario().assert_as_expected(Engine::Native);");
            }
            format!("{text}fn main() {{\n{calls}}}\n")
                .replace("fn scenario()", "pub(super) fn scenario()")
        }
    };
    let pointer = if body.contains("Pointer::new") { POINTER } else { "" };
    let all = format!("{body}{pointer}");
    let first = scenarios.first().map_or("", |scenario| scenario.program.about.as_str());
    format!("// {first}\n\n{}{all}", imports(&all))
}

/// Returns the text one step deeper.
fn indented(text: &str) -> String {
    let deeper = |line: &str| match line {
        "" => "\n".to_owned(),
        line => format!("    {line}\n"),
    };
    text.lines().map(deeper).collect()
}

/// Returns the opposite of a condition.
fn opposite(condition: &str) -> String {
    let is_call = |text: &str| text.chars().all(|c| c.is_alphanumeric() || "_.()[]".contains(c));
    match condition.strip_prefix('!') {
        Some(inner) if is_call(inner) => inner.to_owned(),
        _ if is_call(condition) => format!("!{condition}"),
        _ => format!("!({condition})"),
    }
}

/// A variable that is NULL or points to memory, as the interpreter has it.
const POINTER: &str = r#"
/// A variable that is NULL or points to memory.
struct Pointer {
    value: Atomic<i64>,
    allocated: Atomic<i64>,
    memory: Vec<Tracked>,
}

impl Pointer {
    fn new(name: &str, allocated: i64) -> Self {
        let value = Atomic::new(name.to_owned(), allocated);
        let memory = (0..4).map(|_| Tracked::new(name.to_owned(), ())).collect();
        let allocated = Atomic::new(format!("{name} (allocations)"), allocated);
        Self { value, allocated, memory }
    }

    #[allow(dead_code)]
    fn allocate(&self) {
        let number = self.allocated.fetch_add(1) + 1;
        self.value.store(number);
    }

    #[allow(dead_code)]
    fn memory(&self) -> Option<&Tracked> {
        self.memory.get(usize::try_from(self.value.load() - 1).ok()?)
    }

    fn release_rest(&self) {
        let allocated = usize::try_from(self.allocated.load()).unwrap_or(0);
        self.memory.iter().skip(allocated).for_each(Tracked::release);
    }
}
"#;

pub(super) struct Printer<'a> {
    program: &'a Program,
    /// The name of the field of each class.
    fields: Vec<String>,
    /// The classes whose locks are taken by guards alone.
    guarded: Vec<bool>,
    /// The number of labels so far.
    labels: usize,
}

impl<'a> Printer<'a> {
    fn new(program: &'a Program) -> Self {
        let mut fields: Vec<String> = Vec::new();
        for class in &program.classes {
            let name = identifier(&class.name);
            let taken = fields.iter().filter(|field| **field == name).count();
            fields.push(if taken > 0 { format!("{name}_{taken}") } else { name });
        }
        let guarded = vec![false; program.classes.len()];
        let mut printer = Self { program, fields, guarded, labels: 0 };
        for body in program.bodies.iter().chain(&program.finally) {
            printer.find_guarded(&body.steps);
        }
        printer
    }

    fn module(mut self, scenario: &Resolved) -> String {
        let program = self.program;
        let mut bodies = String::new();
        for (number, body) in program.bodies.iter().enumerate() {
            let name = self.function_name(number);
            let instances = self.has_instances(number);
            bodies += &self.body(&name, body, instances);
        }
        let finally = self.finally();
        let used = format!("{bodies}{finally}");
        let world = self.world(&used);
        let mut threads = String::new();
        for thread in &program.threads {
            let function = self.function_name(thread.body);
            let body = match self.has_instances(thread.body) {
                true => format!("|w| {function}(w, {})", thread.instance),
                false => function,
            };
            _ = writeln!(threads, "        .thread({:?}, {body})", thread.name);
        }
        let mut builder = format!("    Scenario::builder({:?}, world)\n", program.name);
        _ = writeln!(builder, "        .about({:?})", scenario.about());
        builder += &threads;
        if !finally.is_empty() {
            builder += "        .finally(finally)\n";
        }
        if program.preempt_rt {
            builder += "        .preempt_rt()\n";
        }
        if program.starvation_free {
            builder += "        .starvation_free()\n";
        }
        let end = scenario.expected.code();
        format!(
            "{world}\n{bodies}{finally}fn scenario() -> Scenario {{\n{builder}        {end}\n}}\n"
        )
    }

    fn has_instances(&self, body: usize) -> bool {
        let threads = self.program.threads.iter().filter(|thread| thread.body == body);
        threads.count() > 1
    }

    /// Returns the name of the function that a body becomes.
    fn function_name(&self, number: usize) -> String {
        let name = identifier(&self.program.bodies[number].name);
        let before = self.program.bodies[..number].iter();
        let taken = before.filter(|body| identifier(&body.name) == name).count();
        if taken > 0 { format!("{name}_{taken}") } else { name }
    }

    fn finally(&mut self) -> String {
        let program = self.program;
        let mut text = String::new();
        let mut calls = String::new();
        for (number, body) in program.finally.iter().enumerate() {
            let name = format!("finally_{number}");
            text += &self.body(&name, body, false);
            _ = writeln!(calls, "    {name}(w);");
        }
        for (class, field) in program.classes.iter().zip(&self.fields) {
            let release = match class.kind {
                Kind::Memory if !class.is_released => "x.release();",
                Kind::Kref if !class.is_released => "while !x.put() {}",
                Kind::Pointer => "x.release_rest();",
                _ => continue,
            };
            match class.is_array {
                true => {
                    _ = writeln!(calls, "    for x in &w.{field} {{\n        {release}\n    }}");
                }
                false => {
                    _ = writeln!(calls, "    {}", release.replace("x.", &format!("w.{field}.")))
                }
            }
        }
        if calls.is_empty() {
            return String::new();
        }
        format!("{text}fn finally(w: &World) {{\n{calls}}}\n\n")
    }

    /// Returns the world: its type, and the function that makes it.
    fn world(&self, used: &str) -> String {
        let (mut fields, mut made, mut names) = (String::new(), String::new(), Vec::new());
        let is_used = |field: &str| used.contains(&format!("w.{field}"));
        let order = |class: &Class| match class.kind {
            Kind::Workqueue | Kind::OrderedWorkqueue => 0,
            Kind::Memory => 1,
            _ => 2,
        };
        let mut classes: Vec<usize> = (0..self.fields.len()).collect();
        classes.sort_by_key(|class| order(&self.program.classes[*class]));
        let in_memory: Vec<usize> =
            self.program.classes.iter().flat_map(|class| class.residents.clone()).collect();
        for number in classes {
            let (class, field) = (&self.program.classes[number], &self.fields[number]);
            let queue = matches!(class.kind, Kind::Workqueue | Kind::OrderedWorkqueue);
            if class.kind == Kind::Rcu && !is_used(field) {
                continue;
            }
            let (of, expression) = self.object(class);
            let of = if class.is_array { format!("Vec<{of}>") } else { of };
            let unused = if is_used(field) || queue { "" } else { "    #[allow(dead_code)]\n" };
            let unused =
                if queue && !is_used(field) { "    #[allow(dead_code)]\n" } else { unused };
            _ = writeln!(fields, "{unused}    {field}: {of},");
            names.push(field.clone());
            if in_memory.contains(&number) {
                continue;
            }
            if class.residents.is_empty() {
                _ = writeln!(made, "    let {field} = {};", many(class, &expression));
                continue;
            }
            let mut within = String::new();
            for resident in &class.residents {
                let (of, field) = (&self.program.classes[*resident], &self.fields[*resident]);
                _ = writeln!(made, "    let mut {field} = None;");
                let expression = many(of, &self.object(of).1);
                _ = writeln!(within, "        {field} = Some({expression});");
            }
            let name = &class.name;
            _ = writeln!(made, "    let {field} = Tracked::with({name:?}, || {{\n{within}    }});");
            for resident in &class.residents {
                let field = &self.fields[*resident];
                _ = writeln!(made, "    let {field} = {field}.expect(\"made with the memory\");");
            }
        }
        let names = names.join(", ");
        format!(
            "struct World {{\n{fields}}}\n\nfn world() -> World {{\n{made}    \
             World {{ {names} }}\n}}\n"
        )
    }

    /// Returns the type of the objects of a class, and the expression that makes one.
    fn object(&self, class: &Class) -> (String, String) {
        let name = &class.name;
        let value = class.value.unwrap_or(0);
        let of =
            |kind: &str, arguments: String| (kind.to_owned(), format!("{kind}::new({arguments})"));
        let plain = |kind: &str| of(kind, format!("{name:?}"));
        let lock = |kind: &str| of(kind, format!("{name:?}, ()"));
        let runs = |kind: &str, function: &str| {
            let body = self.function_name(class.body.expect("the kind has a function"));
            (kind.to_owned(), format!("{function}({name:?}, in_world({body}))"))
        };
        match class.kind {
            Kind::Mutex => lock("Mutex"),
            Kind::SpinLock => lock("SpinLock"),
            Kind::RawSpinLock => ("SpinLock".into(), format!("SpinLock::raw({name:?}, ())")),
            Kind::RwLock => lock("RwLock"),
            Kind::RwSem => lock("RwSem"),
            Kind::Memory => lock("Tracked"),
            Kind::Semaphore => {
                of("Semaphore", format!("{name:?}, {}", class.value.unwrap_or(1).max(1)))
            }
            Kind::Rcu => of("Rcu", String::new()),
            Kind::Srcu => plain("Srcu"),
            Kind::Completion => plain("Completion"),
            Kind::WaitQueue => plain("WaitQueue"),
            Kind::Module => plain("ModuleRef"),
            Kind::Choice => plain("Choice"),
            Kind::Int => ("Atomic<i64>".into(), format!("Atomic::new({name:?}, {value})")),
            Kind::Plain => ("Plain<i64>".into(), format!("Plain::new({name:?}, {value})")),
            Kind::Pointer => of("Pointer", format!("{name:?}, {}", i64::from(value != 0))),
            Kind::Kref => {
                let more = class.value.unwrap_or(1).max(1) - 1;
                let made = format!("Kref::new({name:?})");
                let gets = "kref.get(); ".repeat(usize::try_from(more).unwrap_or(0));
                let made =
                    if more == 0 { made } else { format!("{{ let kref = {made}; {gets}kref }}") };
                ("Kref".into(), made)
            }
            Kind::Workqueue => {
                of("Workqueue", format!("{name:?}, {}", class.value.unwrap_or(256).max(1)))
            }
            Kind::OrderedWorkqueue => ("Workqueue".into(), format!("Workqueue::ordered({name:?})")),
            Kind::Work => match class.on {
                Some(queue) => runs("Work", &format!("{}.init_work", self.fields[queue])),
                None => runs("Work", "Work::new"),
            },
            Kind::Timer => runs("Timer", "Timer::new"),
            Kind::Hrtimer => runs("Timer", "Timer::hrtimer"),
            Kind::HardHrtimer => runs("Timer", "Timer::hrtimer_hard"),
            Kind::Irq => runs("Irq", "Irq::request_irq"),
            Kind::HardIrq => runs("Irq", "Irq::request_irq_no_thread"),
            Kind::ThreadedIrq => runs("Irq", "Irq::request_threaded_irq"),
            Kind::Tasklet => runs("Tasklet", "Tasklet::new"),
            Kind::Kthread => runs("Kthread", "Kthread::new"),
        }
    }

    fn body(&mut self, name: &str, body: &'a Body, instances: bool) -> String {
        let text = steps::Scope::new(self, body).function(&body.steps);
        let parameter = match instances {
            true if text.contains("instance") => ", instance: i64",
            true => ", _: i64",
            false => "",
        };
        let w = if text.contains("w.") || text.contains("(w") { "w" } else { "_w" };
        format!("fn {name}({w}: &World{parameter}) {{\n{text}}}\n\n")
    }
}

/// Returns an expression without the parentheses around all of it.
fn bare(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
        return text;
    };
    let mut open = 0i32;
    for c in inner.chars() {
        open += i32::from(c == '(') - i32::from(c == ')');
        if open < 0 {
            return text;
        }
    }
    inner
}

/// Returns the expression for the objects of a class.
fn many(class: &Class, one: &str) -> String {
    match class.is_array {
        true => format!("(0..{}).map(|_| {one}).collect()", class.count),
        false => one.to_owned(),
    }
}
