use std::fmt::Debug;

use proptest::prelude::*;
use proto::control::Counts;
use proto::wire::{Candidate, Refusal, Reply, Request, UnixTime};
use proto::{ActionId, Condition, FrameError, Output, OutputId, Scope, ScopeDigest, limits};

/// What both kinds of frame are to these tests.
trait Frame: Sized + PartialEq + Debug {
    fn put(&self, id: u32, out: &mut Vec<u8>);
    fn next(input: &mut &[u8]) -> Result<Option<(u32, Self)>, FrameError>;
}

impl Frame for Request {
    fn put(&self, id: u32, out: &mut Vec<u8>) {
        self.write(id, out);
    }

    fn next(input: &mut &[u8]) -> Result<Option<(u32, Self)>, FrameError> {
        Self::read(input)
    }
}

impl Frame for Reply {
    fn put(&self, id: u32, out: &mut Vec<u8>) {
        self.write(id, out);
    }

    fn next(input: &mut &[u8]) -> Result<Option<(u32, Self)>, FrameError> {
        Self::read(input)
    }
}

fn action() -> impl Strategy<Value = ActionId> {
    any::<[u8; 32]>().prop_map(ActionId)
}

fn output_id() -> impl Strategy<Value = OutputId> {
    any::<[u8; 32]>().prop_map(OutputId)
}

fn output() -> impl Strategy<Value = Output> {
    (output_id(), any::<u64>()).prop_map(|(id, size)| Output { id, size })
}

fn time() -> impl Strategy<Value = UnixTime> {
    (0..limits::END_OF_TIME, 0u32..1_000_000_000).prop_map(|(seconds, nanos)| UnixTime { seconds, nanos })
}

fn scope() -> impl Strategy<Value = Scope> {
    "\\PC{1,200}".prop_filter_map("no scope", |text| Scope::new(&text).ok())
}

fn condition() -> impl Strategy<Value = Condition> {
    (scope(), any::<[u8; 32]>()).prop_map(|(scope, digest)| Condition { scope, digest: ScopeDigest(digest) })
}

fn request() -> impl Strategy<Value = Request> {
    let body = || (output_id(), 0..=limits::BODY).prop_map(|(id, size)| Output { id, size });
    let put = || (action(), body());
    prop_oneof![
        action().prop_map(|action| Request::Get { action }),
        put().prop_map(|(action, output)| Request::Put { action, output }),
        put().prop_map(|(action, output)| Request::PutPrivate { action, output }),
        (action(), output_id(), prop::option::of(condition())).prop_map(|(action, output, condition)| Request::Share {
            action,
            output,
            condition
        }),
        (condition(), prop::collection::vec(any::<u8>(), 0..500))
            .prop_map(|(condition, parts)| Request::Parts { condition, parts }),
        (put(), 0..=limits::TEST_INPUTS).prop_map(|((action, output), inputs)| Request::PutTest {
            action,
            output,
            inputs
        }),
        prop::collection::vec(action(), 0..=limits::USED).prop_map(Request::Used),
        (0..limits::CONDITIONS).prop_map(|candidate| Request::Accepted(candidate as u8)),
        Just(Request::Rejected),
        any::<(u64, u64)>().prop_map(|(unanswered, spooled)| Request::WithoutDaemon { unanswered, spooled }),
        Just(Request::Summary),
        Just(Request::Why),
    ]
}

fn candidate() -> impl Strategy<Value = Candidate> {
    (condition(), output(), time()).prop_map(|(condition, output, time)| Candidate { condition, output, time })
}

fn reply() -> impl Strategy<Value = Reply> {
    let found = || (output(), time());
    prop_oneof![
        Just(Reply::Miss),
        found().prop_map(|(output, time)| Reply::Hit { output, time }),
        (output_id(), found()).prop_map(|(inputs, (output, time))| Reply::HitIf { inputs, output, time }),
        prop::collection::vec(candidate(), 1..=limits::CONDITIONS)
            .prop_map(|candidates| Reply::Conditional { candidates }),
        time().prop_map(|time| Reply::Stored { time }),
        Just(Reply::Refused(Refusal::Digest)),
        Just(Reply::Refused(Refusal::Storage)),
        any::<[u64; Counts::NUMBER]>().prop_map(|values| Reply::Summary(Counts::of(values))),
        "\\PC{0,100}".prop_map(Reply::Why),
    ]
}

