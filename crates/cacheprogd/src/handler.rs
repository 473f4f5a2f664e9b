//! Gets and puts of one session, without sockets: what DESIGN.md calls soundness is decided here.

mod offers;

use std::cell::OnceCell;
use std::io::Read;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use proto::control::Counts;
use proto::wire::{Refusal, Reply};
use proto::{ActionId, FrameError, OutputId, limits};
use sha2::{Digest, Sha256};
use store::{
    Incoming, Kind, Namespace, Published, Put, ReceiveError, Recent, Record, Replaces, Sharing, Store, StoreError,
};

use crate::build::{self, Build};
use crate::clock;
use crate::error::chain;
use crate::goroot::{self, Goroot};
use crate::trace::{self, Came, Fate};

use offers::{Offer, Offers};

/// One session's view of the cache.
#[derive(Debug)]
pub(crate) struct Handler {
    store: Arc<Store>,
    build: Arc<Build>,
    client: Client,
    /// Since when Go computes each missed action: until its put.
    missed: Recent<Instant>,
    /// What the client has not decided yet.
    offers: Offers,
    /// Whether tests' results go from build to build.
    shares_tests: bool,
    /// The client's toolchain, looked at when there is an index of it.
    goroot: OnceCell<Option<Goroot>>,
    scratch: Vec<u8>,
}

/// Whom a session serves.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) namespace: Namespace,
    pub(crate) sharing: Sharing,
    /// Its number in the build's trace.
    pub(crate) session: u16,
    /// Where its toolchain is, if it reads that toolchain's sources and no others in their stead.
    pub(crate) goroot: Option<String>,
    /// Whether it keeps by itself what is not for others.
    pub(crate) keeps_its_own: bool,
}

/// Whether these are a list and a test's result, and no more than other builds may be given.
fn is_a_result(list: &Incoming, result: &Incoming) -> bool {
    list.kind() == Kind::TestInputs && result.kind() == Kind::TestResult && result.size() <= limits::TEST_BODY
}

/// Who has what was put, by what was counted of it.
fn fate(counts: &Counts) -> Fate {
    match (counts.private_puts, counts.conflicts) {
        (0, 0) => Fate::Shared,
        (0, _) => Fate::Conflict,
        _ => Fate::Private,
    }
}

impl Handler {
    pub(crate) fn new(store: Arc<Store>, build: Arc<Build>, client: Client, shares_tests: bool) -> Self {
        let goroot = OnceCell::new();
        let (missed, offers) = (Recent::default(), Offers::default());
        Self { store, build, client, missed, offers, shares_tests, goroot, scratch: Vec::new() }
    }

    /// A get: a hit whose output the build can see now, an offer under a condition, or a miss. An offer counts as a miss until the
    /// client has said that it holds.
    pub(crate) fn get(&mut self, id: u32, action: &ActionId) -> Reply {
        let now = clock::now();
        self.build.counters.add(&Counts { gets: 1, ..Counts::default() });
        match self.find(action, now) {
            Some((record, None)) => {
                self.served(action, &record, Came::Hit(record.output), now);
                Reply::Hit { output: record.output, size: record.size, time: record.time.into() }
            }
            Some((record, Some(inputs))) if self.offers.open(id, Offer { action: *action, records: vec![record] }) => {
                Reply::HitIf { inputs, output: record.output, size: record.size, time: record.time.into() }
            }
            // It was put before and is not here: the client keeps it by itself.
            None if self.build.had(action) => {
                self.build.counters.add(&Counts { private_gets: 1, ..Counts::default() });
                self.build.trace.get(self.client.session, action, Came::Miss, now);
                Reply::Miss
            }
            Some((_, Some(_))) | None => {
                self.missed(action, Came::Miss, now);
                Reply::Miss
            }
        }
    }

    fn served(&self, action: &ActionId, record: &Record, came: Came, now: SystemTime) {
        self.build.trace.get(self.client.session, action, came, now);
        let mut counts = Counts { hits: 1, ..Counts::default() };
        if self.build.is_first(action) {
            counts.saved_milliseconds = record.cost_ms;
        } else {
            counts.repeated_gets = 1;
        }
        if self.build.is_first_output(&record.output) {
            counts.bytes_served = record.size;
        }
        self.build.counters.add(&counts);
    }

    fn missed(&mut self, action: &ActionId, came: Came, now: SystemTime) {
        self.build.trace.get(self.client.session, action, came, now);
        self.missed.insert(*action, Instant::now());
    }

    /// A put: read, checked, kept for the build or for all, and shown to the build.
    ///
    /// # Errors
    /// Where the body could not be read to its end: the session is over.
    pub(crate) fn put(&mut self, put: (ActionId, OutputId, u64), body: &mut impl Read) -> Result<Reply, FrameError> {
        let (action, output, size) = put;
        match self.store.receive(output, size, body, &mut self.scratch) {
            Ok(_) if !self.build.may_put(size) => Ok(self.too_much()),
            Ok(mut body) => self.keep(action, &mut body),
            Err(e) => self.not_received(e, &output),
        }
    }

