//! `mctune schema`.

use mctune_engine::jobs::Site;
use mctune_engine::language;

use super::say_json;
use crate::args::SchemaArgs;
use crate::exit::Code;

pub(crate) fn schema(args: &SchemaArgs) -> anyhow::Result<Code> {
    if args.site {
        say_json(&Site::schema())?;
    } else {
        say_json(&language::schema(&mctune_stages::registry(), args.included))?;
    }
    Ok(Code::Done)
}
