//! The operations in the sources of the models.
//!
//! An operation is a call of a method of `selvedge_core::sync`, or of a model's own method that
//! stands for one; both have the attribute `track_caller`. The engines know an operation by file
//! and line, and so does this.

use std::collections::BTreeSet;
use std::path::Path;

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{ExprMethodCall, FnArg, ImplItemFn, ItemFn, ItemMod, Signature};

use super::{has, sources};
use crate::files;

/// Functions that make a world, in which no interleaving has led anywhere yet.
const WORLDS: [&str; 6] = ["new", "world", "variant", "scenarios", "with_overrides", "wireguard"];

/// Methods of `selvedge_core::sync` that are notes for the report and no operations.
const NOTES: [&str; 2] = ["promise", "fulfil"];

/// An operation: its file, its line and its method.
pub(super) type Operation = (String, usize, String);

/// Returns the operations of the models below `root`.
pub(super) fn operations(root: &Path) -> Vec<Operation> {
    let models: Vec<_> = sources(root).into_iter().map(|file| (file.parse(), file)).collect();
    let mut calls = Calls::default();
    for file in files::read(root, "core/src/sync", &["rs"]) {
        Methods(&mut calls).visit_file(&file.parse());
    }
    models.iter().for_each(|(parsed, _)| Methods(&mut calls).visit_file(parsed));
    let mut operations = Vec::new();
    for (parsed, file) in &models {
        calls.found.clear();
        calls.visit_file(parsed);
        let path = file.path.display().to_string();
        operations
            .extend(calls.found.iter().map(|(line, name)| (path.clone(), *line, name.clone())));
    }
    operations
}

/// Finds the methods whose calls are operations: those with a receiver that track their caller.
struct Methods<'a>(&'a mut Calls);

impl<'ast> Visit<'ast> for Methods<'_> {
    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        let inputs = &function.sig.inputs;
        let method = matches!(inputs.first(), Some(FnArg::Receiver(_)));
        let note = NOTES.iter().any(|note| function.sig.ident == note);
        if method && !note && has(&function.attrs, "track_caller") {
            self.0.known.insert((function.sig.ident.to_string(), inputs.len() - 1));
        }
    }
}

/// Finds the calls of such methods in a file, by line. A method is known by its name and the number
/// of its arguments.
#[derive(Default)]
struct Calls {
    known: BTreeSet<(String, usize)>,
    found: BTreeSet<(usize, String)>,
}

impl Calls {
    fn call(&mut self, span: Span, name: String, arity: usize) {
        if self.known.contains(&(name.clone(), arity)) {
            self.found.insert((span.start().line, name));
        }
    }
}

fn makes_world(signature: &Signature) -> bool {
    WORLDS.iter().any(|name| signature.ident == name)
}

impl<'ast> Visit<'ast> for Calls {
    /// The operations of a function that tracks its caller happen where it is called; what makes
    /// the world does not count.
    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !has(&function.attrs, "track_caller") && !makes_world(&function.sig) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if !has(&function.attrs, "track_caller") && !makes_world(&function.sig) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_taken_is_an_operation() {
        let operations = operations(&files::root());
        let taken =
            |(path, _, name): &Operation| path.ends_with("ap_perms/p11.rs") && name == "lock";
        assert!(operations.iter().any(taken));
        assert!(operations.len() > 1_000, "{}", operations.len());
    }
}
