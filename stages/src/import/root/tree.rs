//! A tree as it is written down: its name, its branches, the kind of number each holds.

use std::collections::HashMap;

use super::bytes::{Fault, Reader, cut_off};
use super::records::Record;

/// A tree.
pub(super) struct Tree {
    pub(super) name: String,
    pub(super) branches: Vec<Branch>,
}

/// A branch.
pub(super) struct Branch {
    pub(super) name: String,
    /// Entries that it announces.
    pub(super) entries: u64,
    /// What an entry is, or what it is instead of one number.
    pub(super) kind: Result<Kind, &'static str>,
    /// Where its baskets stand in the file.
    pub(super) baskets: Vec<usize>,
}

/// A kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F32,
    F64,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
}

impl Kind {
    pub(super) fn size(self) -> usize {
        match self {
            Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    /// # Shapes
    /// `bytes`: as many as [`Self::size`] says.
    pub(super) fn number(self, bytes: &[u8]) -> f64 {
        let word = bytes.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        match self {
            Self::F32 => f64::from(f32::from_bits(word as u32)),
            Self::F64 => f64::from_bits(word),
            Self::I16 => f64::from(word as i16),
            Self::I32 => f64::from(word as i32),
            Self::I64 => word as i64 as f64,
            Self::U16 | Self::U32 | Self::U64 => word as f64,
        }
    }
}

/// Set in a word that counts the bytes of an object.
const COUNT: u32 = 0x4000_0000;
/// Announces a class that was not named before.
const NEW_CLASS: u32 = 0xffff_ffff;
/// Set in a word that points to a class named before.
const CLASS: u32 = 0x8000_0000;
/// Places of classes count from two bytes before the buffer.
const OFFSET: usize = 2;

/// Classes that were named so far, by their place.
struct Classes {
    /// Length of the record's key, which counts in places.
    key: usize,
    known: HashMap<usize, String>,
}

/// The tree in a record.
pub(super) fn parse(record: &Record<'_>) -> Result<Tree, Fault> {
    let bytes = record.object()?;
    let mut reader = Reader::new(&bytes);
    let mut classes = Classes { key: record.key_length, known: HashMap::new() };
    let (version, _) = reader.version()?;
    if version < 16 {
        return Err(Fault(format!("its tree has version {version}, older than ROOT 5.12 writes")));
    }
    let name = named(&mut reader)?;
    // How it is drawn: line, fill, marker.
    for _ in 0..3 {
        reader.skip_object()?;
    }
    // Entries and numbers of bytes, the weight, settings.
    reader.skip(8 * if version >= 18 { 5 } else { 4 } + 8 + 4 * if version >= 17 { 4 } else { 3 })?;
    let clusters = if version >= 19 { reader.u32()? as usize } else { 0 };
    // Limits, how often it is saved, an estimate.
    reader.skip(8 * if version >= 18 { 6 } else { 5 })?;
    if version >= 19 {
        // Where clusters of entries end, and their sizes.
        for _ in 0..2 {
            reader.skip(1 + clusters.checked_mul(8).ok_or_else(cut_off)?)?;
        }
    }
    if version >= 20 {
        reader.skip_object()?;
    }
    let mut branches = Vec::new();
    array(&mut reader, &mut classes, &mut |reader, classes, class| {
        branches.push(branch(reader, classes, class)?);
        Ok(())
    })?;
    Ok(Tree { name, branches })
}

/// Name of a TNamed.
fn named(reader: &mut Reader<'_>) -> Result<String, Fault> {
    let (_, end) = reader.version()?;
    // A TObject: version, number, bits.
    reader.skip(2 + 4 + 4)?;
    let name = reader.string()?;
    reader.go_to(end)?;
    Ok(name)
}

type Visit<'v> = &'v mut dyn FnMut(&mut Reader<'_>, &mut Classes, &str) -> Result<(), Fault>;

/// Visits the objects of a TObjArray, each with its class.
fn array(reader: &mut Reader<'_>, classes: &mut Classes, visit: Visit<'_>) -> Result<(), Fault> {
    let (_, end) = reader.version()?;
    reader.skip(2 + 4 + 4)?;
    reader.string()?;
    let count = reader.u32()?;
    reader.skip(4)?;
    for _ in 0..count {
        let length = reader.u32()?;
        if length & COUNT == 0 {
            // Nothing, or an object that stood elsewhere.
            continue;
        }
        let object_end = reader.at() + (length & !COUNT) as usize;
        let place = classes.key + reader.at() + OFFSET;
        let tag = reader.u32()?;
        let class = if tag == NEW_CLASS {
            let name = reader.c_string()?;
            classes.known.insert(place, name.clone());
            name
        } else {
            let named = classes.known.get(&((tag & !CLASS) as usize)).cloned();
            named.ok_or_else(|| Fault("an object is of a class that was not named before".into()))?
        };
        visit(reader, classes, &class)?;
        reader.go_to(object_end)?;
    }
    reader.go_to(end)
}

/// A branch of class `class`, and what classes are named in it.
fn branch(reader: &mut Reader<'_>, classes: &mut Classes, class: &str) -> Result<Branch, Fault> {
    if class != "TBranch" {
        // What is derived from TBranch begins with the TBranch that it is.
        reader.version()?;
    }
    let (version, _) = reader.version()?;
    let name = named(reader)?;
    if version < 10 {
        return Err(Fault(format!("a branch has version {version}, older than ROOT 5.12 writes")));
    }
    reader.skip_object()?;
    // Compression, basket size, length of offsets.
    reader.skip(4 * 3)?;
    let written = reader.u32()? as usize;
    reader.skip(8)?;
    if version >= 13 {
        reader.skip_object()?;
    }
    reader.skip(4)?;
    let most = reader.u32()? as usize;
    reader.skip(4)?;
    let entries = reader.u64()?;
    // The first entry; bytes, unpacked and packed.
    reader.skip(8 * if version >= 11 { 3 } else { 2 })?;
    let mut inner = 0;
    array(reader, classes, &mut |reader, classes, class| {
        inner += 1;
        branch(reader, classes, class).map(|_| ())
    })?;
    let mut leaves = Vec::new();
    array(reader, classes, &mut |reader, _, class| {
        leaves.push(leaf(reader, class)?);
        Ok(())
    })?;
    // Baskets that were never written out.
    array(reader, classes, &mut |_, _, _| Ok(()))?;
    // Their sizes and first entries, and where they stand.
    reader.skip(1 + most.checked_mul(4).ok_or_else(cut_off)?)?;
    reader.skip(1 + most.checked_mul(8).ok_or_else(cut_off)?)?;
    reader.skip(1)?;
    let baskets = (0..written.min(most)).map(|_| reader.place(true)).collect::<Result<_, _>>()?;
    let kind = match leaves[..] {
        [kind] if inner == 0 && class == "TBranch" => kind,
        [] | [_] => Err("objects"),
        _ => Err("several parts"),
    };
    Ok(Branch { name, entries, kind, baskets })
}

/// What an entry of a leaf is.
fn leaf(reader: &mut Reader<'_>, class: &str) -> Result<Result<Kind, &'static str>, Fault> {
    let whole = |unsigned: bool, signed: Kind, other: Kind| if unsigned { other } else { signed };
    reader.version()?;
    // The TLeaf that every leaf is.
    reader.version()?;
    named(reader)?;
    let length = reader.i32()?;
    reader.skip(4 + 4)?;
    let _is_range = reader.u8()?;
    let unsigned = reader.u8()? != 0;
    let counted = reader.u32()? != 0;
    if length != 1 || counted {
        return Ok(Err("arrays"));
    }
    Ok(match class {
        "TLeafF" => Ok(Kind::F32),
        "TLeafD" => Ok(Kind::F64),
        "TLeafS" => Ok(whole(unsigned, Kind::I16, Kind::U16)),
        "TLeafI" => Ok(whole(unsigned, Kind::I32, Kind::U32)),
        "TLeafL" => Ok(whole(unsigned, Kind::I64, Kind::U64)),
        "TLeafC" => Err("texts"),
        "TLeafO" | "TLeafB" => Err("single bytes"),
        _ => Err("objects"),
    })
}
