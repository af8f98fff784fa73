//! The kinds `write` and `concat`.

use super::*;

const PIPELINE: &str = "
mctune: 1
name: toy
axes: { x: [1, 2, 3] }
stages:
  config: { uses: write, over: x, with: { file: config.json, content: { x: '${x}', detector: { radius: 17.7 } } } }
  row: { uses: write, over: x, with: { file: row.csv, content: \"x,y\\n${x},0.5\" } }
  rows: { uses: concat, with: { file: table.csv, header: true }, inputs: { parts: row } }
  plain: { uses: concat, inputs: { parts: [rows, row] } }
";

#[test]
fn texts_are_written_and_joined() {
    let home = Home::new();
    let report = home.run(PIPELINE, &[]);
    assert_eq!(report.outcome, Outcome::Complete, "{:?}", report.failures);
    let config: serde_json::Value = serde_json::from_str(&home.read(&report, "config[x=2]", "text")).unwrap();
    assert_eq!(config, serde_json::json!({"x": 2, "detector": {"radius": 17.7}}));
    assert_eq!(home.read(&report, "rows", "text"), "x,y\n1,0.5\n2,0.5\n3,0.5");
    assert_eq!(home.read(&report, "plain", "text"), "x,y\n1,0.5\n2,0.5\n3,0.5\nx,y\n1,0.5\nx,y\n2,0.5\nx,y\n3,0.5");
}

#[test]
fn tables_with_other_columns_are_not_joined() {
    let text = PIPELINE.replace("\"x,y\\n${x},0.5\"", "\"x,${x}\\n1,2\"");
    let report = Home::new().run_with(&text, &[], 1, true);
    let failure = &report.failures[0];
    assert_eq!((&*failure.task, &*failure.error), ("rows", "row[x=2] begins with `x,2`, the first part with `x,1`"));
}
