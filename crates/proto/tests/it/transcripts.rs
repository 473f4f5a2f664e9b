//! Input as real Go versions send it, and input that no program should send. Each file is read whole and written as a list of
//! events, which is compared as a value.

use std::io::{BufReader, Cursor};

use proto::gocmd::{Command, Requests};
use proto::wire::{self, FirstLine, Hello, Toolchain, read_first_line, read_json_line, write_json_line};
use proto::{FrameError, limits};

/// Writes a stream as one line for each event.
fn events(input: &[u8]) -> Vec<String> {
    let mut requests = Requests::new(BufReader::with_capacity(37, Cursor::new(input)));
    let mut written = Vec::new();
    loop {
        let request = match requests.read() {
            Ok(Some(request)) => request,
            Ok(None) => return written,
            Err(error) => {
                written.push(format!("end: {error}"));
                return written;
            }
        };
        let mut body = Vec::new();
        let mut chunk = [0; 16];
        let mut reader = requests.body(request.body_size);
        let outcome = loop {
            match reader.chunk(&mut chunk) {
                Ok(0) => break Ok(()),
                Ok(n) => body.extend_from_slice(&chunk[..n]),
                Err(error) => break Err(error),
            }
        };
        let what = match &request.command {
            Ok(Command::Get(action)) => format!("get {}", &action.to_string()[..8]),
            Ok(Command::Put(action, output)) => {
                format!("put {} {}", &action.to_string()[..8], &output.to_string()[..8])
            }
            Ok(Command::Close) => "close".to_owned(),
            Err(error) => format!("refused: {error}"),
        };
        let body = match outcome {
            Ok(()) if request.body_size == 0 => String::new(),
            Ok(()) => format!(" body {:?}", String::from_utf8_lossy(&body)),
            Err(error) => format!(" body failed: {error}"),
        };
        written.push(format!("{} {what}{body}", request.id));
    }
}

#[test]
fn every_dialect_is_read() {
    for (version, text) in [
        ("1.21", include_bytes!("../transcripts/go1.21.txt").as_slice()),
        ("1.24", include_bytes!("../transcripts/go1.24.txt")),
        ("1.27", include_bytes!("../transcripts/go1.27.txt")),
    ] {
        let expected = [
            "1 get 01010101",
            "2 put 01010101 7218e1c6 body \"hello, cache\\n\"",
            "3 put 02020202 e3b0c442",
            "4 close",
        ];
        assert_eq!(events(text), expected, "{version}");
    }
}

#[test]
fn bad_input_is_told_apart() {
    assert_eq!(
        events(include_bytes!("../transcripts/bad.txt")),
        [
            "1 refused: ActionID has 31 bytes, not 32",
            "2 refused: ActionID is not base64",
            "3 refused: the request has no ActionID",
            "4 refused: the request has no OutputID body \"abc\"",
            "5 refused: unknown command \"trim\": this program knows get, put and close",
            "6 put 01010101 01010101 body failed: the body is not the declared 3 bytes",
            "7 put 01010101 01010101 body failed: the body is not the declared 30 bytes",
            "8 put 01010101 01010101 body failed: the body is not base64",
            "9 put 01010101 01010101 body failed: the put was given up by cmd/go",
            "10 get 01010101",
            "end: a line that is not a request",
        ]
    );
}

#[test]
fn a_10_gb_body_is_refused_by_its_declaration() {
    let id = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let text = format!(
        "{{\"ID\":1,\"Command\":\"put\",\"ActionID\":\"{id}\",\"OutputID\":\"{id}\",\"BodySize\":10000000000}}\n\n\"QUJD"
    );
    assert_eq!(
        events(text.as_bytes()),
        [
            "1 refused: the body of 10000000000 bytes is over the limit of 4294967296 bytes body failed: the stream ended within a frame",
        ]
    );
}

#[test]
fn a_100_mb_line_ends_the_stream_without_being_held() {
    let line = std::io::Read::take(std::io::repeat(b'x'), 100_000_000);
    let mut requests = Requests::new(BufReader::new(line));
    assert!(matches!(requests.read(), Err(FrameError::LineTooLong(limits::HEADER_LINE))));
}

#[test]
fn hello_reads_back_and_ignores_what_later_versions_add() {
    let command = wire::Command { arguments: vec!["go".into(), "build".into()], ..wire::Command::default() };
    let toolchain = Toolchain { goroot: "/nix/store/x-go/share/go".into(), ..Toolchain::default() };
    let hello = Hello { command: Some(command), ..Hello::new(toolchain) };
    let mut line = Vec::new();
    write_json_line(&mut line, &hello).unwrap();
    assert_eq!(read_json_line::<Hello>(&mut line.as_slice(), limits::HELLO_LINE).unwrap(), hello);
    let later = br#"{"version":9,"toolchain":{"goroot":"/g","color":"blue"},"more":[1]}
"#;
    assert_eq!(read_json_line::<Hello>(&mut later.as_slice(), limits::HELLO_LINE).unwrap().version, 9);
    let first = |mut line: &[u8]| read_first_line::<Hello>(&mut line, limits::HELLO_LINE);
    assert_eq!(first(&line).unwrap(), FirstLine::Current(hello));
    for other in [later.as_slice(), b"{\"version\":9,\"request\":{\"new-thing\":{}}}\n"] {
        assert_eq!(first(other).unwrap(), FirstLine::OtherVersion(9));
    }
    let nameless = format!("{{\"version\":{}}}\n", wire::VERSION);
    assert!(matches!(first(nameless.as_bytes()), Err(FrameError::Json(_))));
    assert!(matches!(read_json_line::<Hello>(&mut b"{".as_slice(), 10), Err(FrameError::Truncated)));
}
