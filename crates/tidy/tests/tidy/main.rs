//! The project's own rules, as far as neither rustc nor clippy checks them. One module has one rule, or two of one kind.
//! `source`, `tokens`, `paths`, `modules` and `arrows` read the tree for the others; they hold no rule.
//!
//! Each rule reads what git lists, so that a file counts before it is committed. A message names the file and the way out.
#![cfg(test)]

mod arrows;
mod attacks_and_faults;
mod book;
mod cases;
mod citations;
mod crates;
mod dependency_cycles;
mod file_headers;
mod folders;
mod fuzz_targets;
mod modules;
mod paths;
mod sizes;
mod source;
mod tables;
mod tokens;
mod words;
