//! Writes mutants into a source file beside the original code: a switch at each decides, when the tests run, which of the two counts.
//!
//! That way many mutants are compiled at once. An operator becomes `(if mutant_is_active(7) { a || b } else { a && b })`, a match arm that
//! goes gets a guard, and a function whose body is replaced returns early.

use std::{collections::BTreeSet, ops::Range};

use anyhow::Context as _;
use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprMatch, ExprStruct, ExprUnary, ImplItemConst, ImplItemFn, ItemConst, ItemFn, ItemStatic,
    Member, Pat, ReturnType, Signature, TraitItemFn, Type, TypeParamBound,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::mutant::{Genre, Mutant};

/// What the rewritten code calls: it stands at the end of the crate's `lib.rs`. A function that returns `impl Iterator` returns one type, so
/// the mutated value and the original one share an enum.
pub(super) const RUNTIME: &str = r#"
/// Whether the environment selects a mutant.
#[doc(hidden)]
pub fn mutant_is_active(number: usize) -> bool {
    static ACTIVE: std::sync::LazyLock<Option<usize>> = std::sync::LazyLock::new(|| std::env::var("ACTIVE_MUTANT").ok()?.parse().ok());
    *ACTIVE == Some(number)
}

/// The return value of a function that has a mutant.
#[doc(hidden)]
pub enum MutantIterator<M, O> {
    /// The value that the mutant returns.
    Mutated(M),
    /// The value that the original code returns.
    Original(O),
}

impl<M: Iterator, O: Iterator<Item = M::Item>> Iterator for MutantIterator<M, O> {
    type Item = M::Item;

    fn next(&mut self) -> Option<M::Item> {
        match self {
            Self::Mutated(mutated) => mutated.next(),
            Self::Original(original) => original.next(),
        }
    }
}
"#;

/// The variable that selects a mutant when the tests run.
pub(super) const ACTIVE: &str = "ACTIVE_MUTANT";

/// A file with its mutants.
pub(super) struct Switched {
    pub(super) text: String,
    /// What was written for which mutant, as bytes of `text`: a compiler's error there is that mutant's.
    pub(super) regions: Vec<(Range<usize>, usize)>,
    /// The mutants that it holds.
    pub(super) numbers: BTreeSet<usize>,
    /// Mutants that no compiler would take, by their form alone.
    pub(super) unviable: BTreeSet<usize>,
}

/// Writes numbered mutants of a file into its text. Those in `const` code are left out, since nothing can be switched there when tests run.
pub(super) fn switched(text: &str, mutants: &[(usize, &Mutant)]) -> anyhow::Result<Switched> {
    let file = syn::parse_file(text).context("the file doesn't parse")?;
    let sites = mutants.iter().map(|(number, mutant)| Some((*number, mutant.genre, offset(text, mutant.start())?, *mutant)));
    let sites = sites.collect::<Option<Vec<_>>>().context("cargo-mutants lists a place that isn't in the file")?;
    let mut writer = Writer { text, sites, insertions: Vec::new(), unviable: BTreeSet::new() };
    writer.visit_file(&file);
    Ok(writer.assembled())
}

/// The byte at a line and a column, which count characters from 1.
fn offset(text: &str, (line, column): (usize, usize)) -> Option<usize> {
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let rest = text.get(start..)?;
    rest.char_indices().map(|(at, _)| start + at).chain([text.len()]).nth(column.checked_sub(1)?)
}

struct Writer<'t> {
    text: &'t str,
    /// Mutants by their number, genre, and the byte that they begin at.
    sites: Vec<(usize, Genre, usize, &'t Mutant)>,
    insertions: Vec<Insertion>,
    unviable: BTreeSet<usize>,
}

struct Insertion {
    at: usize,
    number: usize,
    text: String,
    end: End,
}

/// Which end of the code that it encloses an insertion stands at, if it encloses any.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Close,
    Open,
    Neither,
}

impl<'t> Writer<'t> {
    fn range(node: &impl Spanned) -> Range<usize> {
        node.span().byte_range()
    }

