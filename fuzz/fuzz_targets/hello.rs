//! The first lines: a client's hello, a daemon's welcome, a control request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::control::{Answer, Envelope};
use proto::limits;
use proto::wire::{Hello, Welcome, read_json_line};

fuzz_target!(|bytes: &[u8]| {
    drop(read_json_line::<Hello>(&mut &bytes[..], limits::HELLO_LINE));
    drop(read_json_line::<Welcome>(&mut &bytes[..], limits::HELLO_LINE));
    drop(read_json_line::<Envelope>(&mut &bytes[..], limits::HELLO_LINE));
    drop(read_json_line::<Answer>(&mut &bytes[..], limits::CONTROL_ANSWER));
});
