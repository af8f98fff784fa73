//! The frames of a journal: their bytes, and how they are recognised.
//!
//! ```text
//! magic 4 | kind 1 | zero 3 | payload length 4 | payload crc32 4 | header crc32 4 | payload
//! ```
//! All numbers are little-endian. The header has a checksum of its own, so that the length can be trusted before the
//! payload is read: a damaged payload then costs exactly its frame. That checksum also covers the writer's name and the
//! offset of the frame in its journal: bytes of a journal that come to lie elsewhere (in the body of a record, in a copied
//! or renamed file) are no frames there.

use std::sync::Arc;

use crc32fast::Hasher;

use crate::Digest;
use crate::record::Record;
use crate::writer_id::WriterId;

const MAGIC: [u8; 4] = [0xd7, b'm', b'c', 0xb1];
pub(super) const HEADER: usize = 20;

/// Largest payload of a frame; records are small, this only keeps mistakes out.
pub(crate) const MAX_RECORD: u64 = 64 << 20;

const OBJECT: u8 = 1;
const LOOSE: u8 = 2;
const RECORD: u8 = 3;
const CONDEMNED: u8 = 4;
/// A record some of whose objects are elsewhere or nowhere, on purpose; otherwise like [`RECORD`].
const BARE_RECORD: u8 = 5;

/// One statement of a writing process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// An object lies in a pack of this writer.
    Object { digest: Digest, pack: u32, offset: u64, length: u64 },
    /// An object lies in a file of its own. The file tells that too; the frame saves looking for the file and gives the
    /// length it must have.
    Loose { digest: Digest, length: u64 },
    /// A record was published.
    Record(Arc<Record>),
    /// What lies at this place in a pack (of any writer) is damaged. It names the place, not the object: whatever the
    /// order in which journals are read, a copy that is stored elsewhere stays good.
    Condemned { writer: WriterId, pack: u32, offset: u64 },
}

/// Ties frames to the journal they were written to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seal(u32);

impl Seal {
    pub(super) fn of(writer: &WriterId) -> Self {
        Self(crc32fast::hash(writer.as_str().as_bytes()))
    }

    /// Checksum of a header up to its own checksum.
    fn sum(self, offset: u64, header: &[u8; HEADER - 4]) -> u32 {
        let mut covered = [0; 8 + HEADER - 4];
        covered[..8].copy_from_slice(&offset.to_le_bytes());
        covered[8..].copy_from_slice(header);
        let mut hasher = Hasher::new_with_initial(self.0);
        hasher.update(&covered);
        hasher.finalize()
    }
}

/// What a valid header says.
pub(super) struct Header {
    kind: u8,
    pub(super) length: usize,
    payload_sum: u32,
}

impl Header {
    /// The header at the beginning of `bytes`, which lie at `offset` of the journal.
    pub(super) fn parse(bytes: &[u8], seal: Seal, offset: u64) -> Option<Self> {
        let (header, _) = bytes.split_first_chunk::<HEADER>()?;
        if header[..4] != MAGIC {
            return None;
        }
        let mut fields = Fields(&header[4..]);
        let kind = fields.byte()?;
        fields.take(3)?;
        let (length, payload_sum, header_sum) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let valid = header.first_chunk().map(|covered| seal.sum(offset, covered)) == Some(header_sum);
        valid.then_some(Self { kind, length: length as usize, payload_sum })
    }

    /// The frame with this header and `payload`.
    pub(super) fn decode(&self, payload: &[u8]) -> Option<Frame> {
        if crc32fast::hash(payload) != self.payload_sum {
            return None;
        }
        let mut fields = Fields(payload);
        let frame = match self.kind {
            OBJECT => Frame::Object {
                digest: fields.digest()?,
                pack: fields.u32()?,
                offset: fields.u64()?,
                length: fields.u64()?,
            },
            LOOSE => Frame::Loose { digest: fields.digest()?, length: fields.u64()? },
            RECORD | BARE_RECORD => {
                let bare = self.kind == BARE_RECORD;
                let (key, written_ms, count) = (fields.digest()?, fields.u64()?, fields.u32()?);
                let (objects, _) = fields.take((count as usize).checked_mul(32)?)?.as_chunks::<32>();
                let objects = objects.iter().map(|bytes| Digest::from_bytes(*bytes)).collect();
                let body = std::mem::take(&mut fields.0).to_vec();
                Frame::Record(Arc::new(Record { key, written_ms, objects, body, bare }))
            }
            CONDEMNED => {
                let (pack, offset) = (fields.u32()?, fields.u64()?);
                let writer = WriterId::parse(std::str::from_utf8(std::mem::take(&mut fields.0)).ok()?)?;
                Frame::Condemned { writer, pack, offset }
            }
            _ => return None,
        };
        fields.0.is_empty().then_some(frame)
    }
}

/// Position of the next byte in `bytes` at which a frame may begin.
pub(super) fn next_magic(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MAGIC.len()).position(|window| window == MAGIC)
}

