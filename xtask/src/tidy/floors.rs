//! No folder of `core` imports from a folder above it.

use syn::visit::{self, Visit};
use syn::{ItemMod, ItemUse, Path, UseName, UseRename, UseTree};

use super::place;
use crate::files::File;

/// The floors of `core/src`, from the ground up. A file belongs to the first floor that names its
/// path or a folder that it is in; what no floor names is on the top floor, with `lib.rs`.
const FLOORS: &[&[&str]] = &[
    &[
        "cpu",
        "cycles",
        "fingerprint",
        "incomplete",
        "machine",
        "memory",
        "mix",
        "name",
        "op",
        "operations",
        "panics",
        "program",
        "renaming",
        "schedule",
        "search",
        "shard",
        "violation",
        "wait",
    ],
    &["explore"],
    &["observe"],
    &["runtime"],
    &["declare", "sync", "thread"],
    &["checkpoint", "expectation", "limits", "report", "scenario"],
    &["engine"],
];

const CORE: &str = "core/src";

pub(super) fn check(files: &[File]) -> Vec<String> {
    files.iter().filter(|file| file.path.starts_with(CORE)).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<String> {
    let own = module_path(file);
    let mut imports = Imports { module: own.clone(), found: Vec::new() };
    imports.visit_file(&file.parse());
    let upwards = imports.found.into_iter().filter(|(_, path)| floor(path) > floor(&own));
    upwards
        .map(|(line, path)| {
            place(file, line, &format!("imports `{}`, a floor above", path.join("::")))
        })
        .collect()
}

/// Returns the module that a file is.
fn module_path(file: &File) -> Vec<String> {
    let path = file.path.strip_prefix(CORE).expect("it is in core").with_extension("");
    let mut parts: Vec<String> =
        path.iter().map(|part| part.to_str().expect("a module has a name").to_owned()).collect();
    parts.retain(|part| part != "mod" && part != "lib");
    parts
}

/// Returns the number of the floor that a module or an item in it is on.
fn floor(path: &[String]) -> usize {
    let path = path.join("/");
    let on = |name: &&str| path == **name || path.starts_with(&format!("{name}/"));
    FLOORS.iter().position(|floor| floor.iter().any(on)).unwrap_or(FLOORS.len())
}

/// Collects what a file refers to by a path from `crate` and `super`, outside of tests.
struct Imports {
    module: Vec<String>,
    found: Vec<(usize, Vec<String>)>,
}

impl Imports {
    fn collect(&mut self, tree: &UseTree, mut path: Vec<String>) {
        match tree {
            UseTree::Path(step) => {
                match step.ident.to_string().as_str() {
                    "crate" => path.clear(),
                    "super" => drop(path.pop()),
                    "self" => {}
                    name => path.push(name.to_owned()),
                }
                self.collect(&step.tree, path);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.collect(item, path.clone()));
            }
            UseTree::Name(UseName { ident }) | UseTree::Rename(UseRename { ident, .. }) => {
                path.push(ident.to_string());
                self.found.push((ident.span().start().line, path));
            }
            UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let UseTree::Path(first) = &item.tree else { return };
        if ["crate", "super", "self"].iter().any(|name| first.ident == name) {
            self.collect(&item.tree, self.module.clone());
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let mut names = path.segments.iter().map(|segment| segment.ident.to_string()).peekable();
        let line = path.segments[0].ident.span().start().line;
        let mut module = self.module.clone();
        match names.next().as_deref() {
            Some("crate") if names.peek().is_some() => module.clear(),
            Some("super") if names.peek().is_some() => drop(module.pop()),
            _ => return visit::visit_path(self, path),
        }
        while names.next_if(|name| name == "super").is_some() {
            module.pop();
        }
        module.extend(names);
        self.found.push((line, module));
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }
}
