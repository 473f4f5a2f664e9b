//! The content of a file from its beginning: its bytes, or their sha256.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

/// Bytes read at a time.
const BUFFER_SIZE: usize = 64 << 10;

/// All bytes of a small file. The download has limited its size.
pub(crate) fn read(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    rewound(file)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The sha256 of a file.
pub(crate) fn sha256(file: &File) -> io::Result<[u8; 32]> {
    digest(&mut rewound(file)?)
}

/// The sha256 of everything that a reader gives.
pub(crate) fn digest(input: &mut (impl Read + ?Sized)) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// The file with its position at the beginning.
pub(crate) fn rewound(mut file: &File) -> io::Result<&File> {
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}
