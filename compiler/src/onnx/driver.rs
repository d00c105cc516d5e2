//! Walks the ONNX graph: resolves names, calls each node's importer, collects what goes wrong.

use super::error::{Cause, ImportError, ImportErrors};
use super::evaluate;
use super::importer::Importer;
use super::inputs::{element_type, resolve, stated};
use super::known::Value;
use super::needed::{at_the_end, needed, used};
use super::node::NodeView;
use super::tensor::{self, ExternalData};
use super::{Imported, ImportedInput, LEAST_OPSET, NEWEST_OPSET, Options, table};
use onnx_protobuf::tensor_proto::DataType;
use onnx_protobuf::{FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto};
use picc_ir::ops::Input;
use picc_ir::{Owner, Shape, Tensor, Ty};
use protobuf::Enum;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Functions may call functions, but not for ever.
const MAX_CALL_DEPTH: usize = 32;

/// Imports a parsed model.
pub(super) fn import_model(
    model: &ModelProto,
    external: &ExternalData,
    options: &Options,
) -> Result<Imported, ImportErrors> {
    let (imported, errors) = import_parts(model, external, options)?;
    if errors.is_empty() { Ok(imported) } else { Err(ImportErrors(errors)) }
}

/// What can be imported of a parsed model, and all that is wrong with the rest. With errors the graph is good for
/// finding further problems only: inputs of it stand for values that could not be computed.
pub(super) fn import_parts(
    model: &ModelProto,
    external: &ExternalData,
    options: &Options,
) -> Result<(Imported, Vec<ImportError>), ImportErrors> {
    let opset = opset(&model.opset_import)?;
    let Some(graph) = model.graph.as_ref() else {
        return Err(ImportError::Parse("there is no graph in it".to_owned()).into());
    };
    let mut driver = Driver {
        importer: Importer::new(options),
        scopes: vec![HashMap::new()],
        errors: Vec::new(),
        functions: model.functions.iter().map(|f| ((domain(&f.domain), f.name.as_str()), f)).collect(),
        shapes: HashMap::new(),
        external,
        options,
        opset,
        nodes: 0,
        ends: at_the_end(graph),
    };
    if opset > NEWEST_OPSET {
        let note = format!("opset {opset} is newer than {NEWEST_OPSET}, the newest that was reviewed");
        driver.importer.notes.push(note);
    }
    let inputs = driver.inputs(graph);
    driver.body(graph);
    driver.outputs(graph);
    let Driver { importer, errors, scopes, .. } = driver;
    drop(scopes);
    let Importer { graph: imported, weights, notes, .. } = importer.finish();
    let weights: BTreeMap<String, Tensor<f32>> =
        weights.into_iter().map(|(name, t)| (name, Arc::unwrap_or_clone(t))).collect();
    Ok((Imported { graph: imported, weights, inputs, model: graph.name.clone(), opset, notes }, errors))
}

/// Version of the default operator set.
fn opset(imports: &[OperatorSetIdProto]) -> Result<i64, ImportError> {
    let found = imports.iter().find(|o| domain(&o.domain).is_empty()).map_or(1, |o| o.version);
    match found {
        LEAST_OPSET.. => Ok(found),
        _ => Err(ImportError::Opset { found, least: LEAST_OPSET, newest: NEWEST_OPSET }),
    }
}

/// `ai.onnx` is another name of the default domain.
fn domain(name: &str) -> &str {
    if name == "ai.onnx" { "" } else { name }
}

struct Driver<'m> {
    importer: Importer,
    /// Innermost last; subgraphs see the names of the graphs around them.
    scopes: Vec<HashMap<String, Value>>,
    errors: Vec<ImportError>,
    functions: HashMap<(&'m str, &'m str), &'m FunctionProto>,
    /// Shapes that the model states for its values, where they are complete.
    shapes: HashMap<&'m str, Shape>,
    external: &'m ExternalData,
    options: &'m Options,
    opset: i64,
    nodes: usize,
    /// Values that no layer with weights follows.
    ends: HashSet<&'m str>,
}

