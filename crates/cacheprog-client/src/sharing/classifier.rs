//! What a go command puts, by who may use it: decides the class of each put, and what is shared when. Pure, except that the file of
//! a package that was a hit is read at the end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use proto::condition::scopes;
use proto::{ActionId, OutputId, Scope};
use store::archive::{Archive, LONGEST, MadeBy, made_by};

use crate::condition::MadeArchive;
use crate::gocmd::cache::PutHeader;

use super::class::{Bodies, Class, Side};
use super::hits::Hits;
use super::side_entries::{SideEntries, ToShare};

/// When another build may use an entry.
#[derive(Debug, Clone)]
pub(crate) enum Terms {
    /// Always.
    Plain,
    /// Under a condition of this scope.
    Scope(Scope),
    /// Under the condition of this package.
    Package(Arc<MadeArchive>),
}

/// What of a go command's invocation decides about sharing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) bodies: Bodies,
    /// Whether Go's keys cover how the go command was called (`condition/invocation.rs`).
    pub(crate) is_clean: bool,
    /// Whether the toolchain's sources are in the Nix store. Elsewhere they may change, and what an assembler includes of them is in
    /// no key.
    pub(crate) is_goroot_fixed: bool,
    /// Whether vet puts facts without a printed text (Go 1.21 to 1.25).
    pub(crate) facts_stand_alone: bool,
}

/// The puts of a go command.
#[derive(Debug)]
pub(crate) struct Classifier {
    rules: Rules,
    side_entries: SideEntries,
    /// The packages that were put: a linker may put its output under a key made of theirs later.
    packages: Vec<ActionId>,
    hits: Arc<Hits>,
}

/// Reads a body: fills a buffer from a place of it.
pub(crate) type ReadBody<'a> = &'a dyn Fn(&mut [u8], u64) -> io::Result<()>;

/// How a put is sent, and what it is.
#[derive(Debug)]
pub(crate) struct Classified {
    /// For every build at once.
    pub(crate) is_plain: bool,
    class: Class,
}

/// Limit of remembered packages, as of hits.
const MAX_PACKAGES: usize = 8192;

impl Classifier {
    pub(crate) fn new(rules: Rules, hits: Arc<Hits>) -> Self {
        Self { rules, side_entries: SideEntries::default(), packages: Vec::new(), hits }
    }

    /// What is put here, before it is sent.
    pub(crate) fn classify(&self, put: &PutHeader, read: ReadBody<'_>) -> Classified {
        let class = self.rules.bodies.class(put.output.size, read);
        let is_plain = match &class {
            Class::Plain => true,
            Class::Private | Class::Side(_) => false,
            Class::Package(made_by) => {
                let has_output = !self.side_entries.is_silent(&put.action);
                !has_output && self.covers(*made_by, || described(read).is_some_and(|of| of.is_std))
            }
        };
        Classified { is_plain, class }
    }

    /// What is to be shared after this put. Its own share, and those of entries that waited for it.
    pub(crate) fn sent(&mut self, put: &PutHeader, of: &Classified, read: ReadBody<'_>) -> Vec<ToShare<Terms>> {
        let (action, output) = (put.action, put.output.id);
        match &of.class {
            Class::Plain | Class::Private => Vec::new(),
            Class::Side(side) => self.side_entry(action, output, side.clone()),
            Class::Package(made_by) => {
                if self.packages.len() < MAX_PACKAGES {
                    self.packages.push(action);
                }
                let is_described = !of.is_plain || self.side_entries.has_generated_sources(&action);
                let archive = if is_described { described(read) } else { None };
                let path = archive.as_ref().map(|archive| archive.path.clone());
                let terms = if of.is_plain { Some(Terms::Plain) } else { Self::terms(archive, *made_by) };
                let own = (!of.is_plain).then_some((action, output));
                let beside = self.side_entries.take_of(&action, path.as_deref());
                own.into_iter().chain(beside).filter_map(|entry| on(terms.clone(), entry)).collect()
            }
        }
    }

    /// What is to be shared at the end of the go command.
    pub(crate) fn finish(&mut self) -> Vec<ToShare<Terms>> {
        if self.side_entries.is_empty() {
            return Vec::new();
        }
        let hits = self.hits.take();
        let mut shares = Vec::new();
        for (action, path) in &hits {
            if self.side_entries.has_later_entry(action) {
                shares.extend(self.beside_hit(action, path));
            }
        }
        self.packages.iter().chain(hits.keys()).for_each(|package| self.side_entries.drop_linker_output(package));
        let rest = self.side_entries.take_rest(self.rules.facts_stand_alone);
        if self.rules.is_clean {
            let with_terms = |share: ToShare<Scope>| ToShare {
                action: share.action,
                output: share.output,
                terms: Terms::Scope(share.terms),
            };
            shares.extend(rest.into_iter().map(with_terms));
        }
        shares
    }

    fn side_entry(&mut self, action: ActionId, output: OutputId, side: Side) -> Vec<ToShare<Terms>> {
        // What another vet than Go's own found stays private.
        let pair = self.side_entries.hold(action, output, side).filter(|_| self.rules.is_clean);
        let shares = pair.map(|pair| {
            let [facts, printed] = [(pair.facts, scopes::VET), (pair.printed, scopes::VET_OUTPUT)];
            [facts, printed].map(|((action, output), scope)| ToShare { action, output, terms: Terms::Scope(scope) })
        });
        shares.into_iter().flatten().collect()
    }

    /// What was put beside a package that was a hit: cmd/go made it once more, from the same files.
    fn beside_hit(&mut self, action: &ActionId, path: &str) -> Vec<ToShare<Terms>> {
        let Ok(file) = File::open(path) else { return Vec::new() };
        let Ok(size) = file.metadata().map(|metadata| metadata.len()) else { return Vec::new() };
        let read = |into: &mut [u8], at: u64| file.read_exact_at(into, at);
        let Some(made_by) = made_by(size, read) else { return Vec::new() };
        let archive = described(&read);
        let is_std = archive.as_ref().is_some_and(|archive| archive.is_std);
        let path = archive.as_ref().map(|archive| archive.path.clone());
        let is_plain = self.covers(made_by, || is_std);
        let terms = if is_plain { Some(Terms::Plain) } else { Self::terms(archive, made_by) };
        let beside = self.side_entries.take_of(action, path.as_deref());
        beside.into_iter().filter_map(|entry| on(terms.clone(), entry)).collect()
    }

    /// Whether Go's key covers all that went into a package.
    fn covers(&self, made_by: MadeBy, is_std: impl FnOnce() -> bool) -> bool {
        self.rules.is_clean
            && match made_by {
                MadeBy::Compiler => true,
                MadeBy::CompilerAndAssembler => self.rules.is_goroot_fixed && is_std(),
                MadeBy::Others => false,
            }
    }

    /// The terms of a package that is not plain. `None` where it is not known which one it is.
    fn terms(archive: Option<Archive>, made_by: MadeBy) -> Option<Terms> {
        // Of a name at its limit the rest is not known.
        let is_named = |archive: &Archive| archive.path.chars().count() < LONGEST;
        let Archive { path, is_std, files, .. } = archive.filter(is_named)?;
        Some(Terms::Package(Arc::new(MadeArchive { path, is_std, made_by, files })))
    }
}

fn described(read: ReadBody<'_>) -> Option<Archive> {
    Archive::read(&read)
}

fn on(terms: Option<Terms>, (action, output): (ActionId, OutputId)) -> Option<ToShare<Terms>> {
    Some(ToShare { action, output, terms: terms? })
}

#[cfg(test)]
mod tests;