impl Frame {
    /// Puts the frame's bytes, for `offset` of a journal, into `out`.
    pub(super) fn encode(&self, seal: Seal, offset: u64, out: &mut Vec<u8>) {
        out.clear();
        out.resize(HEADER, 0);
        let kind = match self {
            Self::Object { digest, pack, offset, length } => {
                out.extend_from_slice(digest.as_bytes());
                out.extend_from_slice(&pack.to_le_bytes());
                out.extend_from_slice(&offset.to_le_bytes());
                out.extend_from_slice(&length.to_le_bytes());
                OBJECT
            }
            Self::Loose { digest, length } => {
                out.extend_from_slice(digest.as_bytes());
                out.extend_from_slice(&length.to_le_bytes());
                LOOSE
            }
            Self::Record(record) => {
                out.extend_from_slice(record.key.as_bytes());
                out.extend_from_slice(&record.written_ms.to_le_bytes());
                out.extend_from_slice(&to_u32(record.objects.len()).to_le_bytes());
                for object in &record.objects {
                    out.extend_from_slice(object.as_bytes());
                }
                out.extend_from_slice(&record.body);
                if record.bare { BARE_RECORD } else { RECORD }
            }
            Self::Condemned { writer, pack, offset } => {
                out.extend_from_slice(&pack.to_le_bytes());
                out.extend_from_slice(&offset.to_le_bytes());
                out.extend_from_slice(writer.as_str().as_bytes());
                CONDEMNED
            }
        };
        put_header(kind, seal, offset, out);
    }
}

/// Fills in the header of the frame in `out`, whose payload stands there already.
pub(super) fn put_header(kind: u8, seal: Seal, offset: u64, out: &mut [u8]) {
    let (length, payload_sum) = (to_u32(out.len() - HEADER), crc32fast::hash(&out[HEADER..]));
    out[..4].copy_from_slice(&MAGIC);
    out[4] = kind;
    out[8..12].copy_from_slice(&length.to_le_bytes());
    out[12..16].copy_from_slice(&payload_sum.to_le_bytes());
    if let Some(header_sum) = out.first_chunk().map(|covered| seal.sum(offset, covered)) {
        out[HEADER - 4..HEADER].copy_from_slice(&header_sum.to_le_bytes());
    }
}

/// Lengths in a frame are far below the limit: records are checked against [`MAX_RECORD`] before they get here.
fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Takes numbers off the front of a payload.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*front)
    }

    fn byte(&mut self) -> Option<u8> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_le_bytes)
    }

    fn digest(&mut self) -> Option<Digest> {
        self.chunk().map(Digest::from_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<Frame> {
        let digest = Digest::from_bytes([7; 32]);
        let record =
            Record { key: digest, written_ms: 5, objects: vec![digest; 2], body: b"body".to_vec(), bare: false };
        vec![
            Frame::Object { digest, pack: 1, offset: 2, length: 3 },
            Frame::Loose { digest, length: 4 },
            Frame::Record(Arc::new(record)),
            Frame::Condemned { writer: WriterId::parse("w").unwrap(), pack: 8, offset: 9 },
            Frame::Record(Arc::new(Record {
                key: digest,
                written_ms: 6,
                objects: vec![digest],
                body: Vec::new(),
                bare: true,
            })),
        ]
    }

    fn decode(bytes: &[u8], seal: Seal, offset: u64) -> Option<Frame> {
        Header::parse(bytes, seal, offset)?.decode(&bytes[HEADER..])
    }

    #[test]
    fn frames_are_valid_unaltered_and_in_their_place_only() {
        let (seal, other) =
            (Seal::of(&WriterId::parse("ours").unwrap()), Seal::of(&WriterId::parse("theirs").unwrap()));
        let mut bytes = Vec::new();
        for frame in frames() {
            frame.encode(seal, 100, &mut bytes);
            assert_eq!(decode(&bytes, seal, 100), Some(frame));
            assert_eq!(decode(&bytes, seal, 101), None);
            assert_eq!(decode(&bytes, other, 100), None);
            for bit in 0..8 * bytes.len() {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&bytes, seal, 100), None, "bit {bit}");
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    /// Stores live for years: a change of these bytes needs a new format number.
    #[test]
    fn the_form_of_frames_stays() {
        let (mut all, mut bytes) = (Vec::new(), Vec::new());
        for frame in frames() {
            frame.encode(Seal::of(&WriterId::parse("writer").unwrap()), all.len() as u64, &mut bytes);
            all.extend_from_slice(&bytes);
        }
        let (first, bare) = all.split_at(4 * HEADER + 52 + 40 + 112 + 13);
        assert_eq!(Digest::of(first).short(), "5c771986ece3");
        assert_eq!((bare.len(), Digest::of(bare).short().as_str()), (HEADER + 76, "3608ec42522b"));
    }
}
