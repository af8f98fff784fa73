//! The records of a ROOT file: each begins with a key that says what it is; directories say where they stand.

use super::bytes::{Fault, Reader, cut_off};
use super::compression::unpack;
use super::tree::{Branch, Kind};

/// What a file begins with.
const MAGIC: &[u8] = b"root";
/// Added to the version of a file or key whose places are 64 bits long.
const LONG_FILE: u32 = 1_000_000;
const LONG_KEY: u16 = 1000;
/// Directories within directories at most: deeper ones are circles.
const DEEPEST: usize = 32;

/// An opened file.
pub(super) struct RootFile<'a> {
    bytes: &'a [u8],
    /// Where the top directory is described.
    top: usize,
}

/// A record.
pub(super) struct Record<'a> {
    /// Class of its object.
    pub(super) class: String,
    /// Name of its object.
    pub(super) name: String,
    /// Which version of the object.
    pub(super) cycle: u16,
    /// Length of the key.
    pub(super) key_length: usize,
    /// Number of entries of a basket, and length of key and values together.
    basket: Option<(usize, usize)>,
    object_length: usize,
    content: &'a [u8],
}

impl<'a> RootFile<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Fault> {
        if !bytes.starts_with(MAGIC) {
            return Err(Fault("it does not begin as a ROOT file does".into()));
        }
        let mut header = Reader::new(bytes);
        header.skip(MAGIC.len())?;
        let long = header.u32()? >= LONG_FILE;
        let begin = header.u32()? as usize;
        let end = header.place(long)?;
        if end > bytes.len() {
            let message = format!("it should have {end} bytes, but has {}: it is truncated", bytes.len());
            return Err(Fault(message));
        }
        header.place(long)?;
        header.skip(4 + 4)?;
        let name = header.u32()? as usize;
        Ok(Self { bytes, top: begin.checked_add(name).ok_or_else(cut_off)? })
    }

    /// All trees, also those in directories.
    pub(super) fn trees(&self) -> Result<Vec<Record<'a>>, Fault> {
        let mut trees = Vec::new();
        self.directory(self.top, DEEPEST, &mut trees)?;
        Ok(trees)
    }

    fn directory(&self, at: usize, depth: usize, trees: &mut Vec<Record<'a>>) -> Result<(), Fault> {
        let mut reader = Reader::new(self.bytes);
        reader.go_to(at)?;
        let long = reader.u16()? > LONG_KEY;
        reader.skip(4 * 4)?;
        reader.place(long)?;
        reader.place(long)?;
        let keys = reader.place(long)?;
        if keys == 0 {
            return Ok(());
        }
        reader.go_to(keys)?;
        Record::key(&mut reader)?;
        let count = reader.u32()?;
        for _ in 0..count {
            let (record, place) = Record::key(&mut reader)?;
            match record.class.as_str() {
                "TTree" => trees.push(self.at(place)?),
                "TDirectory" | "TDirectoryFile" if depth > 0 => {
                    let inside = place.checked_add(record.key_length).ok_or_else(cut_off)?;
                    self.directory(inside, depth - 1, trees)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The record at a place of the file.
    fn at(&self, place: usize) -> Result<Record<'a>, Fault> {
        let mut reader = Reader::new(self.bytes);
        reader.go_to(place)?;
        let length = reader.i32()?;
        let length = usize::try_from(length).map_err(|_| Fault("a record was deleted".into()))?;
        let end = place.checked_add(length).ok_or_else(cut_off)?;
        let whole = self.bytes.get(place..end).ok_or_else(cut_off)?;
        let mut reader = Reader::new(whole);
        let (mut record, _) = Record::key(&mut reader)?;
        if record.class == "TBasket" {
            // Its version, and the size of its buffer and of an entry.
            reader.skip(2 + 4 + 4)?;
            record.basket = Some((reader.u32()? as usize, reader.u32()? as usize));
        }
        record.content = whole.get(record.key_length..).ok_or_else(cut_off)?;
        Ok(record)
    }

    /// The numbers of a branch, in order.
    pub(super) fn numbers(&self, branch: &Branch, kind: Kind) -> Result<Vec<f64>, Fault> {
        let mut all = Vec::new();
        for place in &branch.baskets {
            let record = self.at(*place)?;
            let Some((entries, last)) = record.basket else {
                return Err(Fault(format!("a basket of `{}` is a {}", branch.name, record.class)));
            };
            let bytes = record.object()?;
            let length = last.checked_sub(record.key_length).ok_or_else(cut_off)?;
            if entries.checked_mul(kind.size()) != Some(length) || bytes.len() < length {
                return Err(Fault(format!("a basket of {entries} entries has {length} bytes of values")));
            }
            all.extend(bytes[..length].chunks_exact(kind.size()).map(|chunk| kind.number(chunk)));
        }
        Ok(all)
    }
}

impl<'a> Record<'a> {
    /// A key, without content, and the place of its record.
    fn key(reader: &mut Reader<'a>) -> Result<(Self, usize), Fault> {
        reader.skip(4)?;
        let long = reader.u16()? > LONG_KEY;
        let object_length = reader.u32()? as usize;
        reader.skip(4)?;
        let key_length = usize::from(reader.u16()?);
        let cycle = reader.u16()?;
        let place = reader.place(long)?;
        reader.place(long)?;
        let (class, name) = (reader.string()?, reader.string()?);
        reader.string()?;
        let record = Self { class, name, cycle, key_length, basket: None, object_length, content: &[] };
        Ok((record, place))
    }

    /// What the record holds.
    pub(super) fn object(&self) -> Result<Vec<u8>, Fault> {
        unpack(self.content, self.object_length)
    }
}
