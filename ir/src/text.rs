//! Text form `.pir`: one line a node, one line an output; printer and parser round-trip exactly.
//!
//! ```text
//! # a comment
//! %0 = input {"name":"x"} : client [1x4] fix25.12 [-4096, 4095] ; name "image"
//! %1 = share %0 : shared [1x4] fix25.12 [-4096, 4095]
//! %2 = relu.ot {"radix":4} %1 : shared [1x4] fix25.12 [0, 4095] ; name "relu1"
//! %3 = reveal {"to":"Client"} %2 : client [1x4] fix25.12 [0, 4095]
//! output "y" %3
//! ```
//! Attributes are JSON. Types are inferred again; a stated one must be the inferred one, and may be left out except
//! at sources, whose type is what is stated.

use crate::graph::{Graph, Id};
use crate::op::Op;
use crate::ty::{Elem, Fixed, Owner, Shape, Ty};
use serde_json::Value;
use smallvec::SmallVec;
use std::fmt;

/// Longest text that is parsed.
pub const MAX_TEXT_BYTES: usize = 256 << 20;

/// Where and why a text is no graph. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct TextError {
    pub line: usize,
    pub message: String,
}

/// The text form.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, node) in self.iter() {
            write!(f, "%{} = {}", id.0, node.op.name())?;
            let attributes = printed_attributes(&node.op, &node.ty);
            if attributes.as_object().is_none_or(|map| !map.is_empty()) {
                write!(f, " {attributes}")?;
            }
            for arg in &node.args {
                write!(f, " %{}", arg.0)?;
            }
            write!(f, " : {}", node.ty)?;
            if !node.name.is_empty() {
                write!(f, " ; name {}", quoted(&node.name))?;
            }
            writeln!(f)?;
        }
        for (name, id) in &self.outputs {
            writeln!(f, "output {} %{}", quoted(name), id.0)?;
        }
        Ok(())
    }
}

/// Attributes without the type of a source, which stands at the end of the line, and without a window of all bits.
fn printed_attributes(op: &Op, ty: &Ty) -> Value {
    let mut attributes = op.attributes();
    let stated = serde_json::to_value(ty).unwrap_or(Value::Null);
    if let Some(map) = attributes.as_object_mut()
        && map.get("ty") == Some(&stated)
    {
        map.remove("ty");
    }
    if let Some(map) = attributes.as_object_mut()
        && map.get("skip_low") == Some(&Value::from(0))
    {
        map.remove("skip_low");
    }
    attributes
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

impl std::str::FromStr for Graph {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Graph, TextError> {
        parse(text)
    }
}

/// The graph that a text describes. The text may come from anybody.
pub fn parse(text: &str) -> Result<Graph, TextError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(TextError { line: 1, message: format!("the text is longer than {MAX_TEXT_BYTES} bytes") });
    }
    let mut graph = Graph::default();
    for (i, line) in text.lines().enumerate() {
        let mut cursor = Cursor { rest: line.trim() };
        if cursor.rest.is_empty() || cursor.rest.starts_with('#') {
            continue;
        }
        let parsed =
            if cursor.word("output") { output(&mut cursor, &mut graph) } else { node(&mut cursor, &mut graph) };
        parsed.map_err(|message| TextError { line: i + 1, message })?;
    }
    Ok(graph)
}

/// `output "y" %3`
fn output(cursor: &mut Cursor<'_>, graph: &mut Graph) -> Result<(), String> {
    let name = cursor.string()?;
    let id = cursor.id()?;
    if id.index() >= graph.nodes.len() {
        return Err(format!("%{} is not defined", id.0));
    }
    cursor.end()?;
    graph.outputs.push((name, id));
    Ok(())
}