    /// A put whose output is another build's only under a condition.
    ///
    /// # Errors
    /// As [`Handler::put`].
    pub(crate) fn put_if(
        &mut self,
        (action, output, size): (ActionId, OutputId, u64),
        body: &mut impl Read,
    ) -> Result<Reply, FrameError> {
        match self.store.receive(output, size, body, &mut self.scratch) {
            Ok(_) if !self.build.may_put(size) => Ok(self.too_much()),
            Ok(mut body) => {
                let (put, was_missed) = self.put_of(action);
                let private_gets = was_missed.into();
                let counts = Counts { puts: 1, bytes_put: size, private_puts: 1, private_gets, ..Counts::default() };
                let kept = self.build.dir.keep(&put, &mut body);
                Ok(self.answer(&put, &body, kept, &counts))
            }
            Err(e) => self.not_received(e, &output),
        }
    }

    fn too_much(&self) -> Reply {
        self.build.counters.add(&Counts { failed_puts: 1, ..Counts::default() });
        Reply::Refused(Refusal::Storage)
    }

    fn not_received(&self, error: ReceiveError, output: &OutputId) -> Result<Reply, FrameError> {
        let outcome = match error {
            ReceiveError::Body(e) => Err(FrameError::Read(e)),
            ReceiveError::Length(_) => Err(FrameError::Truncated),
            ReceiveError::Digest => {
                self.build.complain(format_args!("a put whose body is not its output {output}"));
                Ok(Reply::Refused(Refusal::Digest))
            }
            ReceiveError::Store(e) => return Ok(self.refuse(&e)),
        };
        self.build.counters.add(&Counts { failed_puts: 1, ..Counts::default() });
        outcome
    }

    /// A put of a test's result, after the list of what the test looked at: shared with that list.
    ///
    /// # Errors
    /// As [`Handler::put`].
    pub(crate) fn put_test(
        &mut self,
        (action, output, size): (ActionId, OutputId, u64),
        inputs: u64,
        input: &mut impl Read,
    ) -> Result<Reply, FrameError> {
        let mut list = Vec::new();
        input.take(inputs).read_to_end(&mut list)?;
        if list.len() as u64 != inputs {
            return Err(FrameError::Truncated);
        }
        let received = self.store.receive(output, size, &mut input.take(size), &mut self.scratch);
        let mut result = match received {
            Ok(_) if !self.build.may_put(size) => return Ok(self.too_much()),
            Ok(result) => result,
            Err(e) => return self.not_received(e, &output),
        };
        let id = OutputId(Sha256::digest(&list).into());
        match self.store.receive(id, inputs, &mut list.as_slice(), &mut self.scratch) {
            Ok(list) if self.shares_tests && is_a_result(&list, &result) => Ok(self.share_test(action, list, result)),
            // The list could not be taken in, or it is none: the result is this build's.
            _ => self.keep(action, &mut result),
        }
    }

    fn share_test(&mut self, action: ActionId, mut list: Incoming, mut result: Incoming) -> Reply {
        let (put, _) = self.put_of(action);
        let mut counts = Counts { puts: 1, bytes_put: result.size(), ..Counts::default() };
        let published = self.store.publish_test(&self.client.namespace, &put, &mut list, &mut result);
        if matches!(published, Ok(Published::New | Published::Again)) {
            drop(self.build.dir.forget(&action)); // what was its own before is older; should it stay, it comes first
        }
        let kept = published.and_then(|published| self.show_or_keep(&put, &mut result, published, &mut counts));
        self.answer(&put, &result, kept, &counts)
    }

    /// What the build did so far.
    pub(crate) fn summary(&self) -> Reply {
        Reply::Summary(self.build.counters.counts())
    }

    /// A client tells what it did while there was no daemon for it.
    pub(crate) fn was_alone(&self, unanswered: u64, spooled: u64) {
        // It may claim what it likes; no build asks for more.
        let [unanswered, spooled] = [unanswered, spooled].map(|claimed| claimed.min(1 << 24));
        self.build.counters.add(&Counts { unanswered, spooled, ..Counts::default() });
    }

    /// What is known of an action, shown to the build; with the list on which it depends, if it is a test's result.
    fn find(&self, action: &ActionId, now: SystemTime) -> Option<(Record, Option<OutputId>)> {
        match self.build.dir.find(action, now) {
            Ok(Some(own)) => return Some((own, None)),
            Ok(None) => {}
            Err(e) => self.build.complain(format_args!("{}", chain(&e))),
        }
        let shared = || -> Result<Option<(Record, Option<OutputId>)>, StoreError> {
            let Some(record) = self.store.find(&self.client.namespace, action, now)? else { return Ok(None) };
            let inputs = match record.kind {
                Kind::Content | Kind::TestLog => None,
                Kind::TestResult if !self.shares_tests => return Ok(None),
                Kind::StoreIndex if self.client.goroot.is_some() => None,
                Kind::StoreIndex | Kind::Mtime | Kind::TestInputs => return Ok(None),
                Kind::TestResult => match self.store.find_inputs(&self.client.namespace, action, now)? {
                    Some(inputs) if inputs.kind == Kind::TestInputs && self.show(&inputs)? => Some(inputs.output),
                    Some(_) | None => return Ok(None),
                },
            };
            Ok(self.show(&record)?.then_some((record, inputs)))
        };
        shared().unwrap_or_else(|e| {
            self.build.complain(format_args!("{}", chain(&e)));
            None
        })
    }

