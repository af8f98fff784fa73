//! `mctune graph`.

use anyhow::Context as _;
use mctune_engine::plan;

use super::{say, say_json};
use crate::args::{GraphArgs, GraphFormat};
use crate::diagram::{Diagram, code, svg};
use crate::exit::Code;
use crate::place;

pub(crate) fn graph(args: &GraphArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &args.only)?;
    let diagram = if args.state {
        let reading = place::store_to_read(&args.campaign)?;
        let plan = plan::plan(&campaign, &reading.store)?;
        Diagram::new(&campaign, Some(&plan))
    } else {
        Diagram::new(&campaign, None)
    };
    if args.campaign.json {
        say_json(&diagram)?;
        return Ok(Code::Done);
    }
    let by_name = args.output.as_ref().and_then(|path| GraphFormat::of_file(path));
    let text = match args.format.or(by_name).unwrap_or(GraphFormat::Svg) {
        GraphFormat::Svg => svg::draw(&diagram),
        GraphFormat::Dot => code::dot(&diagram),
        GraphFormat::Mermaid => code::mermaid(&diagram),
    };
    match &args.output {
        None => say(&text),
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
            say(&format!("{}\n", path.display()));
        }
    }
    Ok(Code::Done)
}
