//! The report of a program: what stands in it, that it asks nobody for anything, and that a browser draws it.

#[path = "../../compiler/tests/builder/mod.rs"]
mod builder;

use builder::Builder;
use picc_tests::commands::{picc, pirun, printed};
use picc_tests::example;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The example's model, compiled and run once, and its report in both forms.
fn reported() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let done = |mut command: Command| printed(&command.output().unwrap(), 0).0;
    let mut compile = picc(folder.path());
    compile.arg(example::model()).args(["-o", "model.pi", "--mean", "0.5", "--std", "0.5", "--quiet"]);
    compile.arg("--calibrate").arg(example::data("xray_calibration.npy")).args(["--report", "before_a_run.html"]);
    done(compile);
    let mut run = pirun(folder.path());
    run.args(["local", "model.pi", "--weights", "model.piw", "--json", "--input"])
        .arg(example::data("xray_normal.png"));
    std::fs::write(folder.path().join("run.json"), done(run)).unwrap();
    for name in ["report.html", "report.txt"] {
        let mut inspect = picc(folder.path());
        inspect.args(["inspect", "model.pi", "--report", name, "--measured", "run.json"]);
        assert_eq!(done(inspect), "", "quiet success");
    }
    folder
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn a_report_says_what_costs_what_and_asks_nobody() {
    let folder = reported();
    let (page, text) = (read(folder.path(), "report.html"), read(folder.path(), "report.txt"));
    for form in [&page, &text] {
        for part in [
            "The server learns nothing.",
            "pneumonia_vggsmall",
            "relu.ot",
            "conv.rlwe",
            "profile lan",
            "as predicted",
        ] {
            assert!(form.contains(part), "`{part}` is missing:\n{form}");
        }
        assert!(!form.contains("NOT as predicted"));
    }
    // Nothing is loaded and nothing runs.
    for part in ["http:", "https:", "<script", "src=", "url(", "@import"] {
        assert!(!page.contains(part), "`{part}` in the page");
    }
    assert!(page.contains("class=\"m\"") && page.contains("<svg"));
    let before = read(folder.path(), "before_a_run.html");
    assert!(before.contains("Cost by layer") && !before.contains("<b>measured"));
    // A run adds a table of its own and no row to that of the layers.
    let [before_rows, rows] = [&before, &page].map(|p| {
        let table = p.split("<table class=\"layers\">").nth(1).and_then(|t| t.split("</table>").next());
        table.unwrap_or_else(|| panic!("no layers: {p}")).matches("<tr").count()
    });
    assert!(rows == before_rows && rows > 8, "{rows} rows");
    assert!(page.contains("Measured beside predicted") && !before.contains("Measured beside predicted"));
    let mut wrong = picc(folder.path());
    std::fs::write(folder.path().join("other.json"), "{}").unwrap();
    wrong.args(["inspect", "model.pi", "--report", "x.html", "--measured", "other.json"]);
    let (_, error) = printed(&wrong.output().unwrap(), 1);
    assert!(error.contains("other.json") && error.contains("pirun local --json"), "{error}");
}

/// Names come from strangers' models.
#[test]
fn names_cannot_become_markup() {
    let folder = tempfile::tempdir().unwrap();
    let name = "<img src=x onerror=alert(1)>\"'&";
    let model = Builder::new(13).input("x", &[1, 4]).weight("w", &[4, 3], &[0.5; 12]);
    let model = model.node("MatMul", &["x", "w"], &[name]).node("Relu", &[name], &["y"]).output("y");
    std::fs::write(folder.path().join("m.onnx"), model.bytes()).unwrap();
    let mut command = picc(folder.path());
    command.args(["m.onnx", "-o", "m.pi", "--quiet", "--report", "r.html"]);
    assert_eq!(printed(&command.output().unwrap(), 0).0, "");
    let page = read(folder.path(), "r.html");
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;") && !page.contains("<img"));
}

fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).flat_map(|d| names.map(|n| d.join(n))).find(|p| p.is_file())
}

/// The bars of the page are seen in a picture of it.
#[test]
fn a_browser_draws_the_bars() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no Chromium on the path; the text form is checked by the other tests");
        return;
    };
    let folder = reported();
    let picture = folder.path().join("page.png");
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ]);
    command.args(["--disable-component-update", "--disable-sync", "--hide-scrollbars", "--window-size=1200,1600"]);
    command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    command.arg(format!("--screenshot={}", picture.display()));
    command.arg(format!("file://{}", folder.path().join("report.html").display()));
    let output = command.output().unwrap();
    assert!(picture.is_file(), "no picture: {}", String::from_utf8_lossy(&output.stderr));
    let image = image::open(&picture).unwrap().to_rgb8();
    assert_eq!(image.dimensions(), (1200, 1600));
    let seen = |colour: [u8; 3]| image.pixels().filter(|p| p.0 == colour).count();
    // The colours of the two parts of chosen, of without rewriting and of measured, in the page's light form: bars a
    // few pixels high.
    let (own, extension, before) = ([0x1f, 0x6f, 0xeb], [0x8d, 0xb8, 0xf7], [0xc3, 0xd4, 0xea]);
    for (colour, least) in [(own, 1000), (extension, 1000), (before, 4000), ([0xd9, 0x48, 0x0f], 100)] {
        assert!(seen(colour) > least, "{colour:?}: {} pixels", seen(colour));
    }
    let chosen = seen(own) + seen(extension);
    assert!(chosen > 4000, "chosen: {chosen} pixels");
}
