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
    /// The list of the test's inputs, if it is a test's result.
    pub(super) inputs: Option<Arc<[u8]>>,
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
    /// A put that is not a test's result.
    pub(super) fn put(header: PutHeader, body: PutBody) -> Self {
        Self::Put(Put { header, body: Arc::new(body), inputs: None })
    }

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
            Self::Put(Put { header: PutHeader { action, output }, body, inputs }) => {
                let (action, output) = (*action, *output);
                let request = match inputs {
                    None => Request::Put { action, output },
                    Some(list) => Request::PutTest { action, output, inputs: list.len() as u64 },
                };
                Message { request, inputs: inputs.clone(), body: Some(body.clone()) }
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
