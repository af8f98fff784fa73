//! `mctune sample`: entries drawn from a trained model, without a pipeline.

use anyhow::Context as _;
use mctune_engine::stage::Seed;
use mctune_stages::sample;
use mctune_stages::surrogate::{Draw, draw};
use serde_json::json;

use super::{note, say, say_json, simulate};
use crate::args::SurrogateArgs;
use crate::estimator;
use crate::exit::Code;

pub(crate) fn sample(args: &SurrogateArgs) -> anyhow::Result<Code> {
    simulate::check_name(&args.output)?;
    for path in [Some(&args.output), args.plot.as_ref()].into_iter().flatten() {
        simulate::refuse_existing(path)?;
    }
    let model = estimator::open(&args.model, 1)?;
    let (point, sources) = (estimator::point(&*model, &args.point)?, estimator::sources(&*model, &args.point)?);
    let threads = simulate::threads(args.jobs);
    let seed = Seed::from_number(args.seed);
    let words = |source: &str, chunk: u64| seed.stream("surrogate", &[source.as_bytes(), &chunk.to_le_bytes()]);
    let wanted = Draw { point: &point, sources: &sources, entries: args.events, threads };
    let drawn = draw(&*model, &wanted, &words);
    simulate::write_as(&drawn, &args.output, args.form)?;
    if let Some(plot) = &args.plot {
        let figure = sample::plot(&drawn).context("no entry to draw")?;
        simulate::write_whole(plot, |mut sink| {
            Ok(std::io::Write::write_all(&mut sink, figure.standalone_svg().as_bytes())?)
        })?;
    }
    if args.json {
        let spectra: Vec<_> = drawn.spectra.iter().map(simulate::described).collect();
        say_json(&json!({"path": args.output, "plot": args.plot, "seed": args.seed, "kind": model.kind(),
                         "truth": drawn.truth, "spectra": spectra}))?;
    } else {
        drawn.spectra.iter().for_each(|spectrum| note(&simulate::line(spectrum)));
        for path in [Some(&args.output), args.plot.as_ref()].into_iter().flatten() {
            say(&format!("{}\n", path.display()));
        }
    }
    Ok(Code::Done)
}
