//! `mctune schema`.

use mctune_engine::language;

use super::say_json;
use crate::args::SchemaArgs;
use crate::exit::Code;

pub(crate) fn schema(args: &SchemaArgs) -> anyhow::Result<Code> {
    say_json(&language::schema(&mctune_stages::registry(), args.included))?;
    Ok(Code::Done)
}
