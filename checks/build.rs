//! Lists the operations in the sources of the models, so that `selvedge verify` can say which of
//! them no execution has reached; and gives the sources of what is explored a number, so that what
//! was begun with others is not gone on with.
//!
//! An operation is a call of a method of `selvedge_core::sync`, or of a model's own method that
//! stands for one and says so by `#[track_caller]`. It is known by its file and line, as the
//! engines know it.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{Attribute, ExprMethodCall, FnArg, ImplItemFn, ItemFn, ItemMod};

/// The operations of `selvedge_core::sync`, with the number of their arguments.
const PRIMITIVES: &[(&str, usize)] = &[
    ("lock", 0),
    ("lock_interruptible", 0),
    ("try_lock", 0),
    ("unlock", 0),
    ("raw_lock", 0),
    ("raw_unlock", 0),
    ("down_read", 0),
    ("try_down_read", 0),
    ("up_read", 0),
    ("down_write", 0),
    ("try_down_write", 0),
    ("up_write", 0),
    ("wait_event", 1),
    ("wait_event_cmd", 3),
    ("wait_event_exclusive", 1),
    ("wait_event_timeout", 1),
    ("wait_event_interruptible", 1),
    ("wait_event_killable", 1),
    ("synchronize", 0),
    ("mod_timer", 0),
    ("del_timer", 0),
    ("del_timer_sync", 0),
    ("queue_work", 0),
    ("queue_work", 1),
    ("flush_work", 0),
    ("cancel_work_sync", 0),
    ("flush_workqueue", 0),
    ("drain_workqueue", 0),
    ("destroy_workqueue", 0),
    ("this_cpu", 0),
    ("complete", 0),
    ("complete_all", 0),
    ("reinit_completion", 0),
    ("completion_done", 0),
    ("wait_for_completion", 0),
    ("wait_for_completion_timeout", 0),
    ("wait_for_completion_interruptible", 0),
    ("try_wait_for_completion", 0),
    ("wait", 1),
    ("wait_while", 2),
    ("wait_timeout", 1),
    ("notify_one", 0),
    ("notify_all", 0),
    ("prepare_to_wait", 0),
    ("prepare_to_wait_exclusive", 0),
    ("schedule", 0),
    ("finish_wait", 0),
    ("wake_up", 0),
    ("wake_up_nr", 1),
    ("waitqueue_active", 0),
    ("wake_up_all", 0),
    ("load", 0),
    ("load", 1),
    ("store", 1),
    ("store", 2),
    ("swap", 1),
    ("swap", 2),
    ("fetch_add", 1),
    ("fetch_add", 2),
    ("compare_exchange", 2),
    ("get", 0),
    ("get_unless_zero", 0),
    ("put", 0),
    ("try_get", 0),
    ("delete", 0),
    ("free", 0),
    ("call", 0),
    ("release", 0),
    ("execute", 2),
    ("execute_checked", 2),
    ("update", 1),
    ("check", 2),
    ("join", 0),
];

/// What is no model: the scenarios, and the programs to measure with.
const NO_MODELS: [&str; 3] = ["scenarios", "scenarios.rs", "programs.rs"];

/// What decides how a scenario is explored.
const EXPLORED: [&str; 4] = ["../core/src", "../models/src", "../models/iova/src", "../Cargo.lock"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("operations.rs"), operations()).expect("OUT_DIR can be written to");
    fs::write(out.join("sources.rs"), format!("{:#x}", fingerprint())).expect("as above");
}

/// A number that other sources do not have.
fn fingerprint() -> u64 {
    let mut files = Vec::new();
    for root in EXPLORED {
        println!("cargo:rerun-if-changed={root}");
        sources(Path::new(root), &mut files);
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        let text = fs::read(&file).expect("it was just listed");
        (file, text).hash(&mut hasher);
    }
    hasher.finish()
}

/// The operations of the models, as an expression: files, lines and names.
fn operations() -> String {
    let mut files = Vec::new();
    sources(Path::new("../models/src"), &mut files);
    files.retain(|path| !path.iter().any(|part| NO_MODELS.iter().any(|no| part == *no)));
    files.sort();
    let parse = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("it was just listed");
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let parsed: Vec<_> = files.iter().map(|path| (path, parse(path))).collect();
    let mut operations = Operations::default();
    operations.known.extend(PRIMITIVES.iter().map(|(name, arity)| ((*name).to_owned(), *arity)));
    parsed.iter().for_each(|(_, file)| Stands(&mut operations).visit_file(file));
    let mut list = String::from("[\n");
    for (path, file) in &parsed {
        operations.found.clear();
        operations.visit_file(file);
        let path = path.strip_prefix("..").expect("it is under it").display().to_string();
        for (line, name) in &operations.found {
            list.push_str(&format!("    ({path:?}, {line}, {name:?}),\n"));
        }
    }
    list.push(']');
    list
}

/// The files in `path`, or `path` itself.
fn sources(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("it is beside") {
            sources(&entry.expect("it can be read").path(), files);
        }
    } else {
        files.push(path.to_owned());
    }
}

fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident(name))
}

/// Finds the methods that stand for an operation.
struct Stands<'a>(&'a mut Operations);

impl<'ast> Visit<'ast> for Stands<'_> {
    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        let inputs = &function.sig.inputs;
        if has(&function.attrs, "track_caller")
            && matches!(inputs.first(), Some(FnArg::Receiver(_)))
        {
            let name = function.sig.ident.to_string();
            self.0.known.insert((name, inputs.len() - 1));
        }
    }
}

/// Finds the operations of a file, by line.
#[derive(Default)]
struct Operations {
    known: BTreeSet<(String, usize)>,
    found: BTreeSet<(usize, String)>,
}

impl Operations {
    fn call(&mut self, span: Span, name: String, arity: usize) {
        if self.known.contains(&(name.clone(), arity)) {
            self.found.insert((span.start().line, name));
        }
    }
}

impl<'ast> Visit<'ast> for Operations {
    /// What a function does that stands for an operation happens where it is called; what makes
    /// the world does not count.
    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !has(&function.attrs, "track_caller") && function.sig.ident != "new" {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if !has(&function.attrs, "track_caller") {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.call(call.method.span(), call.method.to_string(), call.args.len());
        visit::visit_expr_method_call(self, call);
    }
}
