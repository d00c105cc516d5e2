#!/usr/bin/env bash
# Static quantization: ReLU disappears into a zero point.
#
# With: onnxruntime 1.32.0 (quantization.quantize_static, QDQ format, defaults).
# Expected: the QDQ form is the float graph with pairs of QuantizeLinear and DequantizeLinear: a tool that reads values as
#   reals may leave the pairs out, and gets the float model up to rounding.
# Observed: the ReLU after a convolution is gone: its result is clipped because the pair behind it starts at zero. Without
#   the pairs negative values pass, half of all here. With symmetric activations the ReLU stays, so a test of one kind says nothing
#   about the other. Clip(0, 6) goes the same way and then ends at what calibration saw, not at 6.
# picc: reads a pair as real values clipped to its range (and says so in a note), which keeps the ReLU.
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
from onnxruntime.quantization import CalibrationDataReader, quantize_static

logging.disable(logging.WARNING)
ort.set_default_logger_severity(3)
rng = np.random.default_rng(0)
samples = [rng.normal(size=(1, 1, 6, 6)).astype(np.float32) for _ in range(8)]
weights = rng.normal(size=(4, 1, 3, 3)).astype(np.float32)


class Samples(CalibrationDataReader):
    def __init__(self):
        self.left = iter([{"x": x} for x in samples])

    def get_next(self):
        return next(self.left, None)


value = lambda n, shape: helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)
nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
graph = helper.make_graph(nodes, "g", [value("x", [1, 1, 6, 6])], [value("y", [1, 4, 4, 4])],
                          [numpy_helper.from_array(weights, "w")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.save(model, "m.onnx")


def quantized(**options):
    quantize_static("m.onnx", "q.onnx", Samples(), extra_options=options)
    return onnx.load("q.onnx")


def without_pairs(model):
    # Every activation's pair is left out; the weights stay behind their DequantizeLinear.
    model, known = onnx.ModelProto.FromString(model.SerializeToString()), {i.name for i in model.graph.initializer}
    same, kept = {}, []
    for node in model.graph.node:
        inputs = [same.get(name, name) for name in node.input]
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and inputs[0] not in known:
            same[node.output[0]] = inputs[0]
            continue
        node.ClearField("input")
        node.input.extend(inputs)
        kept.append(node)
    source = same.get("y", "y")
    kept.append(helper.make_node("Identity", [source], ["y"])) if source != "y" else None
    model.graph.ClearField("node")
    model.graph.node.extend(kept)
    return model


def run(model, x):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


operators = lambda m: [n.op_type for n in m.graph.node]
plain, symmetric = quantized(), quantized(ActivationSymmetric=True)
bare = without_pairs(plain)
x = samples[0]
print("defaults: ", operators(plain))
print("symmetric:", operators(symmetric))
print("smallest values: float", run(model, x).min(), "quantized", run(plain, x).min(), "without pairs", run(bare, x).min())
negative = (run(bare, x) < 0).mean()
print(f"negative without the pairs: {100 * negative:.0f} %")
assert "Relu" not in operators(plain) and "Relu" in operators(symmetric), "the quantizer has changed"
assert run(model, x).min() == 0 and run(plain, x).min() == 0 and negative > 0.3
PY
