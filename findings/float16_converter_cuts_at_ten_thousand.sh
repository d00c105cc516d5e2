#!/usr/bin/env bash
# float16 conversion: weights of 100,000 become 10,000, and tiny ones twelve times larger.
#
# With: onnxconverter-common 1.16.0 (float16.convert_float_to_float16), onnxruntime 1.32.0.
# Expected: float16 holds up to 65,504 and down to 6e-8; what fits keeps its value to three digits, what does not becomes
#   the nearest one that does, or is refused.
# Observed: by default everything above 10,000 becomes 10,000 (a weight of 60,000, which float16 holds, too) and every
#   nonzero value below 1e-7 becomes 1e-7: a weight of 1e-8 grows twelve times. Warnings go to Python's `warnings` and name no
#   node. A mask of -3.4e38 before a softmax becomes -10,000.
# picc: reads float16 weights as they are, so a converted model is compiled with the values that it holds: give picc the
#   float32 model. Its own formats have a fraction for each layer.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.19.1 onnxruntime==1.32.0 onnxconverter-common==1.16.0
venv/bin/python - <<'PY'
import warnings
import numpy as np, onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxconverter_common import float16

warnings.simplefilter("ignore")
weights = np.array([[1e5], [6e4], [-3.4e38], [1e-8], [1.0]], np.float32)
value = lambda n, shape: helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)
graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [value("x", [5, 5])], [value("y", [5, 1])],
                          [numpy_helper.from_array(weights, "w")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
half = float16.convert_float_to_float16(model, keep_io_types=True)
stored = numpy_helper.to_array(half.graph.initializer[0]).astype(np.float64).ravel()
session = ort.InferenceSession(half.SerializeToString(), providers=["CPUExecutionProvider"])
answers = session.run(None, {"x": np.eye(5, dtype=np.float32)})[0].ravel()
for weight, kept, answer in zip(weights.ravel(), stored, answers):
    print(f"weight {weight:g}: numpy's float16 {np.float16(weight):g}, the converter's {kept:g}, the model answers {answer:g}")
assert np.float16(6e4) == 6e4, "float16 holds 60,000"
assert stored[:3].tolist() == [1e4, 1e4, -1e4], "large values are no longer cut at 10,000"
assert abs(stored[3] / 1e-8 - 11.92) < 0.01, "tiny values are no longer raised to 1e-7"
assert answers[0] == 1e4 and answers[4] == 1.0
PY
