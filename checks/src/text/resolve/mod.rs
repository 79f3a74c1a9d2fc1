//! Names become objects, variables and functions.

mod arguments;
mod expressions;
mod functions;
mod remarks;
mod statements;

use selvedge_core::Name;

use super::error::{Wrong, listed, nearest};
use super::kind::Kind;
use super::pasted;
use super::program::{Body, Class, Program, ThreadOf};
use super::tree::{Block, Declaration, Expression, Function, Section, Span, Word};

/// Returns the scenario of a section, which has what the shared section has too.
pub(crate) fn resolve(
    (file, text): (&str, &str),
    name: &str,
    sections: &[&Section],
) -> Result<Program, Wrong> {
    let functions: Vec<&Function> = sections.iter().flat_map(|s| &s.functions).collect();
    let program = Program {
        name: name.to_owned(),
        file: Name::from(file.to_owned()).as_str(),
        preempt_rt: sections.iter().any(|section| section.preempt_rt),
        starvation_free: sections.iter().any(|section| section.starvation_free),
        claims: sections.iter().flat_map(|section| section.claims.clone()).collect(),
        about: last(sections, |section| section.about.as_ref()),
        source: last(sections, |section| section.source.as_ref()),
        ..Program::default()
    };
    let called = vec![false; functions.len()];
    let mut resolver = Resolver { text, program, functions, called, objects: 0 };
    resolver.section(sections)?;
    resolver.remark(sections);
    Ok(resolver.program)
}

fn last<'a>(sections: &[&'a Section], of: impl Fn(&'a Section) -> Option<&'a String>) -> String {
    sections.iter().rev().find_map(|section| of(section)).cloned().unwrap_or_default()
}

struct Resolver<'a> {
    text: &'a str,
    program: Program,
    functions: Vec<&'a Function>,
    /// Which of the functions some body calls.
    called: Vec<bool>,
    /// The number of objects so far.
    objects: usize,
}

/// What a body is resolved in.
struct Scope<'a> {
    /// The variables and parameters that are visible, innermost last.
    bound: Vec<(&'a str, Bound<'a>)>,
    /// The names of the variables of the body so far.
    variables: Vec<String>,
    /// The functions of the text that are being called, and the place of each call.
    calls: Vec<&'a str>,
    /// The class of the thread whose function this is.
    kthread: Option<usize>,
    /// The number of loops around.
    loops: usize,
}

/// What a name of a body stands for.
#[derive(Clone)]
enum Bound<'a> {
    Variable(usize),
    /// A parameter that is an object: the argument, and what was visible at the call.
    Object(&'a Word, Option<&'a Expression>, Vec<(&'a str, Bound<'a>)>),
}

impl<'a> Resolver<'a> {
    fn section(&mut self, sections: &[&'a Section]) -> Result<(), Wrong> {
        self.add_class(Kind::Rcu, "rcu", 0, None);
        let declarations: Vec<&Declaration> =
            sections.iter().flat_map(|section| &section.declarations).collect();
        for declaration in &declarations {
            self.declare(declaration)?;
        }
        self.find_duplicates(sections)?;
        let with_residents =
            || declarations.iter().flat_map(|d| [*d].into_iter().chain(&d.residents));
        // The queues are known before any function queues a work.
        for declaration in with_residents() {
            self.bind_queue(declaration)?;
        }
        for declaration in with_residents() {
            self.bind(declaration)?;
        }
        for thread in sections.iter().flat_map(|section| &section.threads) {
            let body = self.body(&thread.name.text, &thread.body, None)?;
            // What the body calls later has a body before it.
            let number = self.program.bodies.len();
            self.program.bodies.push(body);
            for instance in 0..thread.instances.unwrap_or(1) {
                let name = match thread.instances {
                    Some(_) => format!("{} {}", thread.name.text, instance + 1),
                    None => thread.name.text.clone(),
                };
                self.program.threads.push(ThreadOf { name, instance, body: number });
            }
        }
        for block in sections.iter().flat_map(|section| &section.finally) {
            let body = self.body("finally", block, None)?;
            self.program.finally.push(body);
        }
        match self.program.threads.is_empty() {
            true => Err(Wrong::new(&(0..0), "the scenario has no thread")
                .help("thread probe: mutex_lock(a); mutex_unlock(a)")),
            false => Ok(()),
        }
    }

    fn line_of(&self, span: &Span) -> u32 {
        let before = &self.text[..span.start.min(self.text.len())];
        u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX)
    }

    fn add_class(&mut self, kind: Kind, name: &str, line: u32, count: Option<i64>) -> usize {
        let is_array = count.is_some();
        let count = count.map_or(1, |count| usize::try_from(count).unwrap_or(1));
        let first = self.objects;
        self.objects += count;
        self.program.classes.push(Class {
            kind,
            name: name.to_owned(),
            word: kind.word().to_owned(),
            line,
            first,
            count,
            is_array,
            value: None,
            on: None,
            body: None,
            residents: Vec::new(),
            is_released: false,
            is_started: false,
            is_used: false,
            is_read: false,
            is_set: false,
            bit: None,
        });
        self.program.classes.len() - 1
    }

