#!/usr/bin/env bash
# Dynamic quantization: what else is in the batch changes an answer.
#
# With: onnxruntime 1.32.0 (quantization.quantize_dynamic).
# Expected: samples of a batch are independent: a row of MatMul depends on its own input and the weights.
# Observed: the quantized model takes one scale for the whole input tensor. A sample beside a large one gets coarser steps:
#   here all four of its scores, from -2.24 to 0.30 alone, become 0. Accuracy measured one by one says nothing about a server
#   that batches, and a sample's answer tells about its neighbours.
# picc: refuses such models ("its scale depends on secret values; quantize statically"), which is the right answer for private
#   inference as well: a secret scale would have to be opened or divided by.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.19.1 onnxruntime==1.32.0
venv/bin/python - <<'PY'
import logging
import numpy as np, onnx, onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic

logging.disable(logging.WARNING)
rng = np.random.default_rng(0)
weights = rng.normal(size=(8, 4)).astype(np.float32)
value = lambda n, width: helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", width])
graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [value("x", 8)], [value("y", 4)],
                          [numpy_helper.from_array(weights, "w")])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), "m.onnx")
quantize_dynamic("m.onnx", "q.onnx")
run = lambda x: ort.InferenceSession("q.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
x = rng.normal(size=(1, 8)).astype(np.float32)
alone = run(x)[0]
beside = run(np.concatenate([x, np.full((1, 8), 1000, np.float32)]))[0]
exact = (x @ weights)[0]
print("float: ", exact)
print("alone: ", alone)
print("beside:", beside)
assert np.abs(alone - exact).max() < 0.1, "alone it is a good approximation"
assert np.abs(beside - exact).max() > 0.5, "the batch no longer changes an answer"
PY
