//! Parser of the text form.

use super::Named;
use crate::kernel::{
    Access, Accumulator, Affine, BinaryOp, Buffer, CompareOp, Index, Inst, Kernel, Nest, Primitive, Reg, ShiftOp,
    Step, View,
};
use crate::text::{MAX_TEXT_BYTES, TextError};
use std::str::FromStr;

type Parsed<T> = Result<T, String>;

/// Loops that an index may name.
const MAX_LOOPS: usize = 64;

/// The kernel that a text describes; it is not verified. `#` begins a comment line.
pub fn parse(text: &str) -> Result<Kernel, TextError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(TextError { line: 1, message: format!("the text is longer than {MAX_TEXT_BYTES} bytes") });
    }
    let mut lines = Lines { rest: text.lines(), line: 0 };
    kernel(&mut lines).map_err(|message| TextError { line: lines.line, message })
}

struct Lines<'a> {
    rest: std::str::Lines<'a>,
    /// Of the line that was taken last, from 1.
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next line that is neither empty nor a comment.
    fn next(&mut self) -> Parsed<Cursor<'a>> {
        for line in self.rest.by_ref() {
            self.line += 1;
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                return Ok(Cursor { rest: line });
            }
        }
        Err("the text ends too early".to_owned())
    }
}

fn kernel(lines: &mut Lines<'_>) -> Parsed<Kernel> {
    let mut kernel = Kernel::default();
    let mut c = lines.next()?;
    c.expect("kernel")?;
    c.expect("{")?;
    c.end()?;
    loop {
        let mut c = lines.next()?;
        if c.takes("}") {
            return c.end().map(|()| kernel);
        } else if c.takes("nest") {
            kernel.steps.push(Step::Nest(nest(c, lines)?));
        } else if c.takes("call") {
            kernel.steps.push(call(c)?);
        } else if c.rest.starts_with('b') {
            c.numbered("b", kernel.buffers.len())?;
            kernel.buffers.push(buffer(c)?);
        } else {
            c.numbered("t", kernel.tables.len())?;
            kernel.tables.push(c.list()?);
            c.end()?;
        }
    }
}

/// `u64[64] read "x"`
fn buffer(mut c: Cursor<'_>) -> Parsed<Buffer> {
    let lane = c.named()?;
    c.expect("[")?;
    let len = c.number()?;
    c.expect("]")?;
    let access: Access = c.named()?;
    let name = serde_json::from_str(c.rest).map_err(|e| format!("name of a buffer: {e}"))?;
    Ok(Buffer { name, lane, len, access })
}

/// `conv {..} u32 b2+0 b3+0 -> b1+0`
fn call(mut c: Cursor<'_>) -> Parsed<Step> {
    let primitive = match c.word() {
        "conv" => Primitive::Conv(c.json()?),
        "matmul" => Primitive::MatMul(c.json()?),
        other => return Err(format!("no primitive `{other}`")),
    };
    let lane = c.named()?;
    let args = [c.view()?, c.view()?];
    c.expect("->")?;
    let result = c.view()?;
    c.end()?;
    Ok(Step::Call { primitive, lane, args, result })
}

fn nest(mut c: Cursor<'_>, lines: &mut Lines<'_>) -> Parsed<Nest> {
    let mut nest = Nest { loops: c.list()?.into(), ..Nest::default() };
    if c.takes("reduce") {
        nest.reduce = c.list()?.into();
    }
    c.expect("{")?;
    c.end()?;
    loop {
        let mut c = lines.next()?;
        if c.takes("}") {
            return c.end().map(|()| nest);
        } else if c.takes("body") {
            block(c, lines, &mut nest.body)?;
        } else if c.takes("finish") {
            block(c, lines, &mut nest.finish)?;
        } else {
            c.numbered("a", nest.accs.len())?;
            nest.accs.push(Accumulator { lane: c.named()?, op: c.named()?, start: c.number()? });
            c.end()?;
        }
    }
}

fn block(mut c: Cursor<'_>, lines: &mut Lines<'_>, block: &mut Vec<Inst>) -> Parsed<()> {
    c.expect("{")?;
    c.end()?;
    if !block.is_empty() {
        return Err("a second block of that kind".to_owned());
    }
    loop {
        let mut c = lines.next()?;
        if c.takes("}") {
            return c.end();
        }
        let defines = c.rest.starts_with('r').then(|| c.reg()).transpose()?;
        if let Some(reg) = defines {
            if reg.0 as usize != block.len() {
                return Err(format!("expected r{}, found {reg}", block.len()));
            }
            c.expect("=")?;
        }
        let inst = inst(&mut c)?;
        let gives = !matches!(inst, Inst::Store { .. } | Inst::Accumulate { .. });
        if gives != defines.is_some() {
            return Err(if gives { "a value without a register" } else { "this gives no value" }.to_owned());
        }
        c.end()?;
        block.push(inst);
    }
}

