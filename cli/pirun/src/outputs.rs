//! Outputs as arrays in files.

use super::show::real;
use picc_files::{Kind, Outputs, Readers};
use picc_ir::eval::Value as Known;
use picc_ir::npy::{write_f32, write_i64};
use picc_ir::{Elem, Tensor};
use picc_runtime::error::{BadInput, Result};
use picc_runtime::exec::Executable;
use picc_runtime::inputs::write_npz;
use std::path::{Path, PathBuf};

/// The files of one command: an `.npz` that holds all outputs, or, with another ending, the first output's file and one
/// beside it for each other output, with its name before the ending.
pub struct OutputFiles {
    archive: bool,
    files: Vec<picc_files::Output>,
}

impl OutputFiles {
    /// Refuses to overwrite what is read (`inputs`) or of another kind.
    pub fn open(path: &Path, exe: &Executable, inputs: &[&Path]) -> Result<OutputFiles> {
        let archive = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"));
        let mut outputs = Outputs::reading(inputs.iter().copied());
        let kind = if archive { Kind::Archive } else { Kind::Array };
        let paths = if archive { vec![path.to_owned()] } else { paths(path, exe) };
        let open = |path: &PathBuf| outputs.open(path, kind, Readers::Everybody);
        let files = paths.iter().map(open).collect::<std::result::Result<_, _>>();
        Ok(OutputFiles { archive, files: files.map_err(refused)? })
    }

    /// Whether what is written stays written.
    pub fn are_streams(&self) -> bool {
        self.files.iter().any(picc_files::Output::is_stream)
    }

    /// Replaces what was written before by the outputs of these samples: along the first axis if it is one, else along
    /// a new axis.
    pub fn write(&mut self, exe: &Executable, outputs: &[&[(String, Known)]]) -> Result<()> {
        let arrays = arrays(exe, outputs);
        let contents =
            if self.archive { vec![write_npz(&arrays)?] } else { arrays.into_iter().map(|(_, a)| a).collect() };
        for (file, content) in self.files.iter_mut().zip(contents) {
            file.write(&content).map_err(refused)?;
        }
        Ok(())
    }
}

pub(super) fn refused(e: picc_files::Refused) -> BadInput {
    BadInput::Output { why: e.to_string() }
}

/// One for each output. Names that differ in other signs than letters and digits still get files of their own.
fn paths(path: &Path, exe: &Executable) -> Vec<PathBuf> {
    let mut paths = vec![path.to_owned()];
    // `.` and `..` are folders, and have no name that another ending could follow.
    if path.file_name().is_none() {
        return paths;
    }
    for (name, _) in exe.graph().outputs.iter().skip(1) {
        let plain: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let first = path.with_extension(format!("{plain}.npy"));
        let mut others = (2..).map(|i| path.with_extension(format!("{plain}_{i}.npy")));
        let free = std::iter::once(first).chain(&mut others).find(|p| !paths.contains(p));
        paths.extend(free);
    }
    paths
}

fn arrays(exe: &Executable, outputs: &[&[(String, Known)]]) -> Vec<(String, Vec<u8>)> {
    let mut arrays: Vec<(String, Vec<u8>)> = Vec::new();
    for (i, (name, id)) in exe.graph().outputs.iter().enumerate() {
        let ty = exe.graph().ty(*id);
        let mut shape = ty.shape.to_vec();
        match shape.first_mut() {
            Some(first) if *first == 1 => *first = outputs.len(),
            _ if outputs.len() == 1 => {}
            _ => shape.insert(0, outputs.len()),
        }
        let integers = matches!(ty.elem, Elem::Fixed(f) if f.frac_bits == 0);
        let array = if integers {
            let data =
                outputs.iter().flat_map(|o| o[i].1.as_ring().map_or(&[][..], |t| &t.data)).copied().collect();
            write_i64(&Tensor::new(&shape, data))
        } else {
            let data = outputs.iter().flat_map(|o| real(exe, i, &o[i].1).data).collect();
            write_f32(&Tensor::new(&shape, data))
        };
        arrays.push((name.clone(), array));
    }
    arrays
}
