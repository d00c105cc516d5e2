#!/usr/bin/env bash
# MeanVarianceNormalization: onnxruntime answers NaN for an image of one colour.
#
# With: onnxruntime 1.32.0, onnx 1.19.1 (onnx.reference) beside it.
# Expected: the function that the standard gives for this operator adds 1e-9 to the deviation, so that a plane without
#   variance becomes zeros; onnx.reference returns them.
# Observed: onnxruntime divides 0 by 0 and returns NaN for the whole plane, with optimizations on and off. A blank film,
#   a padded tile or a switched-off sensor is enough, and everything behind it is NaN.
# picc: refuses the operator with a way out (batch norm, whose statistics are constants). A graph that spells it out divides by a
#   secret and is refused as well; no NaN can enter a private run, whose values are integers.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.19.1 onnxruntime==1.32.0
venv/bin/python - <<'PY'
import numpy as np, onnxruntime as ort
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

value = lambda n: helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, 4, 4])
node = helper.make_node("MeanVarianceNormalization", ["x"], ["y"], axes=[2, 3])
graph = helper.make_graph([node], "g", [value("x")], [value("y")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
for level in (ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for colour in (0.0, 0.5):
        x = np.full((1, 1, 4, 4), colour, np.float32)
        runtime, reference = session.run(None, {"x": x})[0], ReferenceEvaluator(model).run(None, {"x": x})[0]
        print(f"{level.name}, colour {colour}: onnxruntime {runtime[0, 0, 0, 0]}, onnx.reference {reference[0, 0, 0, 0]}")
        assert np.isnan(runtime).all(), "onnxruntime has changed"
        assert (reference == 0).all(), "the reference evaluator has changed"
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    assert np.allclose(session.run(None, {"x": x})[0], (x - x.mean()) / x.std(), atol=1e-5)
PY