impl<'m> Driver<'m> {
    /// Adds an input node for each input that is not a weight, in the model's order.
    fn inputs(&mut self, graph: &'m GraphProto) -> Vec<ImportedInput> {
        let weights: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
        let free: Vec<_> = graph.input.iter().filter(|i| !weights.contains(i.name.as_str())).collect();
        for wanted in &self.options.input_shapes {
            let known = wanted.name.as_ref().is_none_or(|name| free.iter().any(|i| i.name == *name));
            if !known || (wanted.name.is_none() && free.len() != 1) {
                let names: Vec<&str> = free.iter().map(|i| i.name.as_str()).collect();
                self.errors.push(ImportError::Input {
                    name: wanted.name.clone().unwrap_or_default(),
                    problem: format!("a shape is given, the model's inputs are {}", names.join(", ")),
                    way_out: "write --input-shape name:1x3x224x224 with one of these names",
                });
            }
        }
        let used = used(graph);
        let mut found = Vec::new();
        for info in &free {
            if !used.contains(info.name.as_str()) {
                let note = format!("input `{}` is dropped: no output depends on it", info.name);
                self.importer.notes.push(note);
                continue;
            }
            let shape = match resolve(info, free.len() == 1, &self.options.input_shapes) {
                Ok(shape) => shape,
                Err(error) => {
                    self.errors.push(error);
                    self.define(&info.name, Value::Poison);
                    continue;
                }
            };
            let value = self.input_node(&info.name, &shape);
            let integer = element_type(info).and_then(DataType::from_i32).is_some_and(|t| !is_float(t));
            if let (Value::Node(id), true) = (&value, integer) {
                self.importer.integers.insert(*id);
                self.importer.notes.push(format!("input `{}` holds integers; they are read as reals", info.name));
            }
            self.define(&info.name, value);
            found.push(ImportedInput { name: info.name.clone(), shape });
        }
        found
    }

    fn input_node(&mut self, name: &str, shape: &[usize]) -> Value {
        let op = Input { name: name.to_owned(), ty: Ty::real(shape, Owner::Client) };
        match self.importer.may_hold(shape).and_then(|_| Ok(self.importer.graph.add(op, &[], name)?)) {
            Ok(id) => Value::Node(id),
            Err(cause) => {
                let (node, operator) = (name.to_owned(), "input".to_owned());
                self.errors.push(ImportError::Node { node, operator, cause });
                Value::Poison
            }
        }
    }

    /// Imports a graph's initializers and nodes, as far as its outputs need them.
    fn body(&mut self, graph: &'m GraphProto) {
        for info in graph.value_info.iter().chain(&graph.output) {
            if let Some(shape) = stated(info).and_then(|s| s.into_iter().collect::<Option<Shape>>()) {
                self.shapes.insert(&info.name, shape);
            }
        }
        let needed = needed(&graph.node, graph.output.iter().map(|o| o.name.as_str()));
        for proto in graph.initializer.iter().filter(|t| needed.contains(t.name.as_str())) {
            let value = match tensor::read(proto, self.external, self.options.limits.tensor_elements, false) {
                Ok(known) => Value::Known(known),
                Err(problem) => {
                    let way_out = tensor::way_out(proto);
                    self.errors.push(ImportError::Tensor { name: proto.name.clone(), problem, way_out });
                    Value::Poison
                }
            };
            self.define(&proto.name, value);
        }
        for sparse in &graph.sparse_initializer {
            let name = sparse.values.as_ref().map_or("", |v| &v.name);
            if needed.contains(name) {
                let problem = "sparse tensors are not supported".to_owned();
                let way_out = "store it densely";
                self.errors.push(ImportError::Tensor { name: name.to_owned(), problem, way_out });
                self.define(name, Value::Poison);
            }
        }
        self.node_list(&graph.node, &needed, "");
    }

