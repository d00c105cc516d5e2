#!/usr/bin/env bash
# Softmax: the ONNX reference evaluator reads a model of opset 11 as one of opset 13.
#
# With: onnx 1.19.1 (onnx.reference and onnx.version_converter), onnxruntime 1.32.0 beside them.
# Expected: operators mean what the model's opset says. Before opset 13 Softmax flattens its input to two dimensions at
#   `axis` and normalizes whole rows; from opset 13 on it normalizes along `axis` alone.
# Observed: onnx.reference normalizes along the axis for a model of opset 11, too: on a 1x2x2 input with axis 1 two columns
#   sum to 1 each, where the model means all four values. The converter of the same package knows the difference: it writes
#   Flatten, Softmax, Reshape. onnxruntime flattens.
# picc: follows the model's opset, as onnxruntime does; judge old models (MNIST of CNTK, the model zoo) by that one only.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.19.1 onnxruntime==1.32.0
venv/bin/python - <<'PY'
import numpy as np, onnxruntime as ort
from onnx import TensorProto, helper, version_converter
from onnx.reference import ReferenceEvaluator

value = lambda n: helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2, 2])
graph = helper.make_graph([helper.make_node("Softmax", ["x"], ["y"], axis=1)], "g", [value("x")], [value("y")])
old = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
new = version_converter.convert_version(old, 13)
x = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
rows = np.exp(x) / np.exp(x).sum()
columns = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


def runtime(model):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


reference = ReferenceEvaluator(old).run(None, {"x": x})[0]
print("onnxruntime, opset 11:   ", runtime(old).ravel())
print("onnx.reference, opset 11:", reference.ravel())
print("converted to opset 13:   ", [n.op_type for n in new.graph.node], runtime(new).ravel())
assert np.allclose(runtime(old), rows) and np.allclose(runtime(new), rows), "onnxruntime or the converter has changed"
assert [n.op_type for n in new.graph.node][1:] == ["Flatten", "Softmax", "Reshape"], "the converter has changed"
assert np.allclose(reference, columns) and not np.allclose(reference, rows), "the reference evaluator has changed"
PY
