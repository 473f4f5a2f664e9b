//! `s3-double`: a strict S3 that injects faults, for tests.
//!
//!     s3-double --memory --bucket packs --key reader:secret:read --key writer:secret2:all:v1/ --listen 127.0.0.1:0
//!
//! Its first line on stdout is its address, `127.0.0.1:PORT`; SIGTERM ends it. `--help` has all flags. The S3 face is at `/`, in
//! path style and, as BUCKET.DOMAIN, in virtual-host style; WebDAV is below `/dav/`. Faults are set, the clock is moved and the
//! log is read below `/-/`, from 127.0.0.1 alone (control.rs has the requests, faults.rs the rules):
//!
//!     curl -d '{"method": "GET", "times": 2, "fault": {"kind": "status", "status": 503, "code": "SlowDown"}}' ADDRESS/-/faults
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its address, and why it does not start")]

use std::process::ExitCode;

use clap::Parser;
use s3_double::{Double, Settings};

fn main() -> ExitCode {
    match Double::start(Settings::parse()) {
        Ok(double) => {
            println!("{}", double.address());
            double.wait();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("s3-double: {error}");
            ExitCode::FAILURE
        }
    }
}
