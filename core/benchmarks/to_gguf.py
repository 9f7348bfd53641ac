"""Writes the weights for decoding as GGUF, which llama.cpp reads. compare.py runs it."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType
from gguf.quants import quantize
from safetensors import safe_open

import weights
from shapes import NORM_EPS, SMOLLM2, Network

KINDS = ("BF16", "Q8_0")
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scratch", type=Path, required=True, help="folder for weights")
    args = parser.parse_args()
    folder = weights.folder(SMOLLM2, args.scratch)
    for kind in KINDS:
        path = folder / f"{kind}.gguf"
        if not path.exists():
            partial = path.with_suffix(".partial")
            _write(SMOLLM2, folder, partial, kind)
            os.replace(partial, path)


def _write(network: Network, folder: Path, path: Path, kind: str) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_file_type(LlamaFileType[f"MOSTLY_{kind}"])
    writer.add_vocab_size(network.vocab)
    writer.add_tokenizer_model("none")
    writer.add_context_length(network.positions)
    writer.add_embedding_length(network.hidden)
    writer.add_feed_forward_length(network.ffn)
    writer.add_block_count(network.layers)
    writer.add_head_count(network.heads)
    writer.add_head_count_kv(network.kv_heads)
    writer.add_rope_dimension_count(network.head_dim)
    writer.add_rope_freq_base(network.rope_theta)
    writer.add_layer_norm_rms_eps(NORM_EPS)
    with safe_open(folder / "model.safetensors", framework="pt") as tensors:
        for name in tensors.keys():
            if not name.endswith(".query_embed"):  # left to right has no query stream
                _add(writer, network, name, tensors.get_tensor(name).float().numpy(), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add(writer: GGUFWriter, network: Network, name: str, values: np.ndarray, kind: str) -> None:
    stem = name.removesuffix(".weight")
    block = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", stem)
    if block and block[2] == "self_attn.q_proj":
        values = _interleave(values, network.heads)
    elif block and block[2] == "self_attn.k_proj":
        values = _interleave(values, network.kv_heads)
    target = f"blk.{block[1]}.{NAMES[block[2]]}" if block else NAMES[stem]
    storage = GGMLQuantizationType[kind] if values.ndim > 1 else GGMLQuantizationType.F32
    writer.add_tensor(f"{target}.weight", quantize(values, storage), raw_dtype=storage)


def _interleave(rows: np.ndarray, heads: int) -> np.ndarray:
    """Orders a head's rows as llama.cpp rotates them, by neighbours instead of by halves."""
    return rows.reshape(heads, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


if __name__ == "__main__":
    main()