    fn node_list(&mut self, nodes: &'m [NodeProto], needed: &HashSet<&str>, prefix: &str) {
        for (i, proto) in nodes.iter().enumerate() {
            if !proto.output.iter().any(|o| needed.contains(o.as_str())) {
                continue;
            }
            self.nodes += 1;
            let limit = self.options.limits.nodes;
            if self.nodes > limit {
                if self.nodes == limit + 1 {
                    self.errors.push(ImportError::Limit { what: "nodes", found: self.nodes, limit });
                }
                return;
            }
            let name = match (proto.name.as_str(), proto.output.first()) {
                ("", Some(output)) if !output.is_empty() => format!("{prefix}{output}"),
                ("", _) => format!("{prefix}{}_{i}", proto.op_type),
                (name, _) => format!("{prefix}{name}"),
            };
            self.one_node(proto, &name, needed);
        }
    }

    /// Imports one node; its outputs are defined whatever happens.
    fn one_node(&mut self, proto: &'m NodeProto, name: &str, needed: &HashSet<&str>) {
        let used: Vec<bool> = proto.output.iter().map(|o| !o.is_empty() && needed.contains(o.as_str())).collect();
        let mut inputs = Vec::with_capacity(proto.input.len());
        let mut poisoned = false;
        for input in &proto.input {
            inputs.push(if input.is_empty() {
                None
            } else if let Some(value) = self.lookup(input) {
                poisoned |= matches!(value, Value::Poison);
                Some(value)
            } else {
                let cause = Cause::malformed(format!("its input `{input}` is not defined before it"));
                self.fail(proto, name, cause);
                poisoned = true;
                None
            });
        }
        self.importer.node = name.to_owned();
        let view = NodeView { proto, opset: self.opset, inputs, used };
        let result = if poisoned {
            // Nothing can be said about its arguments, but the operator itself may be unknown too.
            match table::find(domain(&proto.domain), &proto.op_type, self.opset) {
                Ok(_) => Ok(Vec::new()),
                Err(_) if self.is_structural(proto) => Ok(Vec::new()),
                Err(cause) => Err(cause),
            }
        } else {
            self.outputs_of(proto, &view, name)
        };
        let outputs = match result {
            Ok(outputs) => outputs,
            Err(cause) => {
                self.fail(proto, name, cause);
                Vec::new()
            }
        };
        let keeps_shape = table::keeps_shape(&proto.op_type);
        for (i, output) in proto.output.iter().enumerate().filter(|(_, o)| !o.is_empty()) {
            let value = match outputs.get(i) {
                Some(value) => value.clone(),
                None => self.stand_in(output, view.optional(0).filter(|_| keeps_shape && i == 0)),
            };
            self.define(output, value);
        }
    }

    fn outputs_of(&mut self, proto: &'m NodeProto, view: &NodeView<'m>, name: &str) -> Result<Vec<Value>, Cause> {
        let key = (domain(&proto.domain), proto.op_type.as_str());
        if let Some(&function) = self.functions.get(&key) {
            return self.call(function, view, name);
        }
        if key == ("", "If") {
            return self.branch(view);
        }
        let import = evaluate::choose(key, view, table::find(key.0, key.1, self.opset))?;
        match view.inputs.first() {
            // Moving elements commutes with dequantizing them, where all have the same parameters.
            Some(Some(Value::Quantized(id, q))) if q.scale.data.len() == 1 && table::moves(key.1) => {
                let mut real = NodeView { inputs: view.inputs.clone(), used: view.used.clone(), ..*view };
                real.inputs[0] = Some(Value::Node(*id));
                let outputs = import(&mut self.importer, &real)?;
                let again = |v: Value| match v {
                    Value::Node(id) => Value::Quantized(id, q.clone()),
                    other => other,
                };
                Ok(outputs.into_iter().map(again).collect())
            }
            _ => Ok(evaluate::of_known(view, import(&mut self.importer, view)?)),
        }
    }

    fn is_structural(&self, proto: &NodeProto) -> bool {
        proto.op_type == "If" || self.functions.contains_key(&(domain(&proto.domain), proto.op_type.as_str()))
    }

    /// Something of the right shape in place of a value that could not be computed, so that what follows can still
    /// be checked. The graph is never used: there is an error.
    fn stand_in(&mut self, output: &str, like: Option<&Value>) -> Value {
        let shape = match (self.shapes.get(output), like) {
            (Some(shape), _) => shape.clone(),
            (None, Some(like)) if !matches!(like, Value::Poison) => self.importer.shape(like),
            _ => return Value::Poison,
        };
        let op = Input { name: output.to_owned(), ty: Ty::real(&shape, Owner::Client) };
        self.importer.graph.add(op, &[], output).map_or(Value::Poison, Value::Node)
    }

