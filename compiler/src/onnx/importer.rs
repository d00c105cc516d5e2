//! The graph under construction: what operators' importers build with.

use super::error::Cause;
use super::known::{Data, Known, Value, wrap};
use super::{Limits, Options};
use picc_ir::op::F32;
use picc_ir::ops::{Const, ConstValue, Weight};
use picc_ir::{Elem, Fixed, Graph, Id, Op, Owner, Shape, Tensor, Ty};
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Public values that are named in the notes; of more, the number.
const MAX_LISTED: usize = 16;

/// A graph that grows node by node. Operators on known values are computed at once instead.
pub struct Importer {
    pub graph: Graph,
    pub limits: Limits,
    /// Remarks for the user: what became public, what was read in a particular way.
    pub notes: Vec<String>,
    /// Nodes whose values are integers in the model (indices, quantized inputs).
    pub integers: HashSet<Id>,
    pub(super) weights: BTreeMap<String, Arc<Tensor<f32>>>,
    /// Weight or constant nodes by the address of their tensor, which `kept` keeps alive.
    sources: HashMap<(usize, bool), Id>,
    kept: Vec<Arc<Tensor<f32>>>,
    /// ONNX node being imported.
    pub(super) node: String,
    folded_elements: usize,
    derived: usize,
    /// What of the model file becomes public, for the notes.
    public: Vec<String>,
    /// Quantized activations, which are clipped but not rounded.
    pub(super) quantized: usize,
    /// Literals of one element are weights too.
    pub secret_literals: bool,
}

impl Importer {
    #[must_use]
    pub fn new(options: &Options) -> Importer {
        Importer {
            graph: Graph::default(),
            limits: options.limits,
            notes: Vec::new(),
            integers: HashSet::new(),
            weights: BTreeMap::new(),
            sources: HashMap::new(),
            kept: Vec::new(),
            node: String::new(),
            folded_elements: 0,
            derived: 0,
            public: Vec::new(),
            quantized: 0,
            secret_literals: options.secret_literals,
        }
    }

    /// Records that something of the model file becomes public.
    pub fn publish(&mut self, what: String) {
        if !self.public.contains(&what) {
            self.public.push(what);
        }
    }

