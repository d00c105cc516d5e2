#!/usr/bin/env bash
# scikit-learn SGDClassifier: equal probabilities, other labels in ONNX.
#
# With: skl2onnx 1.20.0, scikit-learn 1.9.1, onnxruntime 1.32.0.
# Expected: a converted classifier that returns the same probabilities returns the same labels.
# Observed: SGDClassifier(loss="modified_huber") with three classes agrees in every probability and differs in 88 of 300
#   labels. scikit-learn takes the best decision value; the converted model the best probability. This loss clips
#   probabilities to 0 and 1, so the best are often tied (1/3 each where every decision is below -1), and a tie goes to the
#   first class.
# picc: refuses the label branch (a cast of a secret to bool). Export decision values: options={"raw_scores": True} keeps what
#   scikit-learn compares.
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
from sklearn.linear_model import SGDClassifier

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x = rng.normal(size=(300, 4)).astype(np.float32)
classes = np.digitize(x[:, 0], [-0.5, 0.5])
model = SGDClassifier(loss="modified_huber", random_state=0).fit(x, classes)


def run(**options):
    converted = to_onnx(model, x[:1], options={"zipmap": False, **options})
    session = ort.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": x})


labels, probabilities = run()
differ = labels != model.predict(x)
print("largest difference of a probability:", np.abs(probabilities - model.predict_proba(x)).max())
print(f"labels differ for {differ.sum()} of 300; the first of them:")
first = int(np.flatnonzero(differ)[0])
print("  decisions", model.decision_function(x)[first], "probabilities", probabilities[first])
print("  scikit-learn says", model.predict(x)[first], "and ONNX", labels[first])
assert np.abs(probabilities - model.predict_proba(x)).max() < 1e-6 and differ.sum() == 88, "the conversion has changed"
best = np.sort(probabilities[differ], axis=1)
assert (best[:, -1] == best[:, -2]).all(), "they differ where no probabilities are tied"
_, raw = run(raw_scores=True)
assert np.array_equal(raw.argmax(axis=1), model.predict(x)), "raw scores no longer say what scikit-learn says"
PY
