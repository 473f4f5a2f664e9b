//! The side that has the network.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use proto::error::with_causes;
use proto::wire::{read_json_line, write_json_line};
use remote::limits;

use super::{Answer, BROKEN, CHUNK, LINE, Request};
use crate::objects::{Body, ObjectError, Objects};

/// Answers the request of one connection. Its deadlines are the stream's.
///
/// # Errors
/// Where the asking side is gone, too slow, or says something else. What the engine cannot do is an answer.
pub fn answer(stream: &UnixStream, objects: &dyn Objects) -> io::Result<()> {
    let mut input = BufReader::new(stream);
    match read_json_line(&mut input, LINE).map_err(io::Error::other)? {
        Request::Get { name, range } => match objects.get(&name, range) {
            Ok(Some(body)) => {
                write_json_line(stream, &Answer::Found)?;
                send(stream, body)
            }
            Ok(None) => write_json_line(stream, &Answer::Missing),
            Err(e) => write_json_line(stream, &refused(&e)),
        },
        Request::Put { size, .. } if size > limits::MOST_FILE => {
            write_json_line(stream, &Answer::Failed(format!("{size} bytes are more than a file has")))
        }
        Request::Put { name, size } => {
            let mut body = Vec::new();
            input.take(size).read_to_end(&mut body)?;
            if body.len() as u64 != size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let put = objects.put(&name, &body);
            write_json_line(stream, &put.map_or_else(|e| refused(&e), |()| Answer::Done))
        }
    }
}

fn refused(error: &ObjectError) -> Answer {
    let mut why = with_causes(error);
    why.truncate(why.floor_char_boundary(LINE / 8)); // escaped, it is up to six times as long
    match error {
        ObjectError::Denied(_) => Answer::Denied(why),
        ObjectError::Other(_) => Answer::Failed(why),
    }
}

fn send(mut stream: &UnixStream, mut body: Body<'_>) -> io::Result<()> {
    let mut chunk = vec![0; 4 + CHUNK];
    loop {
        match body.read(&mut chunk[4..]) {
            Ok(read) => {
                let length = u32::try_from(read).map_err(io::Error::other)?;
                chunk[..4].copy_from_slice(&length.to_le_bytes());
                stream.write_all(&chunk[..4 + read])?;
                if read == 0 {
                    return Ok(());
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                stream.write_all(&BROKEN.to_le_bytes())?;
                let mut why = e.to_string();
                why.truncate(why.floor_char_boundary(LINE / 8));
                return write_json_line(stream, &why);
            }
        }
    }
}
