//! The statements of a source file that can be left out, and the same file with each of them
//! behind a switch.

use std::ops::Range;

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ImplItemFn, ItemFn, ItemMod, Local, Pat, Stmt};

use super::has;

/// A statement that can be left out.
pub(super) struct Statement {
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    /// Where it is in the text.
    place: Range<usize>,
    kind: Kind,
}

/// How a statement is put behind a switch.
enum Kind {
    /// A call or an assignment.
    Plain,
    /// A guard that is only held: its name, and where the expression is.
    Guard(String, Range<usize>),
}

impl Statement {
    /// Returns the first line of the statement.
    pub(super) fn text<'a>(&self, source: &'a str) -> &'a str {
        source[self.place.clone()].lines().next().unwrap_or_default()
    }

    /// Returns the statement behind switch `number`.
    fn behind(&self, number: usize, source: &str) -> String {
        match &self.kind {
            Kind::Plain => {
                format!("if crate::present({number}) {{ {} }}", &source[self.place.clone()])
            }
            Kind::Guard(name, init) => {
                let init = &source[init.clone()];
                format!("let {name} = crate::present({number}).then(|| {init});")
            }
        }
    }
}

/// Returns the statements of `source`, in the order in which they begin.
pub(super) fn statements(source: &str, parsed: &syn::File) -> Vec<Statement> {
    let lines = source.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some(start)
    });
    let mut found = Found { source, lines: lines.collect(), statements: Vec::new() };
    found.visit_file(parsed);
    found.statements.sort_by_key(|statement| statement.place.start);
    found.statements
}

/// Returns `source` with each of these statements, which have their numbers, behind its switch.
pub(super) fn switched(source: &str, statements: &[(usize, &Statement)]) -> String {
    let mut text = source.to_owned();
    // From the end, so that places stay what they are.
    for (number, statement) in statements.iter().rev() {
        text.replace_range(statement.place.clone(), &statement.behind(*number, source));
    }
    text
}

struct Found<'a> {
    source: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    statements: Vec<Statement>,
}

