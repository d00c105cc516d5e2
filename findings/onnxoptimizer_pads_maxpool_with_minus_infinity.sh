#!/usr/bin/env bash
# onnxoptimizer: zeros around a max pool become minus infinities.
#
# With: onnxoptimizer 0.4.2, default passes; onnxruntime 1.32.0; onnxsim 0.8.1 beside it.
# Expected: an optimizer keeps the function. Padding with zeros before a max pool can be moved into the pool only where no
#   value is negative, since a pool's own padding never wins.
# Observed: the default pass `fuse_pad_into_pool` drops the Pad and gives its pads to MaxPool. On an image of -1 the border
#   was 0 and becomes -1. After a ReLU nothing changes, so that models with other activations (leaky, none) show it first.
#   onnxsim, which lists onnxoptimizer's passes among its own, leaves this Pad where it is.
# picc: computes both models as they are written: feed it the exporter's file, not an optimizer's.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.19.1 onnxruntime==1.32.0 onnxoptimizer==0.4.2 onnxsim==0.8.1
venv/bin/python - <<'PY'
import numpy as np, onnxoptimizer, onnxruntime as ort, onnxsim
from onnx import TensorProto, helper, numpy_helper

value = lambda n: helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, 5, 5])
pads = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "p")
nodes = [helper.make_node("Pad", ["x", "p"], ["padded"]),
         helper.make_node("MaxPool", ["padded"], ["y"], kernel_shape=[3, 3], strides=[1, 1])]
graph = helper.make_graph(nodes, "g", [value("x")], [value("y")], [pads])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
optimized, simplified = onnxoptimizer.optimize(model), onnxsim.simplify(model)[0]


def run(model, x):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


x = -np.ones((1, 1, 5, 5), np.float32)
operators = lambda m: [n.op_type for n in m.graph.node]
print("model:        ", operators(model), run(model, x)[0, 0, 0])
print("onnxoptimizer:", operators(optimized), run(optimized, x)[0, 0, 0])
print("onnxsim:      ", operators(simplified), run(simplified, x)[0, 0, 0])
assert (run(model, x)[0, 0, 0] == 0).all()
assert operators(optimized) == ["MaxPool"] and (run(optimized, x) == -1).all(), "onnxoptimizer has changed"
assert np.array_equal(run(simplified, x), run(model, x)), "onnxsim has changed"
assert np.array_equal(run(optimized, -x), run(model, -x)), "positive values agree"
PY
