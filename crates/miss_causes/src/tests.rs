//! Causes, with profiles made by hand: each package has a content and imports.

use proto::parts::{Difference, Part};
use proto::profile::{Action, BuildProfile, GetOutcome, Other, OutputKind, Package, PutOutcome, Rejection, Session};
use proto::wire::{Command, Toolchain};

use super::{Cause, Missed, Verdict, explain, headline};

const GO: &str = "linux amd64 go1.26.8 GOAMD64=v1";

/// `(path, content, key, imports)`; all are missed.
fn profile(packages: &[(&str, &str, &str, &[u32])]) -> BuildProfile {
    let package = |&(path, content, key, imports): &(&str, &str, &str, &[u32])| Package {
        action: Action { key: key.into(), put: Some(PutOutcome::Shared), cost_ms: 7, ..Action::default() },
        path: path.into(),
        content: content.into(),
        go: GO.into(),
        imports: imports.to_vec(),
        ..Package::default()
    };
    let packages = packages.iter().map(package).collect();
    BuildProfile { packages, sessions: vec![Session::default()], ..BuildProfile::default() }
}

fn of(missed: &[Missed], path: &str) -> Verdict {
    missed.iter().find(|one| one.path == path).unwrap().verdict.clone()
}

fn said(new: &BuildProfile, old: &BuildProfile) -> (Cause, bool, String) {
    let verdict = of(&explain(new, Some(old)), "p");
    (verdict.cause, verdict.certain, verdict.detail)
}

#[test]
fn the_deepest_changed_dependency_is_named_with_its_cause() {
    let old = profile(&[("p", "1", "a", &[1, 3]), ("q", "1", "b", &[2]), ("r", "1", "c", &[]), ("s", "1", "d", &[])]);
    let new = profile(&[("p", "2", "e", &[1, 3]), ("q", "2", "f", &[2]), ("r", "2", "g", &[]), ("s", "1", "d", &[])]);
    let missed = explain(&new, Some(&old));
    for path in ["p", "q"] {
        let verdict = of(&missed, path);
        assert_eq!((verdict.cause, verdict.certain), (Cause::ChangedDependency, true));
        let (root, why) = verdict.root.unwrap();
        assert_eq!((root.as_str(), why.cause, why.certain), ("r", Cause::NewSource, false));
    }
    assert_eq!(of(&missed, "r").cause, Cause::NewSource);
    assert_eq!(of(&missed, "s").cause, Cause::Evicted);
    assert_eq!(
        headline(&new, Some(&old)),
        "2 of 4 misses: changed dependency (r changed: new source, nothing else differs)"
    );
}

#[test]
fn what_archives_tell_is_certain() {
    let old = profile(&[("p", "1", "a", &[])]);
    let change = |change: &dyn Fn(&mut Package)| {
        let mut new = profile(&[("p", "2", "b", &[])]);
        change(&mut new.packages[0]);
        said(&new, &old)
    };
    let (cause, certain, detail) = change(&|p| p.go = GO.replace("26.8", "26.9"));
    assert_eq!((cause, certain, detail.as_str()), (Cause::OtherToolchain, true, "go1.26.8, now go1.26.9"));
    let (cause, certain, _) = change(&|p| p.go = GO.replace("v1", "v3"));
    assert_eq!((cause, certain), (Cause::OtherFlags, true));
    let (cause, certain, _) = change(&|p| p.directory = "/build/x".into());
    assert_eq!((cause, certain), (Cause::OtherFlags, true));
    let (cause, certain, detail) = change(&|p| p.flags = "-race".into());
    assert_eq!((cause, certain, detail.as_str()), (Cause::OtherFlags, true, "compiler flags: none, now -race"));
    let (cause, certain, _) = change(&|p| p.files = 7);
    assert_eq!((cause, certain), (Cause::NewSource, true));
    let (cause, certain, _) = change(&|p| p.is_std = true);
    assert_eq!((cause, certain), (Cause::OtherFlags, false));
    let (cause, certain, _) = change(&|p| p.path = "p".into());
    assert_eq!((cause, certain), (Cause::NewSource, false));
    let new = profile(&[("p", "2", "b", &[1]), ("new", "1", "c", &[])]);
    assert_eq!(said(&new, &old), (Cause::NewSource, true, "it now imports new".into()));
    assert_eq!(of(&explain(&new, Some(&old)), "new").cause, Cause::NeverSeen);
    assert_eq!(of(&explain(&new, None), "p").cause, Cause::FirstBuild);
}