    fn original(&self, range: Range<usize>) -> &'t str {
        self.text.get(range).unwrap_or_default()
    }

    /// The mutants of a genre that begin at a byte.
    fn at(&self, genre: Genre, start: usize) -> Vec<(usize, &'t Mutant)> {
        let sites = self.sites.iter().filter(|(_, its, at, _)| (*its, *at) == (genre, start));
        sites.map(|(number, .., mutant)| (*number, *mutant)).collect()
    }

    fn insert(&mut self, number: usize, at: usize, end: End, text: String) {
        self.insertions.push(Insertion { at, number, text, end });
    }

    /// Writes something before and after a range of the original text.
    fn enclose(&mut self, number: usize, range: &Range<usize>, before: String, after: &str) {
        self.insert(number, range.start, End::Open, before);
        self.insert(number, range.end, End::Close, after.to_owned());
    }

    /// Writes a mutated expression beside the original one.
    fn either(&mut self, number: usize, range: &Range<usize>, mutated: &str) {
        self.enclose(number, range, format!("(if crate::mutant_is_active({number}) {{ {mutated} }} else {{ "), " })");
    }

    /// The operators of a chain. Replacing one may change what the others bind to, so the whole chain is written twice.
    fn chain(&mut self, binary: &ExprBinary, whole: &Range<usize>) {
        let operator = Self::range(&binary.op);
        let mutants = self.at(Genre::BinaryOperator, operator.start);
        if binds(binary) {
            // Nothing but `&&` joins a `let` to other conditions.
            self.unviable.extend(mutants.iter().map(|(number, _)| number));
            return visit::visit_expr_binary(self, binary);
        }
        for (number, mutant) in mutants {
            let (before, after) = (self.original(whole.start..operator.start), self.original(operator.end..whole.end));
            self.either(number, whole, &format!("{before}{}{after}", mutant.replacement));
        }
        for side in [&*binary.left, &*binary.right] {
            if let Expr::Binary(inner) = side { self.chain(inner, whole) } else { self.visit_expr(side) }
        }
    }

    fn body(&mut self, signature: &Signature, block: &Block) {
        let Some(first) = block.stmts.first() else { return };
        let inside = block.brace_token.span.open().byte_range().end..block.brace_token.span.close().byte_range().start;
        let mutants = self.at(Genre::FnValue, Self::range(first).start);
        if is_iterator(&signature.output) {
            // Each mutant has a type of its own: one encloses what the last one left.
            for (number, mutant) in mutants {
                let mutated = format!("crate::MutantIterator::Mutated({})", mutant.replacement);
                let before = format!(" if crate::mutant_is_active({number}) {{ {mutated} }} else {{ crate::MutantIterator::Original({{");
                self.enclose(number, &inside, before, "}) } ");
            }
        } else {
            for (number, mutant) in mutants {
                let text = format!(" if crate::mutant_is_active({number}) {{ return {}; }} ", mutant.replacement);
                self.insert(number, inside.start, End::Neither, text);
            }
        }
    }

    fn assembled(mut self) -> Switched {
        // Where several meet: what closes, the last opened first; then what opens, in the order of the visit, from the outside in.
        let mut ordered: Vec<(usize, Insertion)> = self.insertions.drain(..).enumerate().collect();
        ordered.sort_by_key(|(order, insertion)| {
            let closes = insertion.end == End::Close;
            (insertion.at, !closes, if closes { usize::MAX - order } else { *order })
        });
        let (mut text, mut done) = (String::new(), 0);
        let (mut regions, mut open) = (Vec::new(), Vec::<(usize, usize)>::new());
        let mut numbers = BTreeSet::new();
        for (_, insertion) in ordered {
            text.push_str(self.original(done..insertion.at));
            done = insertion.at;
            let start = text.len();
            text.push_str(&insertion.text);
            match insertion.end {
                End::Open => open.push((start, insertion.number)),
                End::Close => {
                    let opened = open.iter().rposition(|(_, number)| *number == insertion.number).map(|index| open.remove(index));
                    regions.extend(opened.map(|(start, number)| (start..text.len(), number)));
                }
                End::Neither => {}
            }
            if insertion.end != End::Close && !insertion.text.is_empty() {
                regions.push((start..text.len(), insertion.number));
            }
            numbers.insert(insertion.number);
        }
        text.push_str(self.original(done..self.text.len()));
        Switched { text, regions, numbers, unviable: self.unviable }
    }
}

/// Whether a chain of conditions holds a `let`.
fn binds(binary: &ExprBinary) -> bool {
    matches!(binary.op, BinOp::And(_)) && [&binary.left, &binary.right].into_iter().any(|side| is_binding(side))
}

fn is_binding(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(inner) => binds(inner),
        _ => false,
    }
}

fn is_iterator(output: &ReturnType) -> bool {
    let ReturnType::Type(_, kind) = output else { return false };
    let Type::ImplTrait(kind) = &**kind else { return false };
    kind.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| last.ident == "Iterator"),
        _ => false,
    })
}

