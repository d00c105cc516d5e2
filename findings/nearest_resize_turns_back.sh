#!/usr/bin/env bash
# Nearest Resize: the ONNX reference evaluator goes back, and onnxruntime misses exact positions.
#
# With: onnx 1.19.1 (onnx.reference), onnxruntime 1.32.0.
# Expected: pixels that are nearest to growing positions come in growing order, and a position that is an integer in exact
#   arithmetic takes the pixel that stands there.
# Observed: 7 pixels enlarged to 17 (half_pixel, round_prefer_floor, the defaults of opset 13) are 0 0 1 1 1 2 2 3 2 3 3 4 ...
#   in onnx.reference: it picks the pixel by the argmax of float weights of a tie and returns to pixel 2 after pixel 3. Of 14
#   pixels reduced to 2 (asymmetric, floor) onnxruntime takes 0 and 6, not 7: it rounds 2/14 to float32 and divides by it.
#   Over sizes 1 to 32 the two differ for 36 of 1,024 pairs of sizes there; neither is right everywhere.
# picc: keeps onnxruntime's pixels, which users compare with, and tests them over a grid of sizes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.19.1 onnxruntime==1.32.0
venv/bin/python - <<'PY'
import numpy as np, onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def pixels(before, after, mode, nearest):
    node = helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode="nearest",
                            coordinate_transformation_mode=mode, nearest_mode=nearest)
    value = lambda n, size: helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, 1, size])
    sizes = numpy_helper.from_array(np.array([1, 1, 1, after], np.int64), "s")
    graph = helper.make_graph([node], "g", [value("x", before)], [value("y", after)], [sizes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    x = np.arange(before, dtype=np.float32).reshape(1, 1, 1, before)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    both = session.run(None, {"x": x}), ReferenceEvaluator(model).run(None, {"x": x})
    return [out[0].ravel().astype(int).tolist() for out in both]


runtime, reference = pixels(7, 17, "half_pixel", "round_prefer_floor")
print("7 -> 17, onnxruntime:   ", runtime)
print("7 -> 17, onnx.reference:", reference)
assert runtime == sorted(runtime), "onnxruntime goes back"
assert reference != sorted(reference) and reference[7:9] == [3, 2], "the reference evaluator has changed"
runtime, reference = pixels(14, 2, "asymmetric", "floor")
print("14 -> 2, onnxruntime:   ", runtime)
print("14 -> 2, onnx.reference:", reference)
assert (runtime, reference) == ([0, 6], [0, 7]), "one of the two has changed"
sizes = [(b, a) for b in range(1, 33) for a in range(1, 33)]
differ = sum(len({tuple(p) for p in pixels(b, a, "asymmetric", "floor")}) > 1 for b, a in sizes)
print(f"asymmetric, floor: {differ} of {len(sizes)} pairs of sizes differ")
assert differ == 36, "the number of pairs has changed"
PY