#[test]
fn what_the_earlier_build_had_and_this_one_did_not_get() {
    let old = profile(&[("p", "1", "a", &[])]);
    let with = |change: &dyn Fn(&mut BuildProfile, &mut BuildProfile)| {
        let (mut new, mut old) = (old.clone(), old.clone());
        change(&mut new, &mut old);
        said(&new, &old)
    };
    assert_eq!(with(&|_, _| {}), (Cause::Evicted, true, "it was stored, and was removed since".into()));
    for put in [PutOutcome::Private, PutOutcome::Conflict] {
        assert_eq!(with(&|_, old| old.packages[0].action.put = Some(put)).0, Cause::Private);
    }
    assert_eq!(with(&|_, old| old.packages[0].action.put = Some(PutOutcome::Refused)).0, Cause::NeverPut);
    let toolchain = |goroot: &str, content: &str| Session {
        toolchain: Toolchain { goroot: goroot.into(), content: content.into(), ..Toolchain::default() },
        ..Session::default()
    };
    let (cause, certain, detail) = with(&|new, old| {
        (new.sessions[0], old.sessions[0]) = (toolchain("/go", "1"), toolchain("/go", "2"));
    });
    assert_eq!((cause, certain, detail.as_str()), (Cause::OtherToolchain, true, "at /go, whose programs changed"));
    assert_eq!(with(&|new, _| new.sessions[0] = toolchain("/go2", "")).0, Cause::OtherToolchain);
}

#[test]
fn what_a_go_command_may_take_depends_on_its_flags() {
    let old = profile(&[("p", "1", "a", &[])]);
    let cause = |then: bool, now: bool, get, put| {
        let (mut new, mut old) = (old.clone(), old.clone());
        (old.sessions[0].only_conditional, new.sessions[0].only_conditional) = (then, now);
        (old.packages[0].action.get, old.packages[0].action.put) = (get, put);
        said(&new, &old).0
    };
    let (miss, shared) = (GetOutcome::Miss, Some(PutOutcome::Shared));
    for (then, now, expected) in
        [(false, true, Cause::OtherFlags), (true, false, Cause::OtherFlags), (true, true, Cause::Evicted)]
    {
        let outcomes = [(miss, shared), (GetOutcome::Hit, None), (GetOutcome::HitIf, None)];
        assert_eq!(outcomes.map(|(get, put)| cause(then, now, get, put)), [expected; 3], "{then} {now}");
    }
    assert_eq!(cause(false, true, miss, Some(PutOutcome::Private)), Cause::Private);
}

/// The profile of the build alone has it: no earlier build of the name is needed.
#[test]
fn of_a_condition_that_did_not_hold_the_differences_are_the_cause() {
    let mut new = profile(&[("p", "2", "a", &[1]), ("q", "2", "b", &[]), ("r", "2", "d", &[])]);
    let difference = Difference { part: Part::Variable, name: "REV".into() };
    new.rejections = vec![Rejection { scope: "tree".into(), differences: vec![difference], more: 0 }];
    let action = &mut new.packages[1].action;
    (action.get, action.rejection) = (GetOutcome::Rejected, Some(0));
    let old = profile(&[("p", "1", "c", &[1]), ("q", "1", "b", &[])]);
    for missed in [explain(&new, None), explain(&new, Some(&old))] {
        let verdict = of(&missed, "q");
        assert_eq!((verdict.cause, verdict.certain), (Cause::OtherCondition, true));
        assert_eq!(verdict.detail, "source tree: variable REV differs");
    }
    let verdict = of(&explain(&new, Some(&old)), "p");
    assert_eq!((verdict.cause, verdict.root.unwrap().1.cause), (Cause::ChangedDependency, Cause::OtherCondition));
    new.packages[0].action.get = GetOutcome::Hit;
    new.packages[1].action.cost_ms = 100;
    assert_eq!(headline(&new, None), "1 of 2 misses: other condition (source tree: variable REV differs)");
    new.packages[1].action.rejection = Some(7);
    assert_eq!(of(&explain(&new, None), "q").cause, Cause::FirstBuild, "an index out of range");
}

#[test]
fn what_another_user_wrote_is_not_shared_and_not_evicted() {
    let old = profile(&[("p", "1", "a", &[])]);
    let not_shared = (Cause::NotShared, true, "written by another user".to_owned());
    let mut new = profile(&[("p", "1", "a", &[])]);
    new.packages[0].action.not_shared = true;
    assert_eq!(said(&new, &old), not_shared);
    assert_eq!(of(&explain(&new, None), "p").cause, Cause::NotShared);
    assert_eq!(headline(&new, None), "1 misses: not shared (written by another user)");
    let cause = |then: &str, now: &str| {
        let (mut new, mut old) = (old.clone(), old.clone());
        (old.build.shared_with, new.build.shared_with) = (then.into(), now.into());
        said(&new, &old)
    };
    assert_eq!(cause("user 1", "user 2"), not_shared);
    assert_eq!(cause("user 1", "all users"), not_shared);
    for (then, now) in [("user 1", "user 1"), ("all users", "user 1"), ("", "user 1"), ("no other build: x", "")] {
        assert_eq!(cause(then, now).0, Cause::Evicted, "{then} {now}");
    }
}

