"""Writes reference figures of a Llama: what independent implementations make of its weights.

    pip install numpy torch transformers accelerate safetensors gguf llama-cpp-python
    python reference.py stories260K > stories260K/reference.json
    python reference.py SmolLM2-135M-Instruct.Q4_1.gguf > smollm2/reference.json

The figures come from a forward pass in float64, written below; transformers in float32
says how far float32 is from it. A GGUF file is dequantised by the package gguf, read into
transformers by that library's own reader, and its texts become ids by llama.cpp.
"""
import hashlib
import json
import os
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

TEXTS = [
    "In the evening the three sisters walked down to the harbour, where the boats came in with the tide.",
    "Water boils at 100 degrees Celsius at sea level, but at 93.4 degrees on a mountain 2000 metres high.",
    "def area(width, height):\n    # of a rectangle\n    return width * height\n",
    "He said: \"I don't think so\" - and left, without his hat.",
]
TOP = 3  # logits kept of each position


def from_directory(path):
    """Configuration, tensors in float64 and ids of a Hugging Face directory."""
    from safetensors.numpy import load_file
    config = json.load(open(os.path.join(path, "config.json")))
    tensors = {k: v.astype(np.float64) for k, v in load_file(os.path.join(path, "model.safetensors")).items()}
    greedy = json.load(open(os.path.join(path, "greedy.json")))
    return config, tensors, [greedy["prompt_ids"] + greedy["greedy_ids"]], [None]


def from_gguf(path):
    """The same of a GGUF file."""
    import llama_cpp
    from gguf import GGUFReader
    from gguf.quants import dequantize
    reader = GGUFReader(path)
    field = lambda name: reader.get_field("llama." + name).contents()
    config = {
        "num_hidden_layers": field("block_count"), "num_attention_heads": field("attention.head_count"),
        "num_key_value_heads": field("attention.head_count_kv"), "rope_theta": field("rope.freq_base"),
        "rms_norm_eps": field("attention.layer_norm_rms_epsilon"), "hidden_size": field("embedding_length"),
    }
    tensors = {}
    for t in reader.tensors:
        w = dequantize(t.data, t.tensor_type).reshape([int(d) for d in reversed(t.shape)]).astype(np.float64)
        for kind, heads in ("attn_q", config["num_attention_heads"]), ("attn_k", config["num_key_value_heads"]):
            if kind in t.name:  # pairs of rows were brought together
                w = w.reshape(heads, -1, 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)
        tensors[name_of(t.name)] = w
    vocabulary = llama_cpp.Llama(path, vocab_only=True, verbose=False)
    ids = [vocabulary.tokenize(text.encode(), add_bos=False, special=False) for text in TEXTS]
    return config, tensors, ids, TEXTS


def name_of(name):
    """Hugging Face's name of a tensor of a GGUF file."""
    parts = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
             "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    if name.startswith("blk."):
        _, layer, part, _ = name.split(".")
        return f"model.layers.{layer}.{parts[part]}.weight"
    return {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
            "output.weight": "lm_head.weight"}[name]


def forward(config, w, ids):
    """Logits [N, V] in float64: Touvron et al. 2023."""
    heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
    n, d = len(ids), config["hidden_size"] // heads
    norm = lambda x, g: x / np.sqrt((x * x).mean(-1, keepdims=True) + config["rms_norm_eps"]) * g
    angle = np.arange(n)[:, None] * config["rope_theta"] ** (-np.arange(0, d, 2) / d)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]

    def rope(x):
        a, b = x[..., :d // 2], x[..., d // 2:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    x = w["model.embed_tokens.weight"][ids]
    for layer in range(config["num_hidden_layers"]):
        p = lambda name: w[f"model.layers.{layer}.{name}.weight"]
        h = norm(x, p("input_layernorm"))
        q = rope((h @ p("self_attn.q_proj").T).reshape(n, heads, d))
        k = rope((h @ p("self_attn.k_proj").T).reshape(n, kv, d)).repeat(heads // kv, 1)
        v = (h @ p("self_attn.v_proj").T).reshape(n, kv, d).repeat(heads // kv, 1)
        s = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(d)
        s[:, np.triu(np.ones((n, n), bool), 1)] = -np.inf
        s = np.exp(s - s.max(-1, keepdims=True))
        s /= s.sum(-1, keepdims=True)
        x = x + np.einsum("hij,jhd->ihd", s, v).reshape(n, -1) @ p("self_attn.o_proj").T
        h = norm(x, p("post_attention_layernorm"))
        gate = h @ p("mlp.gate_proj").T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ p("mlp.up_proj").T)) @ p("mlp.down_proj").T
    return norm(x, w["model.norm.weight"]) @ w.get("lm_head.weight", w["model.embed_tokens.weight"]).T


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def transformers_of(path, config, tensors):
    """The model in float32, with weights that must be ours."""
    if path.endswith(".gguf"):
        folder, file = os.path.split(os.path.abspath(path))
        llama = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, torch_dtype=torch.float32)
        if "lm_head.weight" not in tensors:  # which that reader does not notice
            llama.lm_head.weight = llama.model.embed_tokens.weight
    else:
        llama = LlamaForCausalLM(LlamaConfig(**config))
        llama.load_state_dict({k: torch.tensor(v) for k, v in tensors.items()}, strict=False)
    for key in "rope_theta", "rms_norm_eps", "num_key_value_heads":
        if getattr(llama.config, key) != config[key]:
            raise SystemExit(f"{key}: transformers has {getattr(llama.config, key)}, not {config[key]}")
    for name, value in llama.state_dict().items():
        if name in tensors and not np.array_equal(value.numpy(), tensors[name].astype(np.float32)):
            raise SystemExit(f"{name}: transformers has other weights")
    return llama.eval()


def main(path):
    config, tensors, sequences, texts = (from_gguf if path.endswith(".gguf") else from_directory)(path)
    llama = transformers_of(path, config, tensors)
    cases, largest, apart, apart_logprob = [], 0.0, 0.0, 0.0
    for ids, text in zip(sequences, texts):
        logits = forward(config, tensors, ids)
        with torch.no_grad():
            single = llama(torch.tensor([ids])).logits[0].double().numpy()
        largest = max(largest, np.abs(logits).max())
        apart = max(apart, np.abs(single - logits).max())
        apart_logprob = max(apart_logprob, np.abs(log_softmax(single) - log_softmax(logits)).max())
        top = np.argsort(-logits, -1)[:, :TOP]
        cases.append({
            "text": text, "ids": ids,
            "logprob": [round(float(v), 9) for v in log_softmax(logits)[np.arange(len(ids) - 1), ids[1:]]],
            "top": [[int(i) for i in row] for row in top],
            "logits": [[round(float(v), 9) for v in logits[i, row]] for i, row in enumerate(top)],
        })
    weights = os.path.join(path, "model.safetensors") if os.path.isdir(path) else path
    json.dump({
        "sha256": hashlib.sha256(open(weights, "rb").read()).hexdigest(),
        "max_abs": largest, "f32_vs_f64": apart,
        # The oracle's rule: ten times what float32 costs another program, at least 1e-5 of the largest.
        "atol": max(10 * apart, 1e-5 * largest), "atol_logprob": max(10 * apart_logprob, 1e-5 * largest),
        "cases": cases,
    }, sys.stdout)
    print()


main(sys.argv[1])
