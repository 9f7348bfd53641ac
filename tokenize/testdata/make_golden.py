#!/usr/bin/env python3
"""Makes gpt2.json, llama3.json, smollm2.json and golden.json beside this file.

Run with Hugging Face's library, `pip install tokenizers`; the version used is
recorded in golden.json. Three vocabularies are trained on corpus.txt, one for each
pipeline, and the ids of a list of difficult texts are written down, as is the class
of every code point in the library's regular expressions and in Digits.
"""

import hashlib
import json
import pathlib
import random

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
VOCAB = 420
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
PIPELINES = {
    "gpt2": BYTES,
    "llama3": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    ),
    "smollm2": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTES]),
}

WRITTEN = [
    "", " ", "  ", "\n", "\r\n", "\t", "a", " a", "a ", "  a", "a  b", "a   b\n\n c",
    "'s", "'S", "'\u017f", "x'\u017f y", "'Tx", "''s", " 's", "'", "l'l 'l 'r 'v 'Re",
    "don't DON'T we'll WE'LL 'RE 'vE 'd 'M", "1", "12", "1234567", " 1 23 ", "a1b22c333",
    "\u0661\u0662\u0663\u0664", "\u2167\u00bd\u00b2", "\u0085\u00a0\u2003\u3000x", "\u200b", "\ufeffx",
    "\U0001f600\U0001f44d\U0001f3fd", "e\u0301", "\u65e5\u672c\u8a9e\u3002\u6f22\u5b57", "\ud55c\uad6d\uc5b4",
    "<|bos|>", "x<|bos|>y <|eos|> <|eos|", "<|bos|><|bos|>", "<<|eos|>>", "\x00\x01\x7f", "...", "!!!\n\n",
    " !!!\r\n\r\nx", "a\r\nb", " \n \n x", "\n\n\n   x", "   \n", "   \n   ",
    "\t\tif (x) {\n\t\t\treturn;\n\t}\n", "http://x.y/z?a=1&b=2", "\u2028\u2029", "a\u2028b", "\u1680x",
    "the miller counted the mice", " said the cat,\" said the heron", "\U00013460\U0001143a",
    "\U00011de0\U00016ff4x1", "\u0120the", "\ufffd a", "\U0010ffff", "x" * 60, " " * 60, "the" * 30,
    "\n" * 60, "1" * 40, "'" * 40, "\u78e8" * 30,
]
PIECES = (
    [" "] * 4
    + ["\n", "\r", "\t", "'", "s", "re", "ll", "S", "\u017f", "a", "the", "The", "ing", "cat", "1", "2", "99"]
    + [".", ",", "!", "-", "_", "\u00e9", "\u00df", "\u65e5", "\u044f", "\u0663", "\u00bd", "\u00a0", "\u3000"]
    + ["\U0001f600", "\u0301", "<|bos|>", "<|eos|>", "<|", "|>", "x", "\x00", "\U00013460", "\U00011de0"]
)


def texts():
    rng = random.Random(1)
    return WRITTEN + ["".join(rng.choices(PIECES, k=rng.randint(2, 24))) for _ in range(200)]


def train(pre_tokenizer):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizer
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        min_frequency=2,
        special_tokens=["<|bos|>", "<|eos|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    t.train_from_iterator((HERE / "corpus.txt").read_text("utf-8").split("\n\n"), trainer)
    t.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A", pair="<|bos|> $A <|bos|>:1 $B:1", special_tokens=[("<|bos|>", 0)]
    )
    return t


def classes():
    """The classes of all code points: 0 other, 1 letter, 2 number, 3 space."""
    points = [chr(c) if not 0xD800 <= c < 0xE000 else "-" for c in range(0x110000)]
    regex = bytearray(len(points))
    digits = bytearray(len(points))
    for value, pattern in ((1, r"\p{L}"), (2, r"\p{N}"), (3, r"\s")):
        matcher = pre_tokenizers.Split(Regex(pattern), "removed")
        for c, char in enumerate(points):
            if not matcher.pre_tokenize_str(char):
                regex[c] = digits[c] = value
    matcher = pre_tokenizers.Digits(individual_digits=True)
    for c, char in enumerate(points):
        if len(matcher.pre_tokenize_str("a" + char)) == 2:
            digits[c] = 2
    return {"regex": hashlib.sha256(regex).hexdigest(), "digits": hashlib.sha256(digits).hexdigest()}


def main():
    golden = {"made_by": "tokenizers " + tokenizers.__version__, "classes": classes(), "texts": texts()}
    for name, pre_tokenizer in PIPELINES.items():
        t = train(pre_tokenizer)
        t.save(str(HERE / (name + ".json")), pretty=False)
        ids = {"specials": [t.encode(s, add_special_tokens=False).ids for s in golden["texts"]]}
        t.encode_special_tokens = True
        ids["plain"] = [t.encode(s, add_special_tokens=False).ids for s in golden["texts"]]
        golden[name] = ids
        if name == "gpt2":
            # Added tokens that overlap; the normalized ones are looked for last.
            t.encode_special_tokens = False
            t.add_tokens(
                [
                    AddedToken("  ", normalized=True), AddedToken("   ", normalized=True),
                    AddedToken("|>a", normalized=True), AddedToken("the", normalized=True),
                    AddedToken("the cat", normalized=False), AddedToken("\u65e5\u65e5", normalized=False),
                    AddedToken("\u65e5", normalized=True), AddedToken("bos|", normalized=True),
                ]
            )
            t.save(str(HERE / "added.json"), pretty=False)
            golden["added"] = {"specials": [t.encode(s, add_special_tokens=False).ids for s in golden["texts"]]}
    with open(HERE / "golden.json", "w", encoding="ascii") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