#[test]
fn what_no_archive_tells_is_inferred_from_the_commands() {
    let old = profile(&[("p", "1", "a", &[])]);
    let mut new = profile(&[("p", "2", "b", &[])]);
    let command = |line: &str| {
        let arguments = line.split(' ').map(str::to_owned).collect();
        Some(Command { arguments, ..Command::default() })
    };
    let mut old = old;
    old.sessions[0].command = command("go build ./...");
    new.sessions[0].command = command("go build -tags x ./...");
    assert_eq!(said(&new, &old), (Cause::OtherFlags, false, "-tags: none, now x".into()));
}

#[test]
fn tests_and_what_has_no_package() {
    let other = |key: &str, kind, get| Other {
        action: Action { key: key.into(), get, put: Some(PutOutcome::Shared), ..Action::default() },
        kind,
        path: if kind == OutputKind::TestResult { "p".into() } else { String::new() },
    };
    let old = profile(&[]);
    let mut new = profile(&[]);
    let verdicts = |new: &BuildProfile| -> Vec<_> {
        explain(new, Some(&old)).iter().map(|one| (one.verdict.cause, one.verdict.certain)).collect()
    };
    new.others = vec![
        other("a", OutputKind::Mtime, GetOutcome::Miss),
        other("b", OutputKind::Link, GetOutcome::Miss),
        other("c", OutputKind::Rest, GetOutcome::Hit),
    ];
    assert_eq!(verdicts(&new), [(Cause::MtimeKeyed, true), (Cause::Link, true)]);
    new.others =
        vec![other("a", OutputKind::TestLog, GetOutcome::Hit), other("b", OutputKind::TestResult, GetOutcome::Miss)];
    assert_eq!(verdicts(&new), [(Cause::TestInputs, true)]);
    new.others[0].action.get = GetOutcome::Miss;
    assert_eq!(verdicts(&new)[1], (Cause::TestInputs, false));
    let result = other("b", OutputKind::TestResult, GetOutcome::Miss);
    let mut private = BuildProfile { others: vec![result.clone()], ..profile(&[]) };
    private.others[0].action.put = Some(PutOutcome::Private);
    let again = BuildProfile { others: vec![result], ..profile(&[]) };
    let missed = explain(&again, Some(&private));
    assert!(missed[0].verdict.detail.contains("results are so by setting"), "{missed:?}");
    new.others = vec![other("b", OutputKind::TestResult, GetOutcome::Rejected)];
    assert_eq!(verdicts(&new), [(Cause::TestInputs, true)]);
    new.others = vec![other("b", OutputKind::TestResult, GetOutcome::HitIf)];
    assert_eq!(verdicts(&new), [], "the client used it");
    let index = |session| Other {
        action: Action { session, ..other("i", OutputKind::GoIndex, GetOutcome::Miss).action },
        ..other("i", OutputKind::GoIndex, GetOutcome::Miss)
    };
    new.others = vec![index(0)];
    assert_eq!(verdicts(&new), [(Cause::NeverSeen, true)]);
    new.others = vec![index(7)];
    assert_eq!(verdicts(&new), [(Cause::OtherToolchain, true)]);
    assert_eq!(headline(&profile(&[]), None), "");
}

/// A build chooses what its profile holds: cycles, chains and indexes out of range must not end the program.
#[test]
fn a_profile_of_any_shape_is_compared() {
    let old = profile(&[("p", "1", "a", &[0]), ("q", "1", "b", &[7, 0])]);
    let ring = profile(&[("p", "2", "c", &[1, 99]), ("q", "2", "d", &[0, 1])]);
    assert_eq!(of(&explain(&ring, Some(&old)), "p").cause, Cause::ChangedDependency);
    let names: Vec<_> = (0..20_000).map(|n| format!("p{n}")).collect();
    let imports: Vec<_> = (1..=20_000).map(|n| [n]).collect();
    let chain = |content| {
        profile(&names.iter().zip(&imports).map(|(n, i)| (n.as_str(), content, content, &i[..])).collect::<Vec<_>>())
    };
    let missed = explain(&chain("2"), Some(&chain("1")));
    assert_eq!(of(&missed, "p0").root.unwrap().0, "p19999");
}
