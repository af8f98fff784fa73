//! NumPy arrays (`.npy`): one dimension of numbers.
//!
//! The format is a magic number, a header that is a Python literal of three known entries, and raw numbers; reading it takes
//! less than a crate with a parser of Python literals would.
//!
//! # Source
//! NumPy's documentation of `numpy.lib.format`, versions 1.0 to 3.0.

use super::File;
use super::error::ImportError;
use super::rows::{Place, Rows};

/// What a file begins with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads `bytes` into `rows`.
pub(super) fn read(bytes: &[u8], file: &File, rows: &mut Rows) -> Result<(), ImportError> {
    let damaged = |message: String| ImportError::Damaged { file: file.shown.clone(), format: "NumPy", message };
    rows.announce(&file.source);
    let array = Array::parse(bytes).map_err(damaged)?;
    for (row, chunk) in array.data.chunks_exact(array.kind.size()).enumerate() {
        rows.push(&file.source, array.kind.number(chunk, array.big), 1, Place::Row(&file.shown, row))?;
    }
    Ok(())
}

struct Array<'a> {
    kind: Kind,
    big: bool,
    data: &'a [u8],
}

#[derive(Clone, Copy)]
enum Kind {
    F4,
    F8,
    I2,
    I4,
    I8,
    U2,
    U4,
    U8,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "f4" => Self::F4,
            "f8" => Self::F8,
            "i2" => Self::I2,
            "i4" => Self::I4,
            "i8" => Self::I8,
            "u2" => Self::U2,
            "u4" => Self::U4,
            "u8" => Self::U8,
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::I2 | Self::U2 => 2,
            Self::F4 | Self::I4 | Self::U4 => 4,
            Self::F8 | Self::I8 | Self::U8 => 8,
        }
    }

    fn number(self, bytes: &[u8], big: bool) -> f64 {
        let mut little = [0; 8];
        let n = self.size();
        for (at, byte) in bytes.iter().enumerate() {
            little[if big { n - 1 - at } else { at }] = *byte;
        }
        let [a, b, c, d, ..] = little;
        match self {
            Self::F4 => f64::from(f32::from_le_bytes([a, b, c, d])),
            Self::F8 => f64::from_le_bytes(little),
            Self::I2 => f64::from(i16::from_le_bytes([a, b])),
            Self::I4 => f64::from(i32::from_le_bytes([a, b, c, d])),
            Self::I8 => i64::from_le_bytes(little) as f64,
            Self::U2 => f64::from(u16::from_le_bytes([a, b])),
            Self::U4 => f64::from(u32::from_le_bytes([a, b, c, d])),
            Self::U8 => u64::from_le_bytes(little) as f64,
        }
    }
}

impl<'a> Array<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin as a .npy file does")?;
        let short = || "the header is cut off".to_owned();
        let (version, rest) = rest.split_at_checked(2).ok_or_else(short)?;
        let (length, rest) = if version[0] == 1 {
            let (length, rest) = rest.split_at_checked(2).ok_or_else(short)?;
            (usize::from(u16::from_le_bytes([length[0], length[1]])), rest)
        } else {
            let (length, rest) = rest.split_at_checked(4).ok_or_else(short)?;
            (u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize, rest)
        };
        let (header, data) = rest.split_at_checked(length).ok_or_else(short)?;
        let header = std::str::from_utf8(header).map_err(|_| "the header is no text")?;
        let descr = text(header, "descr").ok_or("the header names no type; arrays of records cannot be read")?;
        let big = descr.starts_with('>');
        let kind = Kind::of(descr.trim_start_matches(['<', '>', '|', '=']))
            .ok_or_else(|| format!("it holds `{descr}`, not floating-point numbers or integers"))?;
        let shape = between(header, "shape", '(', ')').ok_or("the header has no shape")?;
        let sizes: Vec<&str> = shape.split(',').map(str::trim).filter(|size| !size.is_empty()).collect();
        let [size] = sizes[..] else { return Err(format!("it has the shape ({shape}), not one dimension")) };
        let size: usize = size.parse().map_err(|_| format!("it has the shape ({shape})"))?;
        let expected = size.checked_mul(kind.size()).ok_or("its size is impossible")?;
        if data.len() != expected {
            return Err(format!("{size} numbers take {expected} bytes, but it has {}: it is truncated", data.len()));
        }
        Ok(Self { kind, big, data })
    }
}

/// The quoted value of `key`.
fn text<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let after = after(header, key)?.trim_start();
    let quote = after.chars().next().filter(|c| *c == '\'' || *c == '"')?;
    after[1..].split(quote).next()
}

fn between<'a>(header: &'a str, key: &str, open: char, close: char) -> Option<&'a str> {
    after(header, key)?.trim_start().strip_prefix(open)?.split(close).next()
}

/// What follows `'key':`.
fn after<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = header.find(&format!("'{key}'"))? + key.len() + 2;
    header[at..].trim_start().strip_prefix(':')
}
