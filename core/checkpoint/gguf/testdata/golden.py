"""Writes golden.gguf: metadata of every type and tensors of every type that is read, with
the values that the reference implementation dequantises them to as NAME.expected.

    pip install gguf==0.19.0 numpy && python golden.py
"""
import numpy as np
from gguf import GGMLQuantizationType as T, GGUFWriter, GGUFValueType as V
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize

ROWS, COLUMNS = 3, 512
HALVES = {  # where the float16 scales lie in a block
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
}

rng = np.random.default_rng(1)


def blocks(kind):
    """Random bytes are elements; scales are random float16, some of them subnormal."""
    elements, size = GGML_QUANT_SIZES[kind]
    raw = rng.integers(0, 256, (ROWS * COLUMNS // elements, size), dtype=np.uint8)
    for at in HALVES[kind]:
        scales = rng.standard_normal(len(raw)) * 10.0 ** rng.integers(-7, 3, len(raw))
        raw[:, at:at + 2] = scales.astype(np.float16).view(np.uint8).reshape(-1, 2)
    return raw.reshape(ROWS, -1)


w = GGUFWriter("golden.gguf", "golden")
w.add_uint8("a.uint8", 200)
w.add_int8("a.int8", -100)
w.add_uint16("a.uint16", 60000)
w.add_int16("a.int16", -30000)
w.add_uint32("a.uint32", 4000000000)
w.add_int32("a.int32", -2000000000)
w.add_uint64("a.uint64", 2**63 + 1)
w.add_int64("a.int64", -(2**62))
w.add_float32("a.float32", 0.1)
w.add_float64("a.float64", 0.1)
w.add_bool("a.bool", True)
w.add_string("a.string", "é\u2581")
w.add_array("a.strings", ["a", "", "bé"])
w.add_array("a.floats", [0.5, -1.25])
w.add_array("a.ints", [-1, 2, 3])

names = {}
for kind in HALVES:
    raw = blocks(kind)
    names[kind.name] = raw, kind, dequantize(raw, kind)
values = (rng.standard_normal((ROWS, COLUMNS)) * 10.0 ** rng.integers(-9, 4, (ROWS, COLUMNS))).astype(np.float32)
names["F32"] = values, T.F32, values
names["F16"] = values.astype(np.float16), T.F16, values.astype(np.float16).astype(np.float32)
bf16 = (values.view(np.uint32) >> 16).astype(np.uint16)
names["BF16"] = bf16.view(np.uint8), T.BF16, (bf16.astype(np.uint32) << 16).view(np.float32)
for name, (raw, kind, expected) in names.items():
    w.add_tensor(name, raw, raw_dtype=kind)
    w.add_tensor(name + ".expected", expected)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
