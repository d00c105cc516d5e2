#!/usr/bin/env bash
# LRN: the ONNX reference evaluator takes the batch for the channels.
#
# With: onnx 1.19.1 (onnx.reference), onnxruntime 1.32.0 beside it.
# Expected: the reference evaluator of the standard computes the formula of the standard, for any batch size:
#   every channel is divided by (bias + alpha / size * sum of squares of its neighbours) ^ beta.
# Observed: it normalizes as many channels as there are images in the batch. Of one image with five channels four come
#   back as they went in; five images of five channels are right; with more images than channels it raises an IndexError.
#   onnxruntime follows the formula.
# picc: takes the formula (and onnxruntime) as the reference of an LRN; onnx.reference is no oracle for AlexNet-like models.
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


def formula(x, size=3, alpha=1.0, beta=0.75, bias=1.0):
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        near = x[:, max(0, c - (size - 1) // 2) : c + size // 2 + 1]
        y[:, c] = x[:, c] / (bias + alpha / size * (near**2).sum(axis=1)) ** beta
    return y


for images in (1, 2, 5, 6):
    x = np.arange(1, 5 * images + 1, dtype=np.float32).reshape(images, 5, 1, 1)
    value = lambda n: helper.make_tensor_value_info(n, TensorProto.FLOAT, list(x.shape))
    node = helper.make_node("LRN", ["x"], ["y"], size=3, alpha=1.0)
    graph = helper.make_graph([node], "g", [value("x")], [value("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.allclose(session.run(None, {"x": x})[0], formula(x), rtol=1e-5), "onnxruntime left the formula"
    try:
        got = ReferenceEvaluator(model).run(None, {"x": x})[0]
    except IndexError as error:
        print(f"{images} images of 5 channels: IndexError: {error}")
        assert images > 5
        continue
    right = np.isclose(got, formula(x), rtol=1e-5).all(axis=(0, 2, 3))
    print(f"{images} images of 5 channels: channels as the formula says {right.tolist()}")
    assert images <= 5 and right.sum() == images, "the reference evaluator has changed"
    assert np.array_equal(got[:, images:], x[:, images:]), "the others are no longer copied"
PY