impl<'ast> Visit<'ast> for Writer<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if item.sig.constness.is_none() {
            self.body(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if item.sig.constness.is_none() {
            self.body(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.body(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_const(&mut self, _: &'ast ItemConst) {}

    fn visit_item_static(&mut self, _: &'ast ItemStatic) {}

    fn visit_impl_item_const(&mut self, _: &'ast ImplItemConst) {}

    fn visit_type(&mut self, _: &'ast Type) {}

    /// In a pattern, only a guard is code that runs.
    fn visit_pat(&mut self, pattern: &'ast Pat) {
        if let Pat::Guard(guarded) = pattern {
            self.visit_expr(&guarded.guard);
        }
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        self.chain(binary, &Self::range(binary));
    }

    fn visit_expr_unary(&mut self, unary: &'ast ExprUnary) {
        let whole = Self::range(unary);
        for (number, _) in self.at(Genre::UnaryOperator, whole.start) {
            let operand = self.original(Self::range(&unary.op).end..whole.end);
            self.either(number, &whole, operand);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_struct(&mut self, literal: &'ast ExprStruct) {
        for field in &literal.fields {
            let (Some(base), Member::Named(name)) = (&literal.rest, &field.member) else { continue };
            let (base, value) = (self.original(Self::range(base)), Self::range(&field.expr));
            for (number, _) in self.at(Genre::StructField, Self::range(field).start) {
                let label = if field.colon_token.is_some() { String::new() } else { format!("{name}: ") };
                let before = format!("{label}(if crate::mutant_is_active({number}) {{ ({base}).{name} }} else {{ ");
                self.enclose(number, &value, before, " })");
            }
        }
        visit::visit_expr_struct(self, literal);
    }

    fn visit_expr_match(&mut self, of: &'ast ExprMatch) {
        for arm in &of.arms {
            // cargo-mutants deletes no arm that has a guard.
            for (number, _) in self.at(Genre::MatchArm, Self::range(arm).start) {
                // The compiler reports a case that no arm is left for at the head of the match.
                self.enclose(number, &Self::range(of), String::new(), "");
                self.insert(number, Self::range(&arm.pat).end, End::Neither, format!(" if !crate::mutant_is_active({number})"));
            }
        }
        visit::visit_expr_match(self, of);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        if let Pat::Guard(guarded) = &arm.pat {
            let guard = Self::range(&guarded.guard);
            for (number, mutant) in self.at(Genre::MatchArmGuard, guard.start) {
                let active = format!("crate::mutant_is_active({number})");
                match (mutant.replacement.as_str(), is_binding(&guarded.guard)) {
                    ("true", false) => self.enclose(number, &guard, format!("({active} || ("), "))"),
                    (_, false) => self.enclose(number, &guard, format!("(!{active} && ("), "))"),
                    // The arm uses what the guard's `let` binds.
                    ("true", true) => _ = self.unviable.insert(number),
                    (_, true) => self.insert(number, guard.start, End::Neither, format!("!{active} && ")),
                }
            }
        }
        visit::visit_arm(self, arm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes mutants into a text, each given as its genre, the text that it begins at, and what stands there instead.
    fn written(text: &str, mutants: &[(Genre, &str, &str)]) -> Switched {
        let mutants: Vec<Mutant> = mutants
            .iter()
            .map(|(genre, begins, replacement)| {
                let at = text.find(begins).unwrap();
                let before = &text[..at];
                let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
                Mutant::new(*genre, (before.matches('\n').count() + 1, column), replacement)
            })
            .collect();
        let numbered: Vec<(usize, &Mutant)> = mutants.iter().enumerate().collect();
        switched(text, &numbered).unwrap()
    }

    #[track_caller]
    fn becomes(text: &str, mutants: &[(Genre, &str, &str)], expected: &str) {
        let switched = written(text, mutants);
        assert_eq!(switched.text.replace("crate::mutant_is_active", "on"), expected);
        syn::parse_file(&switched.text).unwrap();
        assert_eq!(switched.numbers.len(), mutants.len());
    }

    #[test]
    fn each_genre_has_its_switch() {
        becomes(
            "fn f(a: bool) -> bool { /* ä */ a == true }",
            &[(Genre::BinaryOperator, "==", "!="), (Genre::FnValue, "a == true", "false")],
            "fn f(a: bool) -> bool { if on(1) { return false; }  /* ä */ (if on(0) { a != true } else { a == true }) }",
        );
        becomes("fn f() -> i8 { -1 }", &[(Genre::UnaryOperator, "-1", "")], "fn f() -> i8 { (if on(0) { 1 } else { -1 }) }");
        becomes(
            "fn f(n: u8) -> u8 {\n    match n { 1 => 2, n if n > 3 => 4, _ => 5 }\n}",
            &[(Genre::MatchArm, "1 =>", ""), (Genre::MatchArmGuard, "n > 3", "true"), (Genre::MatchArmGuard, "n > 3", "false")],
            "fn f(n: u8) -> u8 {\n    match n { 1 if !on(0) => 2, n if (on(1) || ((!on(2) && (n > 3)))) => 4, _ => 5 }\n}",
        );
        becomes(
            "fn f(b: S) -> S { S { x: 1, y, ..b } }",
            &[(Genre::StructField, "x: 1", ""), (Genre::StructField, "y,", "")],
            "fn f(b: S) -> S { S { x: (if on(0) { (b).x } else { 1 }), y: (if on(1) { (b).y } else { y }), ..b } }",
        );
        becomes(
            "fn f() -> impl Iterator<Item = u8> { g() }",
            &[(Genre::FnValue, "g()", "::std::iter::empty()")],
            "fn f() -> impl Iterator<Item = u8> { \
             if on(0) { crate::MutantIterator::Mutated(::std::iter::empty()) } else { crate::MutantIterator::Original({ g() }) } }",
        );
    }

    #[test]
    fn an_operator_is_replaced_in_its_whole_chain() {
        becomes(
            "fn f() -> u8 { 1 - 2 * 3 }",
            &[(Genre::BinaryOperator, "*", "+"), (Genre::BinaryOperator, "- 2", "/")],
            "fn f() -> u8 { (if on(1) { 1 / 2 * 3 } else { (if on(0) { 1 - 2 + 3 } else { 1 - 2 * 3 }) }) }",
        );
        becomes(
            "fn f() -> bool { if let A(b) = c && !d && e < 1 { g } else { h } }",
            &[(Genre::UnaryOperator, "!d", ""), (Genre::BinaryOperator, "<", "==")],
            "fn f() -> bool { if let A(b) = c && (if on(0) { d } else { !d }) && (if on(1) { e == 1 } else { e < 1 }) { g } else { h } }",
        );
    }

    #[test]
    fn nothing_else_joins_a_let() {
        let text = "fn f() -> bool { if let A(b) = c && d { b } else { match e { g if let A(h) = g => h, _ => true } } }";
        let switched = written(text, &[(Genre::BinaryOperator, "&&", "||"), (Genre::MatchArmGuard, "let A(h)", "true")]);
        assert_eq!((switched.text.as_str(), switched.unviable), (text, BTreeSet::from([0, 1])));
    }

    #[test]
    fn constants_have_no_switch() {
        let text = "const A: u8 = 1 + 1; const fn f() -> u8 { 2 * 2 } static B: u8 = 3 - 3; struct S([u8; 4 / 4]);";
        let mutants = ["+", "*", "- ", "/"].map(|operator| (Genre::BinaryOperator, operator, "|"));
        let switched = written(text, &mutants);
        assert_eq!((switched.text.as_str(), switched.numbers.len()), (text, 0));
    }

    #[test]
    fn regions_hold_what_was_written_for_a_mutant() {
        let switched = written("fn f() -> bool { a && !b }", &[(Genre::BinaryOperator, "&&", "||"), (Genre::UnaryOperator, "!b", "")]);
        let regions: Vec<(&str, usize)> = switched.regions.iter().map(|(range, number)| (&switched.text[range.clone()], *number)).collect();
        let expected = [
            ("(if crate::mutant_is_active(0) { a || !b } else { ", 0),
            ("(if crate::mutant_is_active(1) { b } else { ", 1),
            ("(if crate::mutant_is_active(1) { b } else { !b })", 1),
            ("(if crate::mutant_is_active(0) { a || !b } else { a && (if crate::mutant_is_active(1) { b } else { !b }) })", 0),
        ];
        assert_eq!(regions, expected);
        let switched = written("fn f() -> u8 { match a { 1 => 2, _ => 3 } }", &[(Genre::MatchArm, "1 =>", "")]);
        let regions: Vec<(&str, usize)> = switched.regions.iter().map(|(range, number)| (&switched.text[range.clone()], *number)).collect();
        let guarded = " if !crate::mutant_is_active(0)";
        assert_eq!(regions, [(guarded, 0), (format!("match a {{ 1{guarded} => 2, _ => 3 }}").as_str(), 0)]);
    }
}