impl Found<'_> {
    fn offset(&self, at: LineColumn) -> usize {
        let start = self.lines[at.line - 1];
        let line = &self.source[start..];
        start + line.chars().take(at.column).map(char::len_utf8).sum::<usize>()
    }

    fn range(&self, spanned: &impl Spanned) -> Range<usize> {
        let span = spanned.span();
        self.offset(span.start())..self.offset(span.end())
    }

    fn add(&mut self, statement: &Stmt, kind: Kind) {
        let line = statement.span().start().line;
        self.statements.push(Statement { line, place: self.range(statement), kind });
    }

    fn statement(&mut self, statement: &Stmt, after: &[Stmt]) {
        match statement {
            Stmt::Expr(expr, Some(_)) if is_plain(expr) && !unlocks_at_end(expr, after) => {
                self.add(statement, Kind::Plain);
            }
            Stmt::Local(local) => {
                if let Some((name, init)) = guard(local) {
                    let init = self.range(init);
                    self.add(statement, Kind::Guard(name, init));
                }
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Found<'_> {
    fn visit_block(&mut self, block: &'ast Block) {
        for (place, statement) in block.stmts.iter().enumerate() {
            let before = self.statements.len();
            visit::visit_stmt(self, statement);
            // Switches do not nest.
            if self.statements.len() == before {
                self.statement(statement, &block.stmts[place + 1..]);
            }
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        // A constant expression has no switches.
        if function.sig.constness.is_none() {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if function.sig.constness.is_none() {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !has(&module.attrs, "cfg") {
            visit::visit_item_mod(self, module);
        }
    }
}

/// Whether it is a call or an assignment that does not end the function early.
fn is_plain(expr: &Expr) -> bool {
    let plain = match expr {
        Expr::Assign(_) | Expr::MethodCall(_) => true,
        Expr::Call(call) => !is_name(&call.func, "invariant_broken"),
        Expr::Binary(binary) => is_assignment(&binary.op),
        _ => false,
    };
    plain && !Early::is_in(expr)
}

fn is_assignment(op: &syn::BinOp) -> bool {
    use syn::BinOp::{AddAssign, BitAndAssign, BitOrAssign, SubAssign};
    matches!(op, AddAssign(_) | SubAssign(_) | BitAndAssign(_) | BitOrAssign(_))
}

fn is_name(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Path(path) if path.path.is_ident(name))
}

/// A guard that is only held: `let _name = lock.lock();`. `_function` is for reports alone.
fn guard(local: &Local) -> Option<(String, &Expr)> {
    let Pat::Ident(pattern) = &local.pat else { return None };
    let init = &local.init.as_ref()?.expr;
    let Expr::MethodCall(call) = &**init else { return None };
    let takes = ["lock", "down_read", "down_write"].iter().any(|name| call.method == name);
    let name = pattern.ident.to_string();
    (takes && name.starts_with('_') && name != "_function").then_some((name, &**init))
}

/// Returns whether it is an unlock where the scope of the guard ends anyway, so that leaving it out
/// changes nothing.
fn unlocks_at_end(expr: &Expr, after: &[Stmt]) -> bool {
    let back = |statement: &Stmt| matches!(statement, Stmt::Expr(expr, _) if unlocks(expr));
    let rest = &after[after.iter().take_while(|statement| back(statement)).count()..];
    unlocks(expr)
        && match rest {
            [] => true,
            [Stmt::Expr(last, _)] => is_value(last),
            _ => false,
        }
}

/// Whether it is a value that is at hand, perhaps returned or wrapped.
fn is_value(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) | Expr::Lit(_) => true,
        Expr::Tuple(tuple) => tuple.elems.iter().all(is_value),
        Expr::Return(result) => result.expr.as_deref().is_none_or(is_value),
        Expr::Call(call) => {
            let wraps = ["Ok", "Err", "Some"].iter().any(|name| is_name(&call.func, name));
            wraps && call.args.iter().all(is_value)
        }
        _ => false,
    }
}

fn unlocks(expr: &Expr) -> bool {
    match expr {
        Expr::MethodCall(call) => {
            let names = ["unlock", "up_read", "up_write", "release"];
            call.args.is_empty() && names.iter().any(|name| call.method == name)
        }
        Expr::Call(call) => is_name(&call.func, "drop"),
        _ => false,
    }
}

/// Finds a `?` or a `return`.
struct Early(bool);

impl Early {
    fn is_in(expr: &Expr) -> bool {
        let mut early = Self(false);
        early.visit_expr(expr);
        early.0
    }
}

impl<'ast> Visit<'ast> for Early {
    fn visit_expr_try(&mut self, _: &'ast syn::ExprTry) {
        self.0 = true;
    }

    fn visit_expr_return(&mut self, _: &'ast syn::ExprReturn) {
        self.0 = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_is_put_behind_a_switch() {
        let source = "fn f() {\n    let _guard = a.lock();\n    b.set(1)?;\n    c = 2;\n    \
                      d.down(|| e());\n    let x = g();\n    guard.unlock();\n}\n";
        let parsed = syn::parse_file(source).unwrap();
        let statements = statements(source, &parsed);
        let texts: Vec<_> = statements.iter().map(|statement| statement.text(source)).collect();
        assert_eq!(texts, ["let _guard = a.lock();", "c = 2;", "d.down(|| e());"]);
        let numbered: Vec<_> = (1..).zip(&statements).collect();
        assert_eq!(
            switched(source, &numbered),
            "fn f() {\n    let _guard = crate::present(1).then(|| a.lock());\n    b.set(1)?;\n    \
             if crate::present(2) { c = 2; }\n    if crate::present(3) { d.down(|| e()); }\n    \
             let x = g();\n    guard.unlock();\n}\n"
        );
    }
}
