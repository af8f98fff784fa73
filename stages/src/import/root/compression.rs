//! Compressed content of a record: a sequence of blocks, each with the name of its algorithm and two lengths.

use std::io::Read as _;

use super::bytes::{Fault, Reader};

/// Most bytes that one record may unpack to: a basket is a few MB.
const MOST: usize = 1 << 30;

/// The `length` bytes that `packed` holds.
pub(super) fn unpack(packed: &[u8], length: usize) -> Result<Vec<u8>, Fault> {
    if packed.len() == length {
        return Ok(packed.to_vec());
    }
    if length > MOST {
        return Err(Fault(format!("a record claims to hold {length} bytes")));
    }
    let mut reader = Reader::new(packed);
    let mut all = Vec::new();
    while all.len() < length {
        let name = [reader.u8()?, reader.u8()?];
        reader.skip(1)?;
        let (from, to) = (three(&mut reader)?, three(&mut reader)?);
        let block = reader.take(from)?;
        match &name {
            b"ZL" => {
                let read = flate2::read::ZlibDecoder::new(block).take(to as u64 + 1).read_to_end(&mut all);
                read.map_err(|error| Fault(format!("a block cannot be unpacked: {error}")))?;
            }
            b"L4" => {
                // Eight bytes of checksum stand before the data; what is wrong shows in the lengths.
                let data = block.get(8..).ok_or_else(super::bytes::cut_off)?;
                let block = lz4_flex::block::decompress(data, to);
                all.extend(block.map_err(|error| Fault(format!("a block cannot be unpacked: {error}")))?);
            }
            b"XZ" | b"ZS" => {
                let kind = if &name == b"XZ" { "LZMA" } else { "ZSTD" };
                return Err(Fault(format!(
                    "it is compressed with {kind}; write it with ZLIB or LZ4 (hadd -f101 does)"
                )));
            }
            _ => return Err(Fault("a block is compressed in an unknown way, or damaged".into())),
        }
    }
    if all.len() != length {
        return Err(Fault(format!("a record unpacks to {} bytes, not to {length}", all.len())));
    }
    Ok(all)
}

/// Three bytes, the lowest first.
fn three(reader: &mut Reader<'_>) -> Result<usize, Fault> {
    let [a, b, c] = [reader.u8()?, reader.u8()?, reader.u8()?];
    Ok(usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16)
}
