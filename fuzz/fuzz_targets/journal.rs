//! The journal reader: it finds every good frame and nothing else, whatever lies between them.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mctune_cache::check_journal_reader(data));
