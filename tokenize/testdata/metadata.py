#!/usr/bin/env python3
"""Writes what a GGUF file says about its tokenizer as JSON, for conformance_test.go.

metadata.py FILE.gguf needs `pip install gguf`. The fields are those of tokenize.GGUF.
"""

import json
import sys

import gguf

FIELDS = {
    "Model": "model",
    "Pre": "pre",
    "Tokens": "tokens",
    "Scores": "scores",
    "Types": "token_type",
    "Merges": "merges",
    "BOS": "bos_token_id",
    "EOS": "eos_token_id",
    "Unknown": "unknown_token_id",
    "AddBOS": "add_bos_token",
    "AddEOS": "add_eos_token",
    "AddSpacePrefix": "add_space_prefix",
}


def main():
    fields = gguf.GGUFReader(sys.argv[1]).fields
    found = {name: fields.get("tokenizer.ggml." + key) for name, key in FIELDS.items()}
    json.dump({name: f.contents() for name, f in found.items() if f is not None}, sys.stdout)


if __name__ == "__main__":
    main()
