//! Bytes as ROOT writes them: big-endian, read in order, never beyond the end.

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

/// Set in the first word of an object that says its length.
const HAS_LENGTH: u32 = 0x4000_0000;

/// A place in a stretch of bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn go_to(&mut self, at: usize) -> Result<(), Fault> {
        if at > self.bytes.len() {
            return Err(cut_off());
        }
        self.at = at;
        Ok(())
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), Fault> {
        self.go_to(self.at.saturating_add(count))
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len()).ok_or_else(cut_off)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| cut_off())
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, Fault> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A place in the file, of 32 or 64 bits.
    pub(super) fn place(&mut self, long: bool) -> Result<usize, Fault> {
        let place = if long { self.u64()? } else { u64::from(self.u32()?) };
        usize::try_from(place).map_err(|_| cut_off())
    }

    /// A counted string.
    pub(super) fn string(&mut self) -> Result<String, Fault> {
        let length = match self.u8()? {
            255 => self.u32()? as usize,
            short => usize::from(short),
        };
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    /// A string that ends with a zero.
    pub(super) fn c_string(&mut self) -> Result<String, Fault> {
        let length = self.bytes[self.at..].iter().position(|byte| *byte == 0).ok_or_else(cut_off)?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.skip(1)?;
        Ok(text)
    }

    /// Version of an object, and where it ends.
    pub(super) fn version(&mut self) -> Result<(u16, usize), Fault> {
        let length = self.u32()?;
        if length & HAS_LENGTH == 0 {
            return Err(Fault("an object does not say its length".into()));
        }
        let end = self.at + (length & !HAS_LENGTH) as usize;
        if end > self.bytes.len() {
            return Err(cut_off());
        }
        Ok((self.u16()?, end))
    }

    /// Leaves out an object that says its length.
    pub(super) fn skip_object(&mut self) -> Result<(), Fault> {
        let (_, end) = self.version()?;
        self.go_to(end)
    }
}

pub(super) fn cut_off() -> Fault {
    Fault("it ends in the middle of something: it is truncated".into())
}
