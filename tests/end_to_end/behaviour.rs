//! The seven behaviours of `benches/behaviour`, on this program alone.

use std::path::Path;
use std::process::Command;

#[test]
fn seven_behaviours_that_are_compared_with_other_engines() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/behaviour/behaviour.py");
    let arguments = ["--tools", "mctune", "--mctune", env!("CARGO_BIN_EXE_mctune")];
    let Ok(output) = Command::new("python3").arg(script).args(arguments).output() else {
        println!("skipped: there is no `python3` to run the script with");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("    mctune      yes\n").count(), 7, "{said}");
}
