#!/usr/bin/env python3
"""Makes the vocabularies and golden.json beside this file.

Run with Hugging Face's library, `pip install tokenizers`; the version used is
recorded in golden.json. A vocabulary is trained on corpus.txt for each pipeline, and the
ids of a list of difficult texts are written down, as is the class of every code point in
the library's regular expressions and in Digits.
"""

import hashlib
import json
import pathlib
import random

import make_classes
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
VOCAB = 420
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)


def split(numbers):
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + numbers +
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


PIPELINES = {
    "gpt2": BYTES,
    "llama3": split("{1,3}"),
    "smollm2": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTES]),
    "qwen2": split(""),
}

# The ways of SentencePiece vocabularies to treat spaces.
PREPEND = {"type": "Prepend", "prepend": "\u2581"}
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
UNMARK = [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def metaspace(scheme):
    return {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": False}


SPACINGS = {  # name: normalizer, pre_tokenizer, decoders
    "prepended": ({"type": "Sequence", "normalizers": [PREPEND, REPLACE]}, None, UNMARK + [STRIP]),
    "replaced": (REPLACE, None, UNMARK),
    "metaspace_first": (None, metaspace("first"), UNMARK + [STRIP]),
    "metaspace_always": (None, metaspace("always"), UNMARK + [STRIP]),
    "metaspace_never": (None, metaspace("never"), UNMARK),
}

# Added tokens with the options of Hugging Face's library. Some can overlap in the white
# space around them, some are spelled by merges.
OPTIONS = [
    {"content": "<l>", "lstrip": True}, {"content": "<r>", "rstrip": True}, {"content": "<lr>", "lstrip": True, "rstrip": True},
    {"content": "<w>", "single_word": True}, {"content": "cat", "single_word": True, "lstrip": True},
    {"content": "  "}, {"content": " <", "rstrip": True}, {"content": "\n", "lstrip": True, "rstrip": True},
    {"content": "<n>", "normalized": True}, {"content": "n m", "normalized": True, "single_word": True},
    {"content": "<nl>", "normalized": True, "lstrip": True}, {"content": "<nr>", "normalized": True, "rstrip": True},
    {"content": "\u65e5", "single_word": True}, {"content": "<s2>", "special": True, "rstrip": True},
]

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
    "\n" * 60, "1" * 40, "'" * 40, "\u78e8" * 30, "\u2581", " \u2581 the\u2581cat", "\u2581\u2581a",
    "<s>a</s>", "x</s> y <s>", " <s> </s> ", "<unk>", "<0x0A>", "<0x41>B", "\u00e9t\u00e9 \U0001f600\u0301",
    "a <l> b", "a  <r>  b", "<l><r><lr>", " \n<lr>\u00a0\u3000x", "a<w>b", "a <w> b", "<w>_", "\u0301<w>", "<w>\u20ac",
    "a cat b", "concat", "  cat  ", "<r>     x", "<r> <l>", " <r>", "a\n\n\nb", "<n>", "x<n>", " <n>", "a <n> b", "n m", "an m", "a n m",
    "<nl>", "  <nl>", " \t<nl>", "<nr>  x", " <nr>\n x", "\u65e5\u672c", "\u65e5 \u672c", "<s2>  the", "<s2> <s2>",
]
PIECES = (
    [" "] * 4
    + ["\n", "\r", "\t", "'", "s", "re", "ll", "S", "\u017f", "a", "the", "The", "ing", "cat", "1", "2", "99"]
    + [".", ",", "!", "-", "_", "\u00e9", "\u00df", "\u65e5", "\u044f", "\u0663", "\u00bd", "\u00a0", "\u3000"]
    + ["\u2581", "<s>", "</s>", "<l>", "<r>", "<lr>", "<w>", "<n>", "n m", "<nl>", "<nr>", "<s2>", "  ", " <"]
    + ["\U0001f600", "\u0301", "<|bos|>", "<|eos|>", "<|", "|>", "x", "\x00", "\U00013460", "\U00011de0"]
)


def texts():
    rng = random.Random(1)
    return WRITTEN + ["".join(rng.choices(PIECES, k=rng.randint(2, 16))) for _ in range(120)]


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


def pieces():
    """A vocabulary as SentencePiece makes them, as a tokenizer.json: unknown, BOS and EOS, the
    bytes, the tokens with markers for spaces."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(vocab_size=300, min_frequency=2, limit_alphabet=40, show_progress=False)
    t.train_from_iterator((HERE / "corpus.txt").read_text("utf-8").split("\n\n"), trainer)
    learned = json.loads(t.to_str())["model"]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    # Runs of markers and words that hold one, which no pre-tokenizer forbids.
    more = [["\u2581", "\u2581"], ["\u2581\u2581", "\u2581\u2581"], ["\u2581the", "\u2581cat"], ["e", "\u2581the"], ["s", ">"], ["</", "s>"], ["<", "/"]]
    tokens += sorted(learned["vocab"], key=learned["vocab"].get)
    merges = learned["merges"] + more
    for token in ["<", "/", ">"] + ["".join(m) for m in merges]:
        if token not in tokens:
            tokens.append(token)
    model = {
        "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
        "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
        "vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges,
    }
    specials = [
        {"id": i, "content": tokens[i], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i in range(3)
    ]
    template = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    t.post_processor = template
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": specials, "normalizer": None, "pre_tokenizer": None,
        "post_processor": json.loads(t.to_str())["post_processor"], "decoder": None, "model": model,
    }


def spaced(file, spacing):
    """The tokenizer of a vocabulary of pieces with one of SPACINGS."""
    normalizer, pre_tokenizer, decoders_ = SPACINGS[spacing]
    decoder = {"type": "Sequence", "decoders": decoders_}
    return file | {"normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "decoder": decoder}


def with_options(t):
    t.add_tokens([AddedToken(**({"normalized": False} | option)) for option in OPTIONS])
    return t


def answers(t, texts, plain=True):
    """The ids, and those where nothing is special (plain: True, or the tokenizer to ask)."""
    ids = {"specials": [t.encode(s, add_special_tokens=False).ids for s in texts]}
    if plain:
        t = t if plain is True else plain
        t.encode_special_tokens = True
        ids["plain"] = [t.encode(s, add_special_tokens=False).ids for s in texts]
        ids["decoded"] = {}
        for i, s in enumerate(texts):  # where it is not the text
            decoded = t.decode(ids["plain"][i], skip_special_tokens=False)
            if decoded != s:
                ids["decoded"][i] = decoded
        t.encode_special_tokens = False
    return ids


def classes():
    """The classes of all code points: 0 other, 1 letter, 2 number, 3 space."""
    regex, digits = bytearray(0x110000), bytearray(0x110000)
    for value, pattern in ((1, r"\p{L}"), (2, r"\p{N}"), (3, r"\s")):
        for c in make_classes.matching(pattern):
            regex[c] = digits[c] = value
    for c in make_classes.digits():
        digits[c] = 2
    return {"regex": hashlib.sha256(regex).hexdigest(), "digits": hashlib.sha256(digits).hexdigest()}


def main():
    golden = {"made_by": "tokenizers " + tokenizers.__version__, "classes": classes(), "texts": texts(), "options": OPTIONS, "ids": {}}
    ids = golden["ids"]
    for name, pre_tokenizer in PIPELINES.items():
        t = train(pre_tokenizer)
        t.save(str(HERE / (name + ".json")), pretty=False)
        ids[name] = answers(t, golden["texts"])
        if name == "gpt2":
            # Added tokens that overlap; the normalized ones are looked for last.
            t.add_tokens(
                [
                    AddedToken("  ", normalized=True), AddedToken("   ", normalized=True),
                    AddedToken("|>a", normalized=True), AddedToken("the", normalized=True),
                    AddedToken("the cat", normalized=False), AddedToken("\u65e5\u65e5", normalized=False),
                    AddedToken("\u65e5", normalized=True), AddedToken("bos|", normalized=True),
                ]
            )
            t.save(str(HERE / "added.json"), pretty=False)
            ids["added"] = answers(t, golden["texts"], plain=False)
        if name == "llama3":
            ids[name + "/options"] = answers(with_options(t), golden["texts"], plain=False)
        if name == "smollm2":
            # Without a few bytes, as the real one.
            file = json.loads(t.to_str())
            for char in ["\u0104", "\u00a8", "z"]:
                del file["model"]["vocab"][char]
            file["model"]["merges"] = [m for m in file["model"]["merges"] if "z" not in "".join(m)]
            file["model"]["vocab"] = {k: i for i, k in enumerate(k for k in file["model"]["vocab"] if "z" not in k)}
            for unknown, fuse in ((None, False), ("!", False), ("!", True)):
                file["model"] |= {"unk_token": unknown, "fuse_unk": fuse}
                suffix = "" if not unknown else "/unknown" + ("/fused" if fuse else "")
                ids["sparse" + suffix] = answers(Tokenizer.from_str(json.dumps(file)), golden["texts"], plain=unknown is None)
            file["model"] |= {"unk_token": None, "fuse_unk": False}
            (HERE / "sparse.json").write_text(Tokenizer.from_str(json.dumps(file)).to_str(), "utf-8")
    file = pieces()
    for spacing in SPACINGS:
        t = Tokenizer.from_str(json.dumps(spaced(file, spacing)))
        if spacing == "prepended":
            t.save(str(HERE / "sentencepiece.json"), pretty=False)
        # The library lets text become </s> by merges even if it is told not to look for it.
        honest = json.loads(json.dumps(spaced(file, spacing)))
        honest["model"]["merges"] = [m for m in honest["model"]["merges"] if "".join(m) != "</s>"]
        ids["sentencepiece/" + spacing] = answers(t, golden["texts"], Tokenizer.from_str(json.dumps(honest)))
        ids["sentencepiece/" + spacing + "/options"] = answers(with_options(t), golden["texts"], plain=False)
    for byte in range(0x80, 0xA0):  # characters then have all, some or none of their bytes
        del file["model"]["vocab"][f"<0x{byte:02X}>"]
    file["model"]["vocab"] = {k: i for i, k in enumerate(file["model"]["vocab"])}
    for fuse in (False, True):
        file["model"]["fuse_unk"] = fuse
        t = Tokenizer.from_str(json.dumps(spaced(file, "prepended")))
        ids["sentencepiece/sparse" + ("/fused" if fuse else "")] = answers(t, golden["texts"], plain=False)
    with open(HERE / "golden.json", "w", encoding="ascii") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
