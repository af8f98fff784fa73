//! What a fuzzer checks of the journal reader, on journals that are put together as its bytes say.
//!
//! A fuzzer does not find checksums by chance. So its bytes steer: some become the payload of a frame with a good header, some
//! a whole record, some lie between as they are, some repeat what was there before at another place.

use super::frame::{Frame, HEADER, Header, Seal, put_header};
use super::reader::scan_bytes;
use crate::writer_id::WriterId;

/// Checks that the reader finds every good frame of a journal and nothing else, whatever lies between them, wherever it
/// begins, however much it reads at once, and wherever the journal ends.
///
/// # Panics
/// If it does not.
pub fn check_journal_reader(data: &[u8]) {
    let Some(writer) = WriterId::parse("fuzz") else { return };
    let Some((&[chunk, cut, start], mut rest)) = data.split_first_chunk::<3>() else { return };
    let seal = Seal::of(&writer);
    let (mut journal, mut frames, mut frame) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((&[what, length], tail)) = rest.split_first_chunk::<2>() {
        let (piece, tail) = tail.split_at(usize::from(length).min(tail.len()));
        rest = tail;
        let offset = journal.len() as u64;
        if what < 0xa0 {
            frame.clear();
            frame.resize(HEADER, 0);
            frame.extend_from_slice(piece);
            put_header(what % 7, seal, offset, &mut frame);
            if let Some(good) = Header::parse(&frame, seal, offset).and_then(|header| header.decode(piece)) {
                let mut again = Vec::new();
                good.encode(seal, offset, &mut again);
                assert_eq!(again, frame, "a frame that was read is written the same");
                frames.push((offset, good, offset + frame.len() as u64));
            }
            journal.extend_from_slice(&frame);
        } else if what < 0xd0 {
            journal.extend_from_slice(piece);
        } else {
            // A piece of the journal again, where it does not belong.
            let from = usize::from(what) * 7 % (journal.len() + 1);
            let until = (from + usize::from(length)).min(journal.len());
            journal.extend_from_within(from..until);
            rest = tail;
        }
    }
    journal.truncate(journal.len() - usize::from(cut).min(journal.len()));
    frames.retain(|(_, _, end)| *end <= journal.len() as u64);
    check(&journal, &frames, &writer, usize::from(chunk) + 1);

    // From the end of any frame on the rest is found as well.
    if !frames.is_empty() {
        let (at, (_, _, end)) = (usize::from(start) % frames.len(), &frames[usize::from(start) % frames.len()]);
        let mut found = Vec::new();
        let mut tail = &journal[usize::try_from(*end).unwrap_or(0)..];
        let scan = scan_bytes(&mut tail, &writer, *end, 64, |offset, frame| found.push((offset, frame)));
        assert!(scan.is_ok());
        let expected: Vec<_> = frames[at + 1..].iter().map(|(offset, frame, _)| (*offset, frame.clone())).collect();
        assert_eq!(found, expected);
    }
    // And bytes as they come.
    let scan = scan_bytes(&mut &data[..], &writer, 0, 4096, |_, _| ());
    assert!(scan.is_ok());
}

fn check(journal: &[u8], frames: &[(u64, Frame, u64)], writer: &WriterId, chunk: usize) {
    let mut found = Vec::new();
    let scan = scan_bytes(&mut &journal[..], writer, 0, chunk, |offset, frame| found.push((offset, frame)));
    let Ok(scan) = scan else { panic!("memory cannot be read") };
    let expected: Vec<_> = frames.iter().map(|(offset, frame, _)| (*offset, frame.clone())).collect();
    assert_eq!(found, expected);
    // Frames and faults fill the journal without gaps, in order.
    let good = frames.iter().map(|(offset, _, end)| (*offset, *end));
    let bad = scan.faults.iter().map(|fault| (fault.offset, fault.offset + fault.length));
    let mut pieces: Vec<_> = good.chain(bad).collect();
    pieces.sort_unstable();
    let end = pieces.into_iter().fold(0, |end, piece| {
        assert_eq!(piece.0, end, "a gap, or bytes counted twice");
        piece.1
    });
    assert_eq!(end, journal.len() as u64);
    assert_eq!(scan.resume, frames.last().map_or(0, |(_, _, end)| *end));
}
