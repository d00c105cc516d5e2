#!/usr/bin/env bash
# scikit-learn SVC: the scores in ONNX point to the other class.
#
# With: skl2onnx 1.20.0, scikit-learn 1.9.1, onnxruntime 1.32.0.
# Expected: column i of a classifier's scores belongs to class i, as with predict_proba: the largest score names the label
#   that the model returns beside it.
# Observed: for a binary SVC without probabilities the columns are [d, -d] with scikit-learn's decision d, which is positive
#   for class 1. The label is right; the largest score names the other class for every one of 300 samples. With three
#   classes the columns are in order.
# picc: refuses SVMClassifier. A client that takes the best of revealed scores would be wrong each time: cut such a model before
#   its labels only after checking the columns' order.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 onnx==1.19.1 onnxruntime==1.32.0 scikit-learn==1.9.1 skl2onnx==1.20.0
venv/bin/python - <<'PY'
import warnings
import numpy as np, onnxruntime as ort
from skl2onnx import to_onnx
from sklearn.svm import SVC

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x = rng.normal(size=(300, 4)).astype(np.float32)


def contradictions(classes):
    model = SVC().fit(x, classes)
    converted = to_onnx(model, x[:1], options={"zipmap": False})
    session = ort.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, scores = session.run(None, {"X": x})
    assert (labels == model.predict(x)).all(), "labels are scikit-learn's"
    return model, scores, int((scores.argmax(axis=1) != labels).sum())


model, scores, two = contradictions((x[:, 0] + x[:, 1] > 0).astype(int))
print("two classes: decision", model.decision_function(x[:2]), "scores", scores[:2].tolist())
print(f"two classes: the largest score names another class than the label for {two} of 300")
_, _, three = contradictions(np.digitize(x[:, 0], [-0.5, 0.5]))
print(f"three classes: for {three} of 300")
assert np.allclose(scores[:, 0], model.decision_function(x), atol=1e-5) and two == 300, "the columns have changed"
assert three < 30
PY
