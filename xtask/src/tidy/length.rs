//! A file has one subject and a function does one thing; past a length, neither is likely.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn};

use super::place;
use crate::files::File;

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

/// Lists of scenarios, tables of expectations and of random instructions: data, which has no
/// natural length.
const DATA: [&str; 4] = ["scenarios", "tables", "reference", "themes"];

pub(super) fn check(files: &[File]) -> Vec<String> {
    let sources = files.iter().filter(|file| file.has_extension("rs"));
    let code = sources.filter(|file| !is_data(file));
    code.flat_map(check_file).collect()
}

fn is_data(file: &File) -> bool {
    let parts = file.path.iter().filter_map(|part| part.to_str());
    parts.map(|part| part.trim_end_matches(".rs")).any(|part| DATA.contains(&part))
}

fn check_file(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    let mut wrong = Vec::new();
    if lines > FILE_LINES {
        wrong.push(place(file, 1, &format!("{lines} lines, and {FILE_LINES} is the limit")));
    }
    Functions { file, wrong: &mut wrong }.visit_file(&file.parse());
    wrong
}

struct Functions<'a> {
    file: &'a File,
    wrong: &'a mut Vec<String>,
}

impl Functions<'_> {
    fn check(&mut self, name: &syn::Ident, block: &Block) {
        let span = block.span();
        let lines = span.end().line - span.start().line + 1;
        if lines > FUNCTION_LINES {
            let message = format!("`{name}` has {lines} lines, and {FUNCTION_LINES} is the limit");
            self.wrong.push(place(self.file, name.span().start().line, &message));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.check(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.check(&function.sig.ident, &function.block);
        visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, text: String) -> Vec<String> {
        check(&[File { path: path.into(), text }])
    }

    #[test]
    fn a_long_function_and_a_long_file_are_named() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "x();\n".repeat(lines - 2));
        assert!(of("a.rs", function(70)).is_empty());
        assert_eq!(of("a.rs", function(71)), ["a.rs:1: `f` has 71 lines, and 70 is the limit"]);
        assert!(of("scenarios/a.rs", function(71)).is_empty());
        assert!(of("a.rs", "\n".repeat(500)).is_empty());
        assert_eq!(of("a.rs", "\n".repeat(501)).len(), 1);
    }
}
