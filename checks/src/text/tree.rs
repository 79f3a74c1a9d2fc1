//! The syntax tree of a text.

use std::ops::Range;

/// A part of the text, in bytes.
pub(crate) type Span = Range<usize>;

/// A name in the text, such as `dev->lock`, with the place where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// A text: what all its scenarios share, and the scenarios.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) shared: Section,
    pub(crate) scenarios: Vec<(Word, Section)>,
}

/// What stands before the first `scenario`, or below one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) about: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) declarations: Vec<Declaration>,
    pub(crate) functions: Vec<Function>,
    pub(crate) threads: Vec<Thread>,
    pub(crate) finally: Vec<Block>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) preempt_rt: bool,
    pub(crate) starvation_free: bool,
}

/// The declaration of an object.
#[derive(Clone, Debug)]
pub(crate) struct Declaration {
    pub(crate) kind: Word,
    pub(crate) name: Word,
    /// The number of objects of the class, if it has an array of them.
    pub(crate) count: Option<i64>,
    /// The value after `=`.
    pub(crate) value: Option<i64>,
    /// The workqueue of a work.
    pub(crate) on: Option<Word>,
    /// The function of a work, a timer, an interrupt or a thread.
    pub(crate) body: Option<Block>,
    /// The objects that live in the memory.
    pub(crate) residents: Vec<Declaration>,
}

/// A function of the text.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: Word,
    pub(crate) parameters: Vec<Word>,
    pub(crate) body: Block,
}

/// A thread, or several that do the same.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) name: Word,
    pub(crate) instances: Option<i64>,
    pub(crate) body: Block,
}

/// Statements, one after the other.
pub(crate) type Block = Vec<Statement>;

/// A statement.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) span: Span,
    pub(crate) does: Does,
}

/// What a statement does.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    Evaluate(Expression),
    Let(Word, Expression),
    Assign(Place, Expression),
    /// `guard(mutex)(x)`: held until the end of the block.
    Guard(Call),
    /// `scoped_guard(mutex, x):`.
    ScopedGuard(Call, Block),
    If(Vec<(Expression, Block)>, Block),
    While(Expression, Block),
    Loop(Block),
    Repeat(i64, Block),
    Either(Vec<Block>),
    Assert(Expression),
    Return(Option<Expression>),
    Break,
    Continue,
    Pass,
}

/// An object, or a variable of the thread.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: Word,
    pub(crate) index: Option<Box<Expression>>,
}

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: Word,
    pub(crate) arguments: Vec<Expression>,
    pub(crate) span: Span,
}

/// An expression.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Number(i64),
    Place(Place),
    Call(Call),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Binary(Operator, Box<(Expression, Expression)>),
}

/// An operator between two expressions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    Different,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Plus,
    Minus,
    Times,
}

impl Operator {
    /// The operators as they are written, those that bind least first.
    pub(crate) const ALL: &[(&str, Self, u8)] = &[
        ("||", Self::Or, 0),
        ("&&", Self::And, 1),
        ("==", Self::Equal, 2),
        ("!=", Self::Different, 2),
        ("<=", Self::LessEqual, 3),
        (">=", Self::GreaterEqual, 3),
        ("<", Self::Less, 3),
        (">", Self::Greater, 3),
        ("+", Self::Plus, 4),
        ("-", Self::Minus, 4),
        ("*", Self::Times, 5),
    ];
}

/// What the text expects.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Such as `proof`, `deadlock` or `use-after-free`.
    pub(crate) kind: Word,
    pub(crate) names: Vec<Word>,
    pub(crate) at_least: bool,
}
