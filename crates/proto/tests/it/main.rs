//! The codecs from outside: transcripts of what cmd/go sends (a file each under tests/transcripts) and round trips.
#![cfg(test)]

mod frames; // our own frames: properties, and each frame byte for byte
mod parts; // the parts of conditions: properties
mod roundtrip; // properties: what one side writes the other reads, whatever the pieces it arrives in
mod transcripts; // recorded and broken input, whole values compared
