//! What is shared after each put of a go command, and on which terms.

use proto::Output;

use super::*;

const CLEAN: Rules = Rules {
    bodies: Bodies { offers_indexes: true, mtimes_count: false },
    is_clean: true,
    is_goroot_fixed: true,
    facts_stand_alone: false,
};

const PACKAGE: ActionId = ActionId([7; 32]);

const GREET: &[u8] = include_bytes!("../../../../store/tests/data/greet.a");

/// That package with one more member.
fn greet_with(member: &[u8]) -> Vec<u8> {
    let header = format!("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", "x.o", 0, 0, 0, 644, member.len());
    [GREET, header.as_bytes(), member].concat()
}

const ASSEMBLED: &[u8] = b"go object linux amd64 ";
const C: &[u8] = b"\x7fELF and more of it ";

fn classifier(rules: Rules) -> Classifier {
    Classifier::new(rules, Arc::default())
}

/// Puts a body: whether it is plain, and what is shared then.
fn put(puts: &mut Classifier, action: ActionId, body: &[u8]) -> (bool, Vec<(ActionId, String)>) {
    let read = |into: &mut [u8], at: u64| {
        let rest = usize::try_from(at).ok().and_then(|at| body.get(at..)).unwrap_or_default();
        into.copy_from_slice(rest.get(..into.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    };
    let header = PutHeader { action, output: Output { id: OutputId([9; 32]), size: body.len() as u64 } };
    let of = puts.classify(&header, &read);
    let is_plain = of.is_plain;
    (is_plain, named(&puts.sent(&header, &of, &read)))
}

fn named(shares: &[ToShare<Terms>]) -> Vec<(ActionId, String)> {
    let name = |terms: &Terms| match terms {
        Terms::Plain => "plain".to_owned(),
        Terms::Scope(scope) => scope.to_string(),
        Terms::Package(made) => format!("{} {:?}", made.path, made.made_by),
    };
    shares.iter().map(|share| (share.action, name(&share.terms))).collect()
}

fn printed() -> ActionId {
    PACKAGE.subkey("stdout")
}

#[test]
fn a_package_of_go_alone_is_plain_and_so_is_what_belongs_to_it() {
    let mut puts = classifier(CLEAN);
    let sources = PACKAGE.subkey("srcfiles");
    assert_eq!(put(&mut puts, sources, b"./greet.go\n"), (false, vec![]));
    assert_eq!(put(&mut puts, printed(), b""), (false, vec![]));
    let shares = vec![(printed(), "plain".into()), (sources, "plain".into())];
    assert_eq!(put(&mut puts, PACKAGE, GREET), (true, shares));
    assert_eq!(named(&puts.finish()), []);
}

#[test]
fn a_package_that_the_compiler_talked_about_has_a_condition() {
    for (with_output, output) in [(true, Some(&b"./greet.go:1: inlined\n"[..])), (true, None), (false, Some(b""))] {
        let mut puts = classifier(CLEAN);
        if let Some(output) = output {
            put(&mut puts, printed(), output);
        }
        let (is_plain, shares) = put(&mut puts, PACKAGE, GREET);
        assert_eq!(is_plain, !with_output);
        let name = "example.test/m/greet Compiler".to_owned();
        let expected = match output {
            Some(b"") => vec![(printed(), "plain".to_owned())],
            Some(_) => vec![(PACKAGE, name.clone()), (printed(), name)],
            None => vec![(PACKAGE, name)],
        };
        assert_eq!(shares, expected);
    }
}

#[test]
fn what_others_than_the_compiler_made_has_a_condition() {
    for (member, made_by) in [(ASSEMBLED, "CompilerAndAssembler"), (C, "Others")] {
        let mut puts = classifier(CLEAN);
        put(&mut puts, printed(), b"");
        let name = format!("example.test/m/greet {made_by}");
        let shares = vec![(PACKAGE, name.clone()), (printed(), name)];
        assert_eq!(put(&mut puts, PACKAGE, &greet_with(member)), (false, shares));
    }
    // One that cannot be read any further is for this build alone.
    let mut puts = classifier(CLEAN);
    assert_eq!(put(&mut puts, PACKAGE, b"!<arch>\n"), (false, vec![]));
}

#[test]
fn a_go_command_that_brings_in_more_shares_nothing_plain_and_packages_alone() {
    let mut puts = classifier(Rules { is_clean: false, ..CLEAN });
    put(&mut puts, printed(), b"");
    let name = "example.test/m/greet Compiler".to_owned();
    let shares = vec![(PACKAGE, name.clone()), (printed(), name)];
    assert_eq!(put(&mut puts, PACKAGE, GREET), (false, shares));
    put(&mut puts, ActionId([1; 32]), b"&gobFact");
    assert_eq!(put(&mut puts, ActionId([1; 32]).subkey("stdout"), b"{}\n\n"), (false, vec![]));
    put(&mut puts, ActionId([2; 32]), b"true");
    assert_eq!(named(&puts.finish()), []);
}

#[test]
fn vet_shares_its_two_entries_together() {
    let mut puts = classifier(CLEAN);
    assert_eq!(put(&mut puts, PACKAGE, b"&gobFact"), (false, vec![]));
    let shares = vec![(PACKAGE, "vet".into()), (printed(), "vet output".into())];
    assert_eq!(put(&mut puts, printed(), b""), (false, shares));
    // Facts without a printed text are shared only for Go 1.25 and earlier.
    for (facts_stand_alone, expected) in [(true, vec![(PACKAGE, "facts".to_owned())]), (false, vec![])] {
        let mut puts = classifier(Rules { facts_stand_alone, ..CLEAN });
        put(&mut puts, PACKAGE, b"&gobFact");
        assert_eq!(named(&puts.finish()), expected);
    }
}

#[test]
fn what_is_put_beside_a_hit_has_the_terms_of_its_package() {
    let dir = tempfile::tempdir().unwrap();
    let sources = PACKAGE.subkey("srcfiles");
    for (name, body, expected) in [
        ("go", GREET.to_vec(), Some("plain")),
        ("c", greet_with(C), Some("example.test/m/greet Others")),
        ("none", b"no archive".to_vec(), None),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, body).unwrap();
        let hits = Arc::new(Hits::default());
        let mut puts = Classifier::new(CLEAN, hits.clone());
        hits.remember(PACKAGE, path.to_str().unwrap());
        put(&mut puts, PACKAGE.subkey("x.cgo1.go"), b"package p\n\n");
        put(&mut puts, sources, b"x.cgo1.go\n");
        put(&mut puts, PACKAGE.subkey("link-stdout"), b"");
        let expected: Vec<_> = expected
            .into_iter()
            .flat_map(|terms| [(sources, terms.to_owned()), (PACKAGE.subkey("x.cgo1.go"), terms.to_owned())])
            .collect();
        assert_eq!(named(&puts.finish()), expected, "{name}");
    }
}

#[test]
fn a_toolchain_whose_sources_may_change_has_no_plain_assembly() {
    let covers = |is_goroot_fixed, is_std| {
        let puts = classifier(Rules { is_goroot_fixed, ..CLEAN });
        puts.covers(MadeBy::CompilerAndAssembler, || is_std)
    };
    assert_eq!([covers(true, true), covers(true, false), covers(false, true)], [true, false, false]);
}
