//! The `mctune` command.
fn main() {}
