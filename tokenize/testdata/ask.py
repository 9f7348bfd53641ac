#!/usr/bin/env python3
"""Encodes and decodes texts with Hugging Face's library, for differential_test.go.

ask.py TOKENIZER.json reads texts, one JSON string a line, and writes one JSON object a
line: ids with added tokens recognised, ids without special tokens, and what those are
decoded to.
"""

import json
import sys

import tokenizers


def main():
    t = tokenizers.Tokenizer.from_file(sys.argv[1])
    texts = [json.loads(line) for line in sys.stdin]
    specials = [e.ids for e in t.encode_batch(texts, add_special_tokens=False)]
    t.encode_special_tokens = True
    plain = [e.ids for e in t.encode_batch(texts, add_special_tokens=False)]
    decoded = t.decode_batch(plain, skip_special_tokens=False)
    for row in zip(specials, plain, decoded):
        print(json.dumps(dict(zip(("specials", "plain", "decoded"), row))))


if __name__ == "__main__":
    main()