fn inst(c: &mut Cursor<'_>) -> Parsed<Inst> {
    let word = c.word();
    Ok(match word {
        "const" => Inst::Const { lane: c.named()?, value: c.number()? },
        "load" => {
            let (buffer, index) = c.place()?;
            Inst::Load { buffer, index }
        }
        "select" => Inst::Select { mask: c.reg()?, a: c.reg()?, b: c.reg()? },
        "convert" => {
            let signed = c.takes("signed");
            Inst::Convert { lane: c.named()?, signed, a: c.reg()? }
        }
        "total" => Inst::Total { acc: c.prefixed("a")? },
        "store" => {
            let (buffer, index) = c.place()?;
            Inst::Store { buffer, index, a: c.reg()? }
        }
        "accumulate" => Inst::Accumulate { acc: c.prefixed("a")?, a: c.reg()? },
        _ => {
            if let Some(op) = called::<BinaryOp>(word) {
                Inst::Binary { op, a: c.reg()?, b: c.reg()? }
            } else if let Some(op) = called::<CompareOp>(word) {
                Inst::Compare { op, a: c.reg()?, b: c.reg()? }
            } else if let Some(op) = called::<ShiftOp>(word) {
                Inst::Shift { op, a: c.reg()?, bits: c.number()? }
            } else {
                return Err(format!("no instruction `{word}`"));
            }
        }
    })
}

fn called<T: Named>(word: &str) -> Option<T> {
    T::NAMES.iter().find(|(name, _)| *name == word).map(|(_, v)| *v)
}

/// What is left of a line. Every method skips the spaces after what it takes.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn advance(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest.trim_start();
        taken
    }

    fn takes(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            self.advance(text.len());
        }
        found
    }

    fn expect(&mut self, text: &str) -> Parsed<()> {
        if self.takes(text) { Ok(()) } else { Err(format!("expected `{text}` at {}", self.here())) }
    }

    fn end(&self) -> Parsed<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(format!("unexpected {}", self.here())) }
    }

    fn here(&self) -> String {
        match self.rest.chars().take(20).collect::<String>() {
            text if text.is_empty() => "end of line".to_owned(),
            text => format!("`{text}`"),
        }
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        self.advance(end)
    }

    fn word(&mut self) -> &'a str {
        self.take_while(|c| c.is_ascii_alphanumeric())
    }

    fn named<T: Named>(&mut self) -> Parsed<T> {
        let here = self.here();
        called(self.word()).ok_or_else(|| {
            let names: Vec<&str> = T::NAMES.iter().map(|(name, _)| *name).collect();
            format!("expected one of {} at {here}", names.join(", "))
        })
    }

    fn number<T: FromStr>(&mut self) -> Parsed<T> {
        let here = self.here();
        self.take_while(|c| c.is_ascii_digit()).parse().map_err(|_| format!("expected a number at {here}"))
    }

    fn prefixed(&mut self, prefix: &str) -> Parsed<u32> {
        self.expect(prefix)?;
        self.number()
    }

    /// `b3:`
    fn numbered(&mut self, prefix: &str, number: usize) -> Parsed<()> {
        let found = self.prefixed(prefix)?;
        if found as usize != number {
            return Err(format!("expected {prefix}{number}, found {prefix}{found}"));
        }
        self.expect(":")
    }

    fn reg(&mut self) -> Parsed<Reg> {
        self.prefixed("r").map(Reg)
    }

    fn view(&mut self) -> Parsed<View> {
        let buffer = self.prefixed("b")?;
        self.expect("+")?;
        Ok(View { buffer, offset: self.number()? })
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self) -> Parsed<T> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<T>();
        let value = values.next().ok_or("expected JSON")?.map_err(|e| e.to_string())?;
        let bytes = values.byte_offset();
        self.advance(bytes);
        Ok(value)
    }

    /// `[1, 2, 3]`
    fn list(&mut self) -> Parsed<Vec<u32>> {
        self.expect("[")?;
        let mut values = Vec::new();
        while !self.takes("]") {
            if !values.is_empty() {
                self.expect(",")?;
            }
            values.push(self.number()?);
        }
        Ok(values)
    }

    /// `b0[4 + 16*i1]` or `b0[t0[i1] + 4]`
    fn place(&mut self) -> Parsed<(u32, Index)> {
        let buffer = self.prefixed("b")?;
        self.expect("[")?;
        let index = if self.rest.starts_with('t') {
            let table = self.prefixed("t")?;
            self.expect("[")?;
            let at = self.affine()?;
            self.expect("]")?;
            self.expect("+")?;
            Index::Table { table, at, base: self.affine()? }
        } else {
            Index::Affine(self.affine()?)
        };
        self.expect("]")?;
        Ok((buffer, index))
    }

    fn affine(&mut self) -> Parsed<Affine> {
        let mut offset = 0i128;
        let mut strides: Vec<i128> = Vec::new();
        let mut negative = self.takes("-");
        loop {
            let size: i128 = if self.rest.starts_with('i') { 1 } else { self.number()? };
            let size = if negative { -size } else { size };
            self.takes("*");
            if self.rest.starts_with('i') {
                let k = self.prefixed("i")? as usize;
                if k >= MAX_LOOPS {
                    return Err(format!("no loop i{k}"));
                }
                strides.resize(strides.len().max(k + 1), 0);
                strides[k] = strides[k].saturating_add(size);
            } else {
                offset = offset.saturating_add(size);
            }
            if self.takes("+") {
                // `4 + -2*i0` is the printer's form of a table's base that begins with a minus.
                negative = self.takes("-");
            } else if self.takes("-") {
                negative = true;
            } else {
                break;
            }
        }
        let fits = |v: i128| i64::try_from(v).map_err(|_| format!("{v} does not fit an index"));
        let strides: Vec<i64> = strides.into_iter().map(fits).collect::<Parsed<_>>()?;
        Ok(Affine::new(fits(offset)?, &strides))
    }
}
