//! What cmd/go says: no bytes panic, and a body is never longer than declared.
#![no_main]

use std::io::BufReader;

use libfuzzer_sys::fuzz_target;
use proto::gocmd::Requests;

fuzz_target!(|input: (u8, &[u8])| {
    let (buffer, bytes) = input;
    let mut requests = Requests::new(BufReader::with_capacity(usize::from(buffer).max(1), bytes));
    while let Ok(Some(request)) = requests.read() {
        let mut body = requests.body(request.body_size);
        let mut piece = [0; 31];
        let mut read = 0;
        loop {
            match body.chunk(&mut piece) {
                Ok(0) => {
                    assert_eq!(read, request.body_size);
                    break;
                }
                Ok(n) => read += n as u64,
                Err(_) => break,
            }
            assert!(read <= request.body_size);
        }
    }
});
