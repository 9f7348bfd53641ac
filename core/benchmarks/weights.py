"""Random weights in Hugging Face's format, which every engine here reads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from shapes import SPECIAL, Network


def folder(network: Network, scratch: Path) -> Path:
    """Returns the model directory of a network in scratch, and makes it if it is not there.

    The weights depend on the network alone: the seed is fixed.
    """
    path = scratch / network.name
    if (path / "model.safetensors").exists():
        return path
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(network.config(), indent=2))
    (path / "tokenizer.json").write_text(json.dumps(_tokenizer(network.vocab)))
    partial = path / "model.safetensors.partial"
    save_file(_tensors(network), partial, metadata={"format": "pt"})
    os.replace(partial, path / "model.safetensors")  # last: the folder is whole if it is there
    return path


def _tensors(n: Network) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int, deviation: float = 0.02) -> torch.Tensor:
        return torch.randn(shape, generator=generator).mul_(deviation).bfloat16()

    q, kv = n.heads * n.head_dim, n.kv_heads * n.head_dim
    tensors = {
        "model.embed_tokens.weight": normal(n.vocab, n.hidden),
        "model.query_embed": normal(1, 1, n.hidden, deviation=1.0),
        "model.norm.weight": torch.ones(n.hidden, dtype=torch.bfloat16),
    }
    if not n.tied:
        tensors["lm_head.weight"] = normal(n.vocab, n.hidden)
    for i in range(n.layers):
        layer = {
            "self_attn.q_proj": normal(q, n.hidden),
            "self_attn.k_proj": normal(kv, n.hidden),
            "self_attn.v_proj": normal(kv, n.hidden),
            "self_attn.o_proj": normal(n.hidden, q),
            "mlp.gate_proj": normal(n.ffn, n.hidden),
            "mlp.up_proj": normal(n.ffn, n.hidden),
            "mlp.down_proj": normal(n.hidden, n.ffn),
            "input_layernorm": torch.ones(n.hidden, dtype=torch.bfloat16),
            "post_attention_layernorm": torch.ones(n.hidden, dtype=torch.bfloat16),
        }
        tensors |= {f"model.layers.{i}.{name}.weight": t for name, t in layer.items()}
    return tensors


def _tokenizer(vocab: int) -> dict[str, object]:
    """Returns byte-level BPE of all bytes and of as many pairs of them as there is room for."""
    alphabet = list(_alphabet())
    pairs = [(a, b) for a in alphabet for b in alphabet][: vocab - len(alphabet) - SPECIAL]
    tokens = alphabet + [a + b for a, b in pairs]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": len(tokens) + i,
                "content": content,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for i, content in enumerate(("<|bos|>", "<|eos|>", "<|pad|>"))
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": [list(pair) for pair in pairs],
        },
    }


def _alphabet() -> Iterator[str]:
    """Yields byte-level BPE's character of each byte: itself if it prints, else one from 256 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    shifted = 0x100
    for byte in range(256):
        if byte in printable:
            yield chr(byte)
        else:
            yield chr(shifted)
            shifted += 1
