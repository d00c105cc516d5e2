#!/usr/bin/env python3
"""Writes data/resize_maps.zip: which elements onnxruntime's nearest Resize takes, for all sizes from 1 to 64.

usage: resize_maps.py                       (needs: pip install onnx onnxruntime numpy; takes two minutes)
       resize_maps.py --print N M           shows what is recorded for N elements resized to M

A case is an axis of N elements resized to M, given by sizes or by a scale of (M + 0.25) / N, in each coordinate
transformation and nearest mode; the last case is opset 10, which has no modes. A second axis shrinks from two equal
rows to one, since onnxruntime copies values whose shape stays. Recorded with onnxruntime 1.32 (1.19 has no tolerance
at ties). compiler/tests/resize.rs runs all of them.

`which` holds, for each pair (N, M) in order, the number of the map that each case takes, then the length of each map;
`maps` holds the maps, each element less the one that `o * N // length` gives, modulo 256.
"""
import pathlib
import sys
import zipfile

import numpy as np

MODES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
MODES += ["tf_half_pixel_for_nn"]
NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
CASES = [(by, mode, nearest) for by in ("sizes", "scales") for mode in MODES for nearest in NEAREST]
CASES += [("scales", None, None)]
LARGEST = 64
FILE = pathlib.Path(__file__).parent / "data/resize_maps.zip"


def session(by, mode, nearest):
    import onnxruntime
    from onnx import TensorProto, helper

    opset = 10 if mode is None else 11 if mode == "tf_half_pixel_for_nn" else 19
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["a", "b"])
    given = helper.make_tensor_value_info("given", TensorProto.INT64 if by == "sizes" else TensorProto.FLOAT, [2])
    before = [] if opset == 10 else ["none"] if by == "scales" else ["none", "none"]
    inputs = ["x", *before, "given"]
    modes = {} if mode is None else {"coordinate_transformation_mode": mode, "nearest_mode": nearest}
    node = helper.make_node("Resize", inputs, ["y"], mode="nearest", **modes)
    none = helper.make_tensor("none", TensorProto.FLOAT, [0], [])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "resize", [x, given], [y], [none])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnxruntime.set_default_logger_severity(4)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def record():
    sessions = [session(*case) for case in CASES]
    which, maps = bytearray(), bytearray()
    for n in range(1, LARGEST + 1):
        x = np.stack([np.arange(n, dtype=np.float32)] * 2)
        for m in range(1, LARGEST + 1):
            scale = np.array([0.5, np.float32((m + 0.25) / n)], np.float32)
            found = []
            for (by, _, _), run in zip(CASES, sessions):
                given = np.array([1, m], np.int64) if by == "sizes" else scale
                y = tuple(run.run(None, {"x": x, "given": given})[0][0].astype(int))
                found.append(y)
            distinct = list(dict.fromkeys(found))
            which += bytes(distinct.index(y) for y in found) + bytes(len(y) for y in distinct)
            maps += bytes((i - o * n // len(y)) % 256 for y in distinct for o, i in enumerate(y))
    with zipfile.ZipFile(FILE, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in (("which", which), ("maps", maps)):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), bytes(content), zipfile.ZIP_DEFLATED, 9)
    print(f"{FILE.stat().st_size} bytes")


def show(wanted_n, wanted_m):
    archive = zipfile.ZipFile(FILE)
    which, maps = iter(archive.read("which")), iter(archive.read("maps"))
    for n in range(1, LARGEST + 1):
        for m in range(1, LARGEST + 1):
            taken = [next(which) for _ in CASES]
            lengths = [next(which) for _ in range(max(taken) + 1)]
            lists = [[(next(maps) + o * n // length) % 256 for o in range(length)] for length in lengths]
            if (n, m) == (wanted_n, wanted_m):
                for case, k in zip(CASES, taken):
                    print(*(word or "opset 10" for word in case), *lists[k])


if sys.argv[1:2] == ["--print"]:
    show(int(sys.argv[2]), int(sys.argv[3]))
else:
    record()