    fn show(&self, record: &Record) -> Result<bool, StoreError> {
        self.store.show(&self.build.dir, (record.output, record.size), self.client.sharing)
    }

    fn keep(&mut self, action: ActionId, body: &mut Incoming) -> Result<Reply, FrameError> {
        let (put, was_missed) = self.put_of(action);
        let mut counts = Counts { puts: 1, bytes_put: body.size(), ..Counts::default() };
        if body.kind() == Kind::Mtime && self.is_of_toolchain(&action, body) {
            body.set_kind(Kind::StoreIndex);
        }
        let kept = match body.kind() {
            Kind::Content | Kind::StoreIndex => self.share(&put, body, &mut counts),
            // A later run of the test knows better what it looks at.
            Kind::TestLog if body.size() <= limits::TEST_BODY => {
                self.share(&Put { replaces: Replaces::SameKind, ..put }, body, &mut counts)
            }
            _ if self.client.keeps_its_own => {
                self.build.is_first(&action);
                self.build.counters.add(&Counts { private_gets: was_missed.into(), ..Counts::default() });
                return Ok(Reply::Refused(Refusal::Storage));
            }
            Kind::Mtime | Kind::TestLog | Kind::TestResult | Kind::TestInputs => {
                (counts.private_puts, counts.private_gets) = (1, was_missed.into());
                self.build.dir.keep(&put, body)
            }
        };
        Ok(self.answer(&put, body, kept, &counts))
    }

    /// Whether this is an index of the toolchain's own sources, which are the same for all who have them.
    fn is_of_toolchain(&self, action: &ActionId, body: &Incoming) -> bool {
        let open = || self.client.goroot.as_deref().and_then(Goroot::in_store);
        let Some(goroot) = self.goroot.get_or_init(open) else { return false };
        body.bytes(goroot::LARGEST).is_some_and(|index| goroot.has(action, &index))
    }

    /// The put of an action, and whether it was missed before.
    fn put_of(&mut self, action: ActionId) -> (Put, bool) {
        let cost = self.missed.remove(&action).map(|asked| asked.elapsed().as_millis());
        let put = Put {
            action,
            time: clock::now(),
            cost_ms: cost.map_or(0, |ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            build: Some(self.build.id()),
            replaces: Replaces::Nothing,
        };
        (put, cost.is_some())
    }

    fn answer(&self, put: &Put, body: &Incoming, kept: Result<(), StoreError>, counts: &Counts) -> Reply {
        self.build.is_first(&put.action); // own work: a later hit on it saves nothing, and is no service
        self.build.is_first_output(&body.output());
        self.trace(put, body, if kept.is_ok() { fate(counts) } else { Fate::Refused });
        match kept {
            Ok(()) => {
                self.build.health.well();
                self.build.counters.add(counts);
                Reply::Stored { time: put.time.into() }
            }
            Err(e) => self.refuse(&e),
        }
    }

    fn trace(&self, put: &Put, body: &Incoming, fate: Fate) {
        let event = |at_ms| trace::Put {
            session: self.client.session,
            at_ms,
            cost_ms: u32::try_from(put.cost_ms).unwrap_or(u32::MAX),
            fate,
            kind: body.kind(),
            action: put.action,
            output: body.output(),
        };
        self.build.trace.put(event, &put.action, put.time);
    }

    fn share(&self, put: &Put, body: &mut Incoming, counts: &mut Counts) -> Result<(), StoreError> {
        let published = self.store.publish(&self.client.namespace, put, body)?;
        self.show_or_keep(put, body, published, counts)
    }

    /// Shows the build what it put, which is its own where others have another output.
    fn show_or_keep(
        &self,
        put: &Put,
        body: &mut Incoming,
        published: Published,
        counts: &mut Counts,
    ) -> Result<(), StoreError> {
        match published {
            Published::New | Published::Again => {
                let object = (body.output(), body.size());
                if self.store.show(&self.build.dir, object, self.client.sharing)? {
                    return Ok(());
                }
                self.build.dir.keep(put, body) // evicted in between
            }
            Published::Conflict(first) => {
                counts.conflicts = 1;
                let by = first
                    .build
                    .map_or_else(|| "an unknown build".to_owned(), |id| format!("build {}", build::short(&id)));
                self.build.complain(format_args!(
                    "action {}: it put {}, {by} put {} before, which stays",
                    put.action,
                    body.output(),
                    first.output
                ));
                self.build.dir.keep(put, body)
            }
        }
    }

    fn refuse(&self, error: &StoreError) -> Reply {
        self.build.health.ill(error);
        self.build.counters.add(&Counts { failed_puts: 1, ..Counts::default() });
        Reply::Refused(Refusal::Storage)
    }
}
