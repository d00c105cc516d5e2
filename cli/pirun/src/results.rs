//! Answers as they arrive: printed at once, written soon, and kept whatever happens next.

use super::args::Output;
use super::outputs::OutputFiles;
use super::show::{Class, classes, say, summary};
use picc_ir::eval::Value as Known;
use picc_ir::labels::{class_names, names_fit};
use picc_runtime::error::{BadInput, Result};
use picc_runtime::exec::{Executable, Inference};
use picc_runtime::inputs::read;
use std::path::Path;
use std::time::{Duration, Instant};

/// Files are written again at most this often while samples finish.
const PAUSE: Duration = Duration::from_secs(1);
/// And at most this part of the time is spent on it.
const SHARE: u32 = 20;

/// What becomes of the answers of one command.
pub struct Results<'a> {
    exe: &'a Executable,
    options: &'a Output,
    files: Option<OutputFiles>,
    labels: Vec<String>,
    samples: usize,
    done: Vec<Inference>,
    /// Answers that the files hold, and when they may be written again.
    written: usize,
    next: Instant,
}

impl<'a> Results<'a> {
    /// Before the work starts: names of classes must fit, and files must be writable. `inputs` are what the command
    /// reads.
    pub fn open(options: &'a Output, exe: &'a Executable, inputs: &[&Path]) -> Result<Results<'a>> {
        let named = |path: &Path, problem: &dyn std::fmt::Display| BadInput::Content {
            path: path.to_owned(),
            why: problem.to_string(),
        };
        let labels = match &options.labels {
            Some(path) => {
                let text = String::from_utf8(read(path)?).map_err(|_| named(path, &"not text: one name a line"))?;
                let labels = class_names(&text).map_err(|e| named(path, &e))?;
                names_fit(&labels, exe.graph()).map_err(|e| named(path, &e))?;
                labels
            }
            None => exe.program().labels.clone(),
        };
        let inputs: Vec<&Path> = inputs.iter().copied().chain(options.labels.as_deref()).collect();
        let files = options.output.as_ref().map(|path| OutputFiles::open(path, exe, &inputs)).transpose()?;
        let (done, next) = (Vec::new(), Instant::now() + PAUSE);
        Ok(Results { exe, options, files, labels, samples: 0, done, written: 0, next })
    }

    /// How many samples there are.
    pub fn expect(&mut self, samples: usize) {
        self.samples = samples;
    }

    /// Those that have finished.
    pub fn done(&self) -> &[Inference] {
        &self.done
    }

    /// One more answer.
    pub fn push(&mut self, inference: Inference) -> Result<()> {
        if !self.options.json {
            self.print(self.done.len(), &inference.outputs);
        }
        self.done.push(inference);
        let streams = self.files.as_ref().is_some_and(OutputFiles::are_streams);
        if Instant::now() < self.next || self.done.len() == self.samples || streams {
            return Ok(());
        }
        let start = Instant::now();
        self.write()?;
        self.next = Instant::now() + PAUSE.max(start.elapsed() * SHARE);
        Ok(())
    }

    /// Writes what there is.
    pub fn write(&mut self) -> Result<()> {
        if let Some(files) = self.files.as_mut().filter(|_| self.written < self.done.len()) {
            let outputs: Vec<&[(String, Known)]> = self.done.iter().map(|i| &i.outputs[..]).collect();
            files.write(self.exe, &outputs)?;
            self.written = self.done.len();
        }
        Ok(())
    }

    /// Passes `result` on; if it is an error, what is done is written first and counted.
    pub fn keep<T>(&mut self, result: Result<T>) -> Result<T> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if let Err(e) = self.write() {
            eprintln!("pirun: {e}");
        }
        let path = self.options.output.as_deref().filter(|_| self.written > 0);
        if self.options.json {
            say(&serde_json::json!({
                "error": error.to_string(),
                "fault": error.fault().name(),
                "samples": self.samples,
                "inferences": self.done.len(),
                "top": self.best(),
                "written": path.map(|p| p.display().to_string()),
            }));
        }
        if self.samples > 1 || !self.done.is_empty() {
            let written = path.map_or_else(String::new, |p| format!(", written to {}", p.display()));
            eprintln!("pirun: {} of {} samples done{written}", self.done.len(), self.samples);
        }
        Err(error)
    }

    /// The best classes of each answer.
    pub fn best(&self) -> Vec<Vec<Class>> {
        self.done.iter().map(|i| classes(self.exe, &i.outputs, &self.labels, self.options.top)).collect()
    }

    fn print(&self, i: usize, outputs: &[(String, Known)]) {
        if !outputs.is_empty() && self.samples > 1 {
            say(&format_args!("sample {i}"));
        }
        let best = classes(self.exe, outputs, &self.labels, self.options.top);
        if best.is_empty() {
            summary(self.exe, outputs);
        }
        for class in best {
            say(&class);
        }
    }
}