/// One after the other they read back; cut anywhere within the last one, all but that one do, and the end is reported.
fn read_back<F: Frame>(frames: &[(u32, F)], cut: prop::sample::Index) {
    let (mut wire, mut last) = (Vec::new(), 0);
    for (id, frame) in frames {
        last = wire.len();
        frame.put(*id, &mut wire);
    }
    let mut input = wire.as_slice();
    for (id, frame) in frames {
        let (read_id, read) = F::next(&mut input).unwrap().unwrap();
        assert_eq!((read_id, &read), (*id, frame));
    }
    assert!(F::next(&mut input).unwrap().is_none());
    let cut = last + 1 + cut.index(wire.len() - last - 1);
    let mut input = &wire[..cut];
    for _ in 1..frames.len() {
        F::next(&mut input).unwrap().unwrap();
    }
    assert!(matches!(F::next(&mut input), Err(FrameError::Truncated)), "cut at {cut} of {}", wire.len());
}

proptest! {
    #[test]
    fn requests_read_back_and_a_cut_is_told(frames in prop::collection::vec((any::<u32>(), request()), 1..5), cut: prop::sample::Index) {
        read_back(&frames, cut);
    }

    #[test]
    fn replies_read_back_and_a_cut_is_told(frames in prop::collection::vec((any::<u32>(), reply()), 1..5), cut: prop::sample::Index) {
        read_back(&frames, cut);
    }

    /// Any bytes, and frames with a byte changed: what is read at all is written as it was.
    #[test]
    fn what_is_read_of_garbage_is_a_frame(
        garbage in prop::collection::vec(any::<u8>(), 0..300), frame in (any::<u32>(), request()), other in (any::<u32>(), reply()),
        at: prop::sample::Index, byte: u8,
    ) {
        let (mut request, mut reply) = (Vec::new(), Vec::new());
        frame.1.write(frame.0, &mut request);
        other.1.write(other.0, &mut reply);
        let spoil = |mut bytes: Vec<u8>| { let at = at.index(bytes.len()); bytes[at] = byte; bytes };
        for bytes in [garbage, spoil(request), spoil(reply)] {
            writes_as_read::<Request>(&bytes);
            writes_as_read::<Reply>(&bytes);
        }
    }

    #[test]
    fn a_long_answer_to_why_is_cut_between_two_letters(letters in 190usize..300) {
        let mut wire = Vec::new();
        Reply::Why("x".to_owned() + &"ø".repeat(letters)).write(7, &mut wire);
        let read = Reply::read(&mut wire.as_slice()).unwrap();
        prop_assert_eq!(read, Some((7, Reply::Why("x".to_owned() + &"ø".repeat(letters.min(199))))));
    }
}

fn writes_as_read<F: Frame>(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some((id, frame))) = F::next(&mut rest) {
        let mut again = Vec::new();
        frame.put(id, &mut again);
        assert!(bytes[..bytes.len() - rest.len()].ends_with(&again), "{frame:?}");
    }
}

