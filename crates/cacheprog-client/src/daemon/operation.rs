//! A get or a put as it is asked of the daemon, and its bytes on the connection. It is kept until it is answered, so that the
//! fallback can answer it as well.

use std::sync::Arc;

use proto::ActionId;
use proto::wire::Request;

use crate::gocmd::cache::PutHeader;
use crate::put_body::PutBody;

/// What cmd/go asked for.
#[derive(Debug)]
pub(super) enum Operation {
    Get(ActionId),
    Put(Put),
}

/// A put with all that is sent of it.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) header: PutHeader,
    pub(super) body: Arc<PutBody>,
    pub(super) kind: PutKind,
}

/// For whom a put is.
#[derive(Debug, Clone)]
pub(super) enum PutKind {
    /// For every build.
    Plain,
    /// For this build alone, until it is shared.
    Private,
    /// A test's result: for builds in which this list of the test's inputs is current.
    Test(Arc<[u8]>),
}

/// An operation as it is written on a connection.
#[derive(Debug)]
pub(super) struct Message {
    request: Request,
    inputs: Option<Arc<[u8]>>,
    /// It follows the frame.
    pub(super) body: Option<Arc<PutBody>>,
}

impl Operation {
    /// Bytes that the daemon has to write before it replies.
    pub(super) fn body_size(&self) -> u64 {
        match self {
            Self::Get(_) => 0,
            Self::Put(put) => put.header.output.size,
        }
    }

    pub(super) fn message(&self) -> Message {
        match self {
            Self::Get(action) => Message { request: Request::Get { action: *action }, inputs: None, body: None },
            Self::Put(Put { header: PutHeader { action, output }, body, kind }) => {
                let (action, output) = (*action, *output);
                let (request, inputs) = match kind {
                    PutKind::Plain => (Request::Put { action, output }, None),
                    PutKind::Private => (Request::PutPrivate { action, output }, None),
                    PutKind::Test(list) => {
                        (Request::PutTest { action, output, inputs: list.len() as u64 }, Some(list.clone()))
                    }
                };
                Message { request, inputs, body: Some(body.clone()) }
            }
        }
    }
}

impl Message {
    /// Appends all of it but the body.
    pub(super) fn write(&self, wire_id: u32, frames: &mut Vec<u8>) {
        self.request.write(wire_id, frames);
        frames.extend_from_slice(self.inputs.as_deref().unwrap_or_default());
    }
}
