//! What all requests share.

use std::io;
use std::time::{Duration, SystemTime};

use crate::clock::{Clock, moved, wall};
use crate::faults::{Fault, Faults};
use crate::request_log::RequestLog;
use crate::settings::Settings;
use crate::sigv4::Times;
use crate::store::Store;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) log: RequestLog,
    started: SystemTime,
}

impl State {
    pub(crate) fn new(settings: Settings) -> io::Result<Self> {
        let lifetime = settings.expire_days.map(|days| Duration::from_hours(24 * days));
        let store = Store::open(settings.dir.as_deref(), lifetime)?;
        let (faults, log) = (Faults::default(), RequestLog::default());
        Ok(Self { settings, store, clock: Clock::default(), faults, log, started: wall() })
    }

    /// The times for the check of a request that meets this fault.
    pub(crate) fn times(&self, fault: Option<&Fault>) -> Times {
        Times { signing: moved(wall(), off_by(fault)), started: self.started, store: self.clock.now() }
    }

    /// The time of the header `Date`: the store's clock, which a fault moves too.
    pub(crate) fn date(&self, fault: Option<&Fault>) -> SystemTime {
        moved(self.clock.now(), off_by(fault))
    }
}

fn off_by(fault: Option<&Fault>) -> i64 {
    if let Some(Fault::Clock { seconds }) = fault { *seconds } else { 0 }
}