/// `%2 = add {..} %0 %1 : type ; name "sum"`
fn node(cursor: &mut Cursor<'_>, graph: &mut Graph) -> Result<(), String> {
    let id = cursor.id()?;
    if id.index() != graph.nodes.len() {
        return Err(format!("expected %{}, found %{}", graph.nodes.len(), id.0));
    }
    cursor.expect("=")?;
    let operator = cursor.name()?;
    let mut attributes =
        if cursor.rest.starts_with('{') { cursor.json()? } else { Value::Object(Default::default()) };
    let mut args: SmallVec<[Id; 4]> = SmallVec::new();
    while cursor.rest.starts_with('%') {
        let arg = cursor.id()?;
        if arg >= id {
            return Err(format!("%{} is not defined before %{}", arg.0, id.0));
        }
        args.push(arg);
    }
    let stated = if cursor.word(":") { Some(cursor.ty()?) } else { None };
    let name = if cursor.word(";") {
        cursor.expect("name")?;
        cursor.string()?
    } else {
        String::new()
    };
    cursor.end()?;
    let written: Vec<String> = attributes.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    if let (Some(ty), Some(map)) = (&stated, attributes.as_object_mut())
        && ["input", "weight", "const"].contains(&operator)
        && !map.contains_key("ty")
    {
        map.insert("ty".to_owned(), serde_json::to_value(ty).map_err(|e| e.to_string())?);
    }
    let op = Op::from_attributes(operator, attributes).map_err(|e| e.to_string())?;
    let known = op.attributes();
    if let Some(key) = written.iter().find(|key| known.get(key).is_none()) {
        return Err(format!("{operator} has no attribute `{key}`"));
    }
    graph.add(op, &args, &name).map_err(|e| format!("{operator}: {e}"))?;
    let inferred = graph.ty(id);
    match stated {
        Some(stated) if stated != *inferred => {
            Err(format!("stated type `{stated}` is not the inferred `{inferred}`"))
        }
        _ => Ok(()),
    }
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

    /// Takes `word` if it is next (and ends there, if it is made of letters).
    fn word(&mut self, word: &str) -> bool {
        let Some(after) = self.rest.strip_prefix(word) else { return false };
        let letters = |s: &str, last: bool| {
            let c = if last { s.chars().next_back() } else { s.chars().next() };
            c.is_some_and(char::is_alphanumeric)
        };
        if letters(word, true) && letters(after, false) {
            return false;
        }
        self.advance(word.len());
        true
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.word(word) { Ok(()) } else { Err(format!("expected `{word}` at {}", self.here())) }
    }

    fn end(&self) -> Result<(), String> {
        if self.rest.is_empty() { Ok(()) } else { Err(format!("unexpected {}", self.here())) }
    }

    /// The next few characters, for messages.
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

    fn name(&mut self) -> Result<&'a str, String> {
        match self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
            "" => Err(format!("expected an operator at {}", self.here())),
            name => Ok(name),
        }
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let here = self.here();
        let digits = self.take_while(|c| c.is_ascii_digit() || c == '-');
        digits.parse().map_err(|_| format!("expected a number at {here}"))
    }

    /// `%3`
    fn id(&mut self) -> Result<Id, String> {
        self.expect("%")?;
        self.number().map(Id)
    }

    /// One JSON value.
    fn json(&mut self) -> Result<Value, String> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                let bytes = values.byte_offset();
                self.advance(bytes);
                Ok(value)
            }
            Some(Err(e)) => Err(format!("attributes: {e}")),
            None => Err("expected JSON at end of line".to_owned()),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        if !self.rest.starts_with('"') {
            return Err(format!("expected a string at {}", self.here()));
        }
        match self.json()? {
            Value::String(text) => Ok(text),
            other => Err(format!("expected a string, found {other}")),
        }
    }

    /// `shared [1x16x32x32] fix37.24 [-123, 456]`
    fn ty(&mut self) -> Result<Ty, String> {
        let here = self.here();
        let owner = match self.take_while(char::is_alphabetic) {
            "client" => Owner::Client,
            "server" => Owner::Server,
            "shared" => Owner::Shared,
            "public" => Owner::Public,
            _ => return Err(format!("expected an owner at {here}")),
        };
        let shape = self.shape()?;
        let elem = if self.word("real") { Elem::Real } else { Elem::Fixed(self.fixed()?) };
        Ok(Ty { shape, elem, owner })
    }

    fn shape(&mut self) -> Result<Shape, String> {
        self.expect("[")?;
        let mut shape = Shape::new();
        while !self.word("]") {
            if !shape.is_empty() {
                self.separator('x')?;
            }
            shape.push(self.number()?);
        }
        Ok(shape)
    }

    fn fixed(&mut self) -> Result<Fixed, String> {
        let Some(rest) = self.rest.strip_prefix("fix") else {
            return Err(format!("expected `real` or `fix` at {}", self.here()));
        };
        self.rest = rest;
        let ring_bits = self.number()?;
        self.separator('.')?;
        let frac_bits = self.number()?;
        self.separator('[')?;
        let lo = self.number()?;
        self.separator(',')?;
        let hi = self.number()?;
        self.separator(']')?;
        Ok(Fixed { ring_bits, frac_bits, lo, hi })
    }

    /// One character, whatever follows it.
    fn separator(&mut self, c: char) -> Result<(), String> {
        if self.rest.starts_with(c) {
            self.advance(c.len_utf8());
            Ok(())
        } else {
            Err(format!("expected `{c}` at {}", self.here()))
        }
    }
}
