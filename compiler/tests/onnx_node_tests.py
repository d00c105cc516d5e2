#!/usr/bin/env python3
"""Writes data/onnx_node_tests.zip: ONNX's own node tests for the operators that picc imports.

usage: onnx_node_tests.py            (needs: pip install onnx numpy; takes half a minute)

The cases are those of the `onnx` wheel (Apache-2.0, Copyright (c) ONNX Project Contributors), unchanged, in the
layout that ONNX itself used to ship: NAME/model.onnx, NAME/input_I.pb, NAME/output_I.pb. Left out: operators
without a row in src/onnx/table.rs or src/onnx/evaluate/mod.rs, expanded functions, element types that picc does not read, sequences and
optionals, and cases of more than 40 kB. compiler/tests/onnx_nodes.rs runs them all.
"""
import pathlib
import re
import warnings
import zipfile

warnings.filterwarnings("ignore")
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import load_node_model_tests

here = pathlib.Path(__file__).parent
table = (here / "../src/onnx/table.rs").read_text()
evaluated = (here / "../src/onnx/evaluate/mod.rs").read_text()
operators = set(re.findall(r'^    \("(\w+)", +\d+, +(?:NOW|\d+), ', table, re.M)) | {"If"}
operators |= set(re.findall(r'^    \("(\w+)", ', evaluated, re.M))
readable = {
    TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.BOOL,
    TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16, TensorProto.UINT32,
    TensorProto.INT32, TensorProto.UINT64, TensorProto.INT64, TensorProto.UINT4, TensorProto.INT4,
}


def tensors(values, infos):
    """The values as protobuf tensors, or None if one of them cannot be read."""
    found = []
    for value, info in zip(values, infos):
        if not info.type.HasField("tensor_type") or info.type.tensor_type.elem_type not in readable:
            return None
        array = numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)
        tensor = numpy_helper.from_array(array)  # raw bytes, whatever form the case has
        tensor.name = info.name
        if tensor.data_type not in readable:
            return None
        found.append(tensor.SerializeToString())
    return found


cases = []
for case in load_node_model_tests():
    graph = case.model.graph
    if "_expanded" in case.name or not {n.op_type for n in graph.node} <= operators:
        continue
    inputs, outputs = case.data_sets[0]
    if len(inputs) != len(graph.input):
        continue
    inputs, outputs = tensors(inputs, graph.input), tensors(outputs, graph.output)
    if inputs is None or outputs is None:
        continue
    model = case.model.SerializeToString()
    if len(model) + sum(map(len, inputs + outputs)) > 40_000:
        continue
    cases.append((case.name, model, inputs, outputs))

path = here / "data/onnx_node_tests.zip"
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    for name, model, inputs, outputs in sorted(cases):
        files = [("model.onnx", model)]
        files += [(f"input_{i}.pb", t) for i, t in enumerate(inputs)]
        files += [(f"output_{i}.pb", t) for i, t in enumerate(outputs)]
        for file, content in files:
            # A fixed date: the same cases give the same bytes.
            archive.writestr(zipfile.ZipInfo(f"{name}/{file}"), content, zipfile.ZIP_DEFLATED)
print(f"{len(cases)} cases, {path.stat().st_size} bytes, onnx {onnx.__version__}")