    /// A function of the model: its body, with the arguments in place of its inputs.
    fn call(&mut self, function: &'m FunctionProto, view: &NodeView<'m>, name: &str) -> Result<Vec<Value>, Cause> {
        if self.scopes.len() > MAX_CALL_DEPTH {
            return Err(Cause::malformed("functions are nested too deeply"));
        }
        if !function.attribute.is_empty() || !function.attribute_proto.is_empty() {
            return Err(Cause::unsupported(
                "a function of the model with attributes",
                "inline it: onnx.inliner.inline_local_functions(model)",
            ));
        }
        let named = |o: &&String| !o.is_empty();
        let needed = needed(&function.node, function.output.iter().filter(named).map(String::as_str));
        let arguments = function.input.iter().zip(&view.inputs);
        let scope = arguments.filter_map(|(n, v)| Some((n.clone(), v.clone()?))).collect();
        // A function sees its arguments only.
        let outer = std::mem::replace(&mut self.scopes, vec![scope]);
        let depth = outer.len();
        self.scopes.extend((1..=depth).map(|_| HashMap::new()));
        self.node_list(&function.node, &needed, &format!("{name}/"));
        let results = function.output.iter().map(|o| self.lookup(o).unwrap_or(Value::Poison)).collect::<Vec<_>>();
        self.scopes = outer;
        Ok(results)
    }

    /// `If` whose condition is known: the branch that is taken.
    fn branch(&mut self, view: &NodeView<'m>) -> Result<Vec<Value>, Cause> {
        if self.scopes.len() > MAX_CALL_DEPTH {
            return Err(Cause::malformed("branches are nested too deeply"));
        }
        let taken = view.known(0, "condition")?.scalar("the condition")? != 0.0;
        let wanted = if taken { "then_branch" } else { "else_branch" };
        let graph = view.proto.attribute.iter().find(|a| a.name == wanted).and_then(|a| a.g.as_ref());
        let graph = graph.ok_or_else(|| Cause::attribute(wanted, "is missing"))?;
        self.scopes.push(HashMap::new());
        self.body(graph);
        let results =
            graph.output.iter().map(|o| self.lookup(&o.name).unwrap_or(Value::Poison)).collect::<Vec<_>>();
        self.scopes.pop();
        Ok(results)
    }

    fn outputs(&mut self, graph: &'m GraphProto) {
        if graph.output.is_empty() {
            self.errors.push(ImportError::Parse("the graph has no output".to_owned()));
        }
        for output in &graph.output {
            let name = &output.name;
            let refused = |problem: &str| ImportError::Output { name: name.clone(), problem: problem.to_owned() };
            match self.lookup(name) {
                None => self.errors.push(refused("no node computes it")),
                Some(Value::Poison) => {}
                Some(Value::Known(_)) => self.errors.push(refused("does not depend on the model's input")),
                Some(Value::Quantized(..)) => {
                    self.errors.push(refused("is quantized; end the model with DequantizeLinear"));
                }
                Some(Value::Node(id)) => self.importer.graph.outputs.push((name.clone(), id)),
            }
        }
    }

    fn fail(&mut self, proto: &NodeProto, name: &str, cause: Cause) {
        let (node, operator) = (name.to_owned(), proto.op_type.clone());
        let at_the_end = proto.output.iter().all(|o| o.is_empty() || self.ends.contains(o.as_str()));
        let cause = if at_the_end { cause } else { cause.inside() };
        self.errors.push(ImportError::Node { node, operator, cause });
    }

    fn define(&mut self, name: &str, value: Value) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), value);
        }
    }

    fn lookup(&self, name: &str) -> Option<Value> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name)).cloned()
    }
}

fn is_float(dtype: DataType) -> bool {
    matches!(dtype, DataType::FLOAT | DataType::DOUBLE | DataType::FLOAT16 | DataType::BFLOAT16)
}