    fn declare(&mut self, declaration: &'a Declaration) -> Result<usize, Wrong> {
        let kind = Kind::named(&declaration.kind.text).expect("the parser knows the kind");
        let line = self.line_of(&declaration.name.span);
        let class = self.add_class(kind, &declaration.name.text, line, declaration.count);
        self.program.classes[class].value = declaration.value;
        self.program.classes[class].word.clone_from(&declaration.kind.text);
        if !declaration.residents.is_empty() && declaration.count.is_some() {
            let wrong = "memory with locks in it is no array here";
            return Err(Wrong::new(&declaration.name.span, wrong));
        }
        for resident in &declaration.residents {
            let resident = self.declare(resident)?;
            self.program.classes[class].residents.push(resident);
        }
        Ok(class)
    }

    /// Resolves the queue that a declaration names.
    fn bind_queue(&mut self, declaration: &Declaration) -> Result<(), Wrong> {
        let class = self.class(&declaration.name.text).expect("declared before");
        if let Some(queue) = &declaration.on {
            let found = self.class(&queue.text).filter(|class| {
                let kind = self.program.classes[*class].kind;
                matches!(kind, Kind::Workqueue | Kind::OrderedWorkqueue)
            });
            let Some(found) = found else {
                let wrong = Wrong::new(&queue.span, format!("`{}` is no workqueue", queue.text));
                return Err(wrong.help(format!("declare it: workqueue {}", queue.text)));
            };
            self.program.classes[class].on = Some(found);
            self.program.classes[found].is_used = true;
        }
        Ok(())
    }

    /// Resolves the function of a declaration.
    fn bind(&mut self, declaration: &'a Declaration) -> Result<(), Wrong> {
        let class = self.class(&declaration.name.text).expect("declared before");
        if let Some(block) = &declaration.body {
            let of = (self.program.classes[class].kind == Kind::Kthread).then_some(class);
            let body = self.body(&declaration.name.text, block, of)?;
            self.program.bodies.push(body);
            self.program.classes[class].body = Some(self.program.bodies.len() - 1);
        }
        Ok(())
    }

    fn body(
        &mut self,
        name: &str,
        block: &'a Block,
        kthread: Option<usize>,
    ) -> Result<Body, Wrong> {
        let mut scope = Scope {
            bound: Vec::new(),
            variables: Vec::new(),
            calls: Vec::new(),
            kthread,
            loops: 0,
        };
        let steps = self.block(block, &mut scope)?;
        Ok(Body { name: name.to_owned(), steps, variables: scope.variables })
    }

    fn class(&self, name: &str) -> Option<usize> {
        self.program.classes.iter().rposition(|class| class.name == name)
    }

    fn find_duplicates(&self, sections: &[&Section]) -> Result<(), Wrong> {
        let declared = sections.iter().flat_map(|section| {
            let residents = section.declarations.iter().flat_map(|d| &d.residents);
            let declarations = section.declarations.iter().chain(residents);
            let functions = section.functions.iter().map(|function| &function.name);
            declarations.map(|declaration| &declaration.name).chain(functions)
        });
        let named: Vec<&Word> = declared.collect();
        duplicate(&named)?;
        let threads: Vec<&Word> =
            sections.iter().flat_map(|s| s.threads.iter().map(|thread| &thread.name)).collect();
        duplicate(&threads)
    }

    /// Returns why the name is none of an object. It may have been meant for an object of these
    /// kinds, or without any, for whatever has a name.
    fn unknown(&self, word: &Word, scope: &Scope<'_>, kinds: &[Kind]) -> Wrong {
        let classes = self.program.classes.iter().skip(1);
        let classes = classes.filter(|class| kinds.is_empty() || kinds.contains(&class.kind));
        let bound = scope.bound.iter().filter(|(_, bound)| match bound {
            Bound::Variable(_) => kinds.is_empty(),
            Bound::Object(argument, ..) => {
                let class =
                    self.class(&argument.text).map(|class| self.program.classes[class].kind);
                kinds.is_empty() || class.is_some_and(|kind| kinds.contains(&kind))
            }
        });
        let bound = bound.map(|(name, _)| *name);
        let known: Vec<&str> = classes.map(|class| class.name.as_str()).chain(bound).collect();
        let wrong = Wrong::new(&word.span, format!("`{}` is not declared", word.text));
        if let Some(help) = pasted::name(&word.text) {
            return wrong.help(help);
        }
        let kind = kinds.first().copied().unwrap_or(Kind::Mutex);
        match nearest(&word.text, known.iter().copied()).as_slice() {
            [] if known.is_empty() => {
                let body = if kind.has_body() { ": .." } else { "" };
                wrong.help(format!("declare it: {} {}{body}", kind.word(), word.text))
            }
            [] => wrong.help(format!("declared: {}", known.join(", "))),
            near => wrong.label(format!("meant: {}?", listed(near))),
        }
    }
}

fn duplicate(words: &[&Word]) -> Result<(), Wrong> {
    for (at, word) in words.iter().enumerate() {
        if let Some(before) = words[..at].iter().find(|before| before.text == word.text) {
            return Err(Wrong::new(&word.span, format!("`{}` is declared again", word.text))
                .label("here again")
                .note(&before.span, "declared here"));
        }
    }
    Ok(())
}
