"""The work: shapes of products, networks, documents. `a3 bench --suite peers` has the same."""

from __future__ import annotations

from dataclasses import dataclass

# M, N, K of C [M, N] = A [M, K] B [K, N]: the products of a network of hidden 576, a large
# square one, and decoding's, a row and a vocabulary.
PRODUCTS = (
    (512, 576, 576),
    (512, 1536, 576),
    (512, 576, 1536),
    (2048, 2048, 2048),
    (1, 1536, 576),
    (16, 49152, 576),
)


NORM_EPS = 1e-5
SPECIAL = 3  # tokens at the end of a vocabulary: BOS, EOS, pad


@dataclass(frozen=True)
class Network:
    """A Llama."""

    name: str
    vocab: int
    hidden: int
    ffn: int
    layers: int
    heads: int
    kv_heads: int
    positions: int
    rope_theta: float
    tied: bool
    residual: str  # "official" is the published code's

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads

    def config(self) -> dict[str, object]:
        """Returns Hugging Face's config.json."""
        return {
            "a3": {"format": 1, "residual": self.residual, "given": "group"},
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocab,
            "hidden_size": self.hidden,
            "intermediate_size": self.ffn,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "max_position_embeddings": self.positions,
            "rope_theta": self.rope_theta,
            "rms_norm_eps": NORM_EPS,
            "hidden_act": "silu",
            "tie_word_embeddings": self.tied,
            "bos_token_id": self.vocab - 3,
            "eos_token_id": self.vocab - 2,
            "pad_token_id": self.vocab - 1,
        }


REFERENCE = Network("reference", 4096, 256, 704, 8, 8, 4, 256, 1e4, tied=False, residual="official")
SMOLLM2 = Network("smollm2", 49152, 576, 1536, 30, 9, 3, 8192, 1e5, tied=True, residual="llama")
NETWORKS = {n.name: n for n in (REFERENCE, SMOLLM2)}


@dataclass(frozen=True)
class Training:
    """An optimizer step: `batch` documents in groups of four, permuted."""

    network: Network
    sequence: int
    batch: int
    micro_batch: int  # documents at a time, as memory allows


TRAININGS = {t.network.name: t for t in (Training(REFERENCE, 256, 8, 8), Training(SMOLLM2, 512, 8, 2))}

# Infilling: documents of so many positions, of which some are given, spread evenly; the
# others are filled in groups.
DOCUMENTS, POSITIONS, GIVEN, GROUP = 64, 256, 64, 4

# Left to right: tokens given, tokens generated, documents at a time.
PROMPT, GENERATED, BATCHES = 16, 48, (1, 16, 64)
