//! Properties: what one side writes the other reads, and no input makes a reader panic or lose its step.

use std::io::{BufReader, Cursor, Read};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64_simd::STANDARD;
use proptest::prelude::*;
use proto::gocmd::{BodyError, Command, Hit, Requests, write_hit, write_stored};
use proto::{ActionId, Output, OutputId};

/// One put as cmd/go writes it (cache/prog.go `writeToChild`, Go 1.26), then a close.
fn put_bytes(body: &[u8]) -> Vec<u8> {
    let id = STANDARD.encode_to_string([7; 32]);
    let mut text = format!("{{\"ID\":3,\"Command\":\"put\",\"ActionID\":\"{id}\",\"OutputID\":\"{id}\"");
    if body.is_empty() {
        text += "}\n\n";
    } else {
        text += &format!(",\"BodySize\":{}}}\n\n\"{}\"\n", body.len(), STANDARD.encode_to_string(body));
    }
    text += "{\"ID\":4,\"Command\":\"close\"}\n\n";
    text.into_bytes()
}

proptest! {
    #[test]
    fn a_put_reads_back_whatever_the_pieces(body in prop::collection::vec(any::<u8>(), 0..5000), buffer in 1usize..300, piece in 3usize..200) {
        let wire = put_bytes(&body);
        let mut requests = Requests::new(BufReader::with_capacity(buffer, Cursor::new(wire)));
        let put = requests.read().unwrap().unwrap();
        prop_assert_eq!(put.command, Ok(Command::Put(ActionId([7; 32]), OutputId([7; 32]))));
        prop_assert_eq!(put.body_size, body.len() as u64);
        let mut read = Vec::new();
        let mut reader = requests.body(put.body_size);
        let mut out = vec![0; piece];
        loop {
            match reader.chunk(&mut out).unwrap() {
                0 => break,
                n => read.extend_from_slice(&out[..n]),
            }
        }
        prop_assert_eq!(&read, &body);
        prop_assert_eq!(requests.read().unwrap().unwrap().command, Ok(Command::Close));
        prop_assert!(requests.read().unwrap().is_none());
        // The same appended to what is there, as much at a time as has arrived.
        let mut requests = Requests::new(BufReader::with_capacity(buffer, Cursor::new(put_bytes(&body))));
        let put = requests.read().unwrap().unwrap();
        let mut appended = b"before".to_vec();
        let mut reader = requests.body(put.body_size);
        while reader.append(&mut appended).unwrap() > 0 {}
        prop_assert_eq!(&appended[6..], body);
        prop_assert_eq!(requests.read().unwrap().unwrap().command, Ok(Command::Close));
    }

    #[test]
    fn a_body_of_another_length_is_refused_and_the_next_request_read(body in prop::collection::vec(any::<u8>(), 1..300), declared in 1u64..300, buffer in 1usize..100) {
        prop_assume!(declared != body.len() as u64);
        let wire = String::from_utf8(put_bytes(&body)).unwrap();
        let wire = wire.replace(&format!("\"BodySize\":{}", body.len()), &format!("\"BodySize\":{declared}"));
        let mut requests = Requests::new(BufReader::with_capacity(buffer, Cursor::new(wire)));
        let put = requests.read().unwrap().unwrap();
        let error = requests.body(put.body_size).skip().unwrap_err();
        prop_assert!(matches!(error, BodyError::Request(_)), "{error:?}");
        prop_assert_eq!(requests.read().unwrap().unwrap().command, Ok(Command::Close));
    }

    #[test]
    fn a_put_given_up_in_the_middle_is_no_put(body in prop::collection::vec(any::<u8>(), 30..300), cut in 0usize..40, buffer in 1usize..100) {
        let wire = put_bytes(&body);
        let start = wire.windows(3).position(|w| w == b"\n\n\"").unwrap() + 3;
        let mut broken = wire[..start + cut].to_vec();
        broken.extend_from_slice(b"{\"ID\":9,\"Command\":\"close\"}\n\n");
        let mut requests = Requests::new(BufReader::with_capacity(buffer, Cursor::new(broken)));
        let put = requests.read().unwrap().unwrap();
        prop_assert!(matches!(requests.body(put.body_size).skip(), Err(BodyError::Abandoned)));
        prop_assert_eq!(requests.read().unwrap().unwrap().id, 9);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(prop::sample::select(b"{}\"\n=AIDputgetOSize:,0139 \\\x00\xff".to_vec()), 0..400), buffer in 1usize..50) {
        let mut requests = Requests::new(BufReader::with_capacity(buffer, Cursor::new(bytes)));
        while let Ok(Some(request)) = requests.read() {
            if requests.body(request.body_size).skip().is_err() {
                break;
            }
        }
    }

    #[test]
    fn answers_are_json_that_says_the_same(size: u64, seconds in 0u64..4_000_000_000, nanos in 0u32..1_000_000_000, path in "\\PC{1,60}") {
        let time = UNIX_EPOCH + Duration::new(seconds, nanos);
        let hit = Hit { output: Output { id: OutputId([9; 32]), size }, time, path: path.clone() };
        let mut line = Vec::new();
        write_hit(&mut line, 5, &hit);
        let json: serde_json::Value = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(&json["DiskPath"], &path);
        prop_assert_eq!(&json["Size"], size);
        prop_assert_eq!(&json["OutputID"], &OutputId([9; 32]).to_base64());
        let read: SystemTime = humantime::parse_rfc3339(json["Time"].as_str().unwrap()).unwrap();
        prop_assert_eq!(read, time);
        prop_assert_eq!(line.iter().filter(|&&b| b == b'\n').count(), 1);
        let mut line = Vec::new();
        write_stored(&mut line, 6, &path);
        prop_assert_eq!(&serde_json::from_slice::<serde_json::Value>(&line).unwrap()["DiskPath"], &path);
    }
}

#[test]
fn a_10_mb_body_needs_no_more_than_its_pieces() {
    let body: Vec<u8> = (0..10_000_000u32).map(|i| (i % 251) as u8).collect();
    let mut requests = Requests::new(BufReader::with_capacity(64 << 10, Cursor::new(put_bytes(&body))));
    let put = requests.read().unwrap().unwrap();
    let mut read = Vec::new();
    requests.body(put.body_size).read_to_end(&mut read).unwrap();
    assert!(read == body);
}