    /// Completes the notes and drops what was only needed for building, so that weights are held once.
    #[must_use]
    pub(super) fn finish(mut self) -> Importer {
        if !self.public.is_empty() {
            let shown = self.public.len().min(MAX_LISTED);
            let more = match self.public.len() - shown {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            self.notes.push(format!("public, as part of the program: {}{more}", self.public[..shown].join(", ")));
        }
        if self.quantized > 0 {
            let note = format!(
                "{} quantized activations are read as real values, clipped to their range but not rounded",
                self.quantized
            );
            self.notes.push(note);
        }
        self.kept.clear();
        self.sources.clear();
        self
    }

    /// Shape of a value.
    #[must_use]
    pub fn shape(&self, value: &Value) -> Shape {
        match value {
            Value::Known(k) => k.shape().clone(),
            Value::Node(id) | Value::Quantized(id, _) => self.graph.ty(*id).shape.clone(),
            Value::Poison => Shape::new(),
        }
    }

    /// Result of an operator: computed now if all arguments are known, otherwise a new node.
    pub fn emit(&mut self, op: impl Into<Op>, args: &[&Value]) -> Result<Value, Cause> {
        let op = op.into();
        let known: SmallVec<[&Known; 4]> =
            args.iter().filter_map(|v| if let Value::Known(k) = v { Some(k) } else { None }).collect();
        if known.len() == args.len() && !args.is_empty() {
            return self.fold(&op, &known).map(Value::Known);
        }
        let ids = args.iter().map(|v| self.materialize(v)).collect::<Result<SmallVec<[Id; 4]>, _>>()?;
        self.append(op, &ids).map(Value::Node)
    }

    /// Appends a node whose size is within the limits.
    fn append(&mut self, op: Op, args: &[Id]) -> Result<Id, Cause> {
        let node = std::mem::take(&mut self.node);
        let id = self.graph.add(op, args, &node);
        self.node = node;
        let id = id?;
        let count = self.graph.ty(id).len();
        match count <= self.limits.tensor_elements {
            true => Ok(id),
            false => Err(Cause::TooLarge { found: count, limit: self.limits.tensor_elements }),
        }
    }

    /// The node of a value; a known tensor becomes a weight, or a constant if it is public.
    pub fn materialize(&mut self, value: &Value) -> Result<Id, Cause> {
        match value {
            Value::Node(id) => Ok(*id),
            Value::Quantized(..) => Err(Cause::unsupported(
                "works on a quantized value",
                "export the model with QuantizeLinear and DequantizeLinear around float operators (QDQ format)",
            )),
            Value::Poison => Err(Cause::malformed("an argument could not be imported")),
            Value::Known(k) => self.source(k),
        }
    }

    fn source(&mut self, known: &Known) -> Result<Id, Cause> {
        let Data::Float(tensor) = &known.data else {
            return Err(Cause::unsupported(
                format!("the integer constant `{}` meets a value computed from the input", known.name),
                "",
            ));
        };
        let key = (Arc::as_ptr(tensor).addr(), known.public);
        if let Some(&id) = self.sources.get(&key) {
            return Ok(id);
        }
        if !tensor.data.iter().all(|v| v.is_finite()) {
            return Err(Cause::unsupported(
                format!("the constant `{}` holds a value that is not finite", known.name),
                "if it is a weight, training has diverged: export an earlier checkpoint",
            ));
        }
        let id = if known.public {
            if let (&[v], false) = (&tensor.data[..], known.name.is_empty()) {
                self.publish(format!("literal `{}` = {v}", known.name));
            }
            self.append(constant(tensor).into(), &[])?
        } else {
            let name = self.weight_name(&known.name);
            let ty = Ty::real(&tensor.shape, Owner::Server);
            let id = self.append(Weight { name: name.clone(), ty }.into(), &[])?;
            self.weights.insert(name, tensor.clone());
            id
        };
        self.sources.insert(key, id);
        self.kept.push(tensor.clone());
        Ok(id)
    }

    /// A name that no other weight has.
    fn weight_name(&self, wanted: &str) -> String {
        let base = if wanted.is_empty() { format!("{}.weight", self.node) } else { wanted.to_owned() };
        let mut name = base.clone();
        let mut n = 1;
        while self.weights.contains_key(&name) {
            n += 1;
            name = format!("{base}.{n}");
        }
        name
    }

    /// The operator's reference semantics on known values: over the reals, or over 64-bit integers.
    fn fold(&mut self, op: &Op, args: &[&Known]) -> Result<Known, Cause> {
        if let Some(k) = args.iter().find(|k| k.is_empty()) {
            return Err(Cause::malformed(format!("the constant `{}` is empty", k.name)));
        }
        let floats: SmallVec<[&Tensor<f32>; 4]> =
            args.iter().filter_map(|k| if let Data::Float(t) = &k.data { Some(&**t) } else { None }).collect();
        let ints: SmallVec<[&Tensor<i64>; 4]> =
            args.iter().filter_map(|k| if let Data::Int(t) = &k.data { Some(&**t) } else { None }).collect();
        let elem = if ints.is_empty() { Elem::Real } else { Elem::Fixed(Fixed::full(64, 0)) };
        let tys: SmallVec<[Ty; 4]> =
            args.iter().map(|k| Ty { shape: k.shape().clone(), elem, owner: Owner::Public }).collect();
        let tys: SmallVec<[&Ty; 4]> = tys.iter().collect();
        let out = op.infer(&tys)?;
        self.spend(work(op, &tys, &out), out.len())?;
        let data = if floats.len() == args.len() {
            Data::Float(Arc::new(op.eval_real(&floats, &tys)?))
        } else if ints.len() == args.len() {
            let wide = op.eval_ring(&ints, &tys)?;
            Data::Int(Arc::new(wide.map(|&v| wrap(v, args[0].dtype))))
        } else {
            return Err(Cause::malformed("integers and floats are mixed"));
        };
        let public = args.iter().all(|k| k.public);
        Ok(Known { data, dtype: args[0].dtype, public, name: self.derived_name(args) })
    }

    /// Counts steps that are more than the elements of what comes out.
    pub fn spend_work(&mut self, work: usize) -> Result<(), Cause> {
        self.spend(work, 0)
    }

    /// Bounds what a small file can make the importer compute.
    fn spend(&mut self, work: usize, elements: usize) -> Result<(), Cause> {
        let limit = self.limits.tensor_elements;
        if elements > limit {
            return Err(Cause::TooLarge { found: elements, limit });
        }
        let total = self.folded_elements.saturating_add(work);
        if total > self.limits.folded_elements {
            return Err(Cause::TooLarge { found: total, limit: self.limits.folded_elements });
        }
        self.folded_elements = total;
        Ok(())
    }

    /// A new tensor that was computed here; counts towards the limits.
    pub fn computed(&mut self, data: Data, public: bool, from: &[&Known]) -> Result<Value, Cause> {
        let count = match &data {
            Data::Float(t) => t.data.len(),
            Data::Int(t) => t.data.len(),
        };
        self.spend(count, count)?;
        let dtype = match (&data, from.first()) {
            (Data::Float(_), Some(k)) if matches!(k.data, Data::Float(_)) => k.dtype,
            (Data::Int(_), Some(k)) if matches!(k.data, Data::Int(_)) => k.dtype,
            (Data::Float(_), _) => onnx_protobuf::tensor_proto::DataType::FLOAT,
            (Data::Int(_), _) => onnx_protobuf::tensor_proto::DataType::INT64,
        };
        Ok(Value::Known(Known { data, dtype, public, name: self.derived_name(from) }))
    }

    /// Refuses to allocate more elements than the limit before doing so.
    pub fn may_hold(&self, shape: &[usize]) -> Result<usize, Cause> {
        let limit = self.limits.tensor_elements;
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or(usize::MAX);
        if count <= limit { Ok(count) } else { Err(Cause::TooLarge { found: count, limit }) }
    }

    /// Weights derived from exactly one named tensor keep its name.
    fn derived_name(&mut self, from: &[&Known]) -> String {
        let mut secret = from.iter().filter(|k| !k.public && !k.name.is_empty());
        match (secret.next(), secret.next()) {
            (Some(k), None) => k.name.clone(),
            _ => {
                self.derived += 1;
                format!("{}.{}", self.node, self.derived)
            }
        }
    }

    /// An operator that moves elements without changing them: integers stay integers.
    pub fn keep_integer(&mut self, a: &Value, op: impl Into<Op>) -> Result<Value, Cause> {
        let result = self.emit(op, &[a])?;
        if let (Value::Node(from), Value::Node(to)) = (a, &result)
            && self.integers.contains(from)
        {
            self.integers.insert(*to);
        }
        Ok(result)
    }
}

/// The public constant with these values.
fn constant(tensor: &Tensor<f32>) -> Const {
    let uniform = tensor.data.first().filter(|first| tensor.data.iter().all(|v| v.to_bits() == first.to_bits()));
    let value = match uniform {
        Some(&v) => vec![F32::from(v)],
        None => tensor.data.iter().map(|&v| F32::from(v)).collect(),
    };
    Const { ty: Ty::real(&tensor.shape, Owner::Public), value: ConstValue::Real(value) }
}

/// A tensor without elements under another shape without elements.
pub(super) fn empty_like(known: &Known, shape: &[usize]) -> Result<Known, Cause> {
    if !shape.contains(&0) {
        return Err(Cause::malformed(format!("an empty tensor does not fill {shape:?}")));
    }
    let shape = Shape::from_slice(shape);
    let data = match known.data {
        Data::Float(_) => Data::Float(Arc::new(Tensor { shape, data: Vec::new() })),
        Data::Int(_) => Data::Int(Arc::new(Tensor { shape, data: Vec::new() })),
    };
    Ok(Known { data, ..known.clone() })
}

/// Elementary steps that computing the operator takes, about.
fn work(op: &Op, args: &[&Ty], out: &Ty) -> usize {
    let per_element = if let Op::MatMul(_) = op {
        args[0].shape.last().copied().unwrap_or(1)
    } else if let Op::Conv(_) = op {
        args[1].len() / args[1].shape.first().copied().unwrap_or(1).max(1)
    } else if let Op::SumPool(picc_ir::ops::SumPool { kernel, .. })
    | Op::MaxPool(picc_ir::ops::MaxPool { kernel, .. }) = op
    {
        kernel[0].saturating_mul(kernel[1])
    } else {
        1
    };
    out.len().saturating_mul(per_element).max(args.iter().map(|t| t.len()).max().unwrap_or(0))
}