#[test]
fn more_than_the_limits_say_is_not_written_and_not_read() {
    let mut wire = Vec::new();
    Request::Used(vec![ActionId([1; 32]); limits::USED + 1]).write(1, &mut wire);
    let read = Request::read(&mut wire.as_slice()).unwrap().unwrap().1;
    assert_eq!(read, Request::Used(vec![ActionId([1; 32]); limits::USED]));
    wire[5..7].copy_from_slice(&(limits::USED as u16 + 1).to_le_bytes());
    assert!(matches!(Request::read(&mut wire.as_slice()), Err(FrameError::OutOfBounds(_))));

    let scope = Scope::new(&"s".repeat(limits::SCOPE)).unwrap();
    let condition = Condition { scope, digest: ScopeDigest([1; 32]) };
    let candidate = Candidate {
        condition: condition.clone(),
        output: Output { id: OutputId([2; 32]), size: 3 },
        time: UnixTime { seconds: 4, nanos: 5 },
    };
    let mut wire = Vec::new();
    Reply::Conditional { candidates: vec![candidate.clone(); limits::CONDITIONS + 1] }.write(1, &mut wire);
    let read = Reply::read(&mut wire.as_slice()).unwrap().unwrap().1;
    assert_eq!(read, Reply::Conditional { candidates: vec![candidate; limits::CONDITIONS] });
    for count in [0, limits::CONDITIONS as u8 + 1] {
        wire[5] = count;
        assert!(matches!(Reply::read(&mut wire.as_slice()), Err(FrameError::OutOfBounds(_))), "{count} candidates");
    }
    let long = (limits::SCOPE as u16 + 1).to_le_bytes();
    let frame = [b"O\0\0\0\0\x01".as_slice(), &[0; 32], &long, &vec![b's'; limits::SCOPE + 1]].concat();
    assert!(matches!(Reply::read(&mut frame.as_slice()), Err(FrameError::OutOfBounds(_))));
    let put = [b"P".as_slice(), &[0; 68], &(limits::BODY + 1).to_le_bytes()].concat();
    assert!(matches!(Request::read(&mut put.as_slice()), Err(FrameError::OutOfBounds(_))));

    let mut wire = Vec::new();
    Request::Parts { condition: condition.clone(), parts: vec![7; limits::PARTS + 1] }.write(1, &mut wire);
    let read = Request::read(&mut wire.as_slice()).unwrap().unwrap().1;
    assert_eq!(read, Request::Parts { condition, parts: vec![7; limits::PARTS] });
    let length = 5 + 32 + 2 + limits::SCOPE;
    wire[length..length + 4].copy_from_slice(&(limits::PARTS as u32 + 1).to_le_bytes());
    assert!(matches!(Request::read(&mut wire.as_slice()), Err(FrameError::OutOfBounds(_))));
    let share = [b"S".as_slice(), &[0; 68], &[2]].concat();
    assert!(matches!(Request::read(&mut share.as_slice()), Err(FrameError::OutOfBounds(_))));
}

fn hex(bytes: &[u8]) -> String {
    proto::id::hex(bytes)
}

/// The layout, byte for byte: another one is another version (docs/reference/protocol.md).
#[test]
fn each_frame_is_as_it_was_recorded() {
    let (action, output) = (ActionId([0xaa; 32]), Output { id: OutputId([0xbb; 32]), size: 9 });
    let (digest, time) = (ScopeDigest([0xcc; 32]), UnixTime { seconds: 0x11, nanos: 0x22 });
    let scope = Scope::new("std").unwrap();
    let condition = Condition { scope, digest };
    let candidate = Candidate { condition: condition.clone(), output, time };
    let requests = [
        Request::Get { action },
        Request::Put { action, output },
        Request::PutPrivate { action, output },
        Request::Share { action, output: output.id, condition: None },
        Request::Share { action, output: output.id, condition: Some(condition.clone()) },
        Request::Parts { condition, parts: b"p CC 0123\n".to_vec() },
        Request::PutTest { action, output, inputs: 8 },
        Request::Used(vec![action; 2]),
        Request::Accepted(7),
        Request::Rejected,
        Request::WithoutDaemon { unanswered: 5, spooled: 6 },
        Request::Summary,
        Request::Why,
    ];
    let replies = [
        Reply::Miss,
        Reply::Hit { output, time },
        Reply::HitIf { inputs: OutputId([0xdd; 32]), output, time },
        Reply::Conditional { candidates: vec![candidate; 2] },
        Reply::Stored { time },
        Reply::Refused(Refusal::Digest),
        Reply::Refused(Refusal::Storage),
        Reply::Summary(Counts::of(std::array::from_fn(|n| n as u64))),
        Reply::Why("x: ø".into()),
    ];
    let mut written = String::new();
    let mut tell = |frame: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        frame(&mut bytes);
        written += &(hex(&bytes) + "\n");
    };
    requests.iter().for_each(|request| tell(&|out| request.write(0x0403_0201, out)));
    replies.iter().for_each(|reply| tell(&|out| reply.write(0x0403_0201, out)));
    let recorded = include_str!("../transcripts/frames-3.txt");
    assert_eq!(written, recorded, "\n{written}");
}
