"""Loads a directory with transformers: a request on standard input, what came of it on
standard output, both JSON. transformers_test.go has the fields."""
import json
import logging
import sys
import warnings

import torch
import transformers

messages = []


class Keep(logging.Handler):
    def emit(self, record):
        messages.append(record.getMessage())


transformers.logging.set_verbosity_warning()
transformers.logging.disable_default_handler()
transformers.logging.add_handler(Keep())
warnings.showwarning = lambda message, *rest: messages.append(str(message))

request = json.load(sys.stdin)
model = transformers.AutoModelForCausalLM.from_pretrained(request["dir"], torch_dtype=torch.float32).eval()
with torch.no_grad():
    logits = model(torch.tensor([request["ids"]])).logits[0]
try:
    ids = transformers.AutoTokenizer.from_pretrained(request["dir"])(request["text"])["input_ids"]
except (OSError, TypeError, ValueError):  # there is none
    ids = []
json.dump({
    "class": type(model).__name__, "unexpected": messages, "parameters": [n for n, _ in model.named_parameters()],
    "logits": logits.double().tolist(), "ids": ids,
}, sys.stdout)
