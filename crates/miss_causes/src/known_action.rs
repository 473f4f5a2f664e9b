//! Why a build missed an action that the earlier build had as well: Go's key is the same, so that what came of the earlier build's
//! put decides, and what each go command may take. Pure.

use proto::control::BuildStatus;
use proto::profile::{Action, BuildProfile, GetOutcome, PutOutcome, Session};
use proto::wire::Toolchain;

use crate::cause::{Cause, Verdict, verdict};

/// Each build's profile and its action of the key.
pub(crate) fn missed(
    (new, new_action): (&BuildProfile, &Action),
    (old, old_action): (&BuildProfile, &Action),
) -> Verdict {
    let session = |profile: &BuildProfile, action: &Action| profile.sessions.get(usize::from(action.session)).cloned();
    let (then, now) = (session(old, old_action), session(new, new_action));
    let kept_apart = then.zip(now).and_then(|(then, now)| {
        other_toolchain(&then.toolchain, &now.toolchain).or_else(|| other_invocation(old_action, &then, &now))
    });
    let of_other_user = || other_user(&new.build, &old.build).filter(|_| old_action.put == Some(PutOutcome::Shared));
    kept_apart.or_else(of_other_user).unwrap_or_else(|| by_put(old_action))
}

/// What is for builds of another user alone. Who that is, is told to no user.
pub(crate) fn not_shared() -> Verdict {
    verdict(Cause::NotShared, true, "written by another user")
}

fn other_user(new: &BuildStatus, old: &BuildStatus) -> Option<Verdict> {
    old.one_user().filter(|user| new.one_user() != Some(user)).map(|_| not_shared())
}

fn other_toolchain(then: &Toolchain, now: &Toolchain) -> Option<Verdict> {
    let place = |toolchain: &Toolchain| match toolchain.go.as_str() {
        "" => toolchain.goroot.clone(),
        go => go.to_owned(),
    };
    let detail = match (place(then), place(now)) {
        _ if then == now => return None,
        (before, after) if before != after => format!("at {before}, now at {after}"),
        (place, _) if then.content != now.content => format!("at {place}, whose programs changed"),
        (place, _) => format!("at {place}, with other tools: GOTOOLDIR"),
    };
    Some(verdict(Cause::OtherToolchain, true, detail))
}

/// A go command with flags that bring in what no key holds takes only what its like put, and others take nothing of that.
fn other_invocation(old: &Action, then: &Session, now: &Session) -> Option<Verdict> {
    let was_shared = match old.put {
        Some(outcome) => outcome == PutOutcome::Shared,
        None => !old.get.is_miss(),
    };
    let detail = match (then.only_conditional, now.only_conditional) {
        (false, true) => {
            "its flags (-toolexec, -overlay or the like) bring in what no key holds: it takes only what such go commands put"
        }
        (true, false) => {
            "the earlier go command had -toolexec, -overlay or the like: what such a one puts is for its like alone"
        }
        _ => return None,
    };
    was_shared.then(|| verdict(Cause::OtherFlags, true, detail))
}

/// What the daemon's answer itself proves.
pub(crate) fn by_get(get: GetOutcome) -> Option<Verdict> {
    match get {
        GetOutcome::Withheld => Some(verdict(
            Cause::Withheld,
            true,
            "it is known, and was computed again to be compared (shadow verification)",
        )),
        GetOutcome::Quarantined => Some(verdict(
            Cause::Quarantined,
            true,
            "builds computed different outputs of it: `cacheprogctl status` names them",
        )),
        GetOutcome::Miss | GetOutcome::Hit | GetOutcome::HitIf | GetOutcome::Rejected | GetOutcome::Unasked => None,
    }
}

fn by_put(old: &Action) -> Verdict {
    match old.put {
        Some(PutOutcome::Private) => verdict(
            Cause::Private,
            true,
            "it was private to the earlier build: no condition was known under which it is another's",
        ),
        Some(PutOutcome::Conflict) => {
            verdict(Cause::Private, true, "it was private to the earlier build: other builds had another output")
        }
        Some(PutOutcome::Refused) => verdict(Cause::NeverPut, true, "the earlier build's put was refused"),
        Some(PutOutcome::Shared) | None if old.get.is_miss() && old.put.is_none() => {
            verdict(Cause::NeverPut, true, "the earlier build did not put it")
        }
        Some(PutOutcome::Shared) | None => verdict(Cause::Evicted, true, "it was stored, and was removed since"),
    }
}
