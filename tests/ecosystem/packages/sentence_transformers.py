"""sentence-transformers: encoders of sentences, loaded from a folder with a small BERT of no training."""

from __future__ import annotations

from functools import cache
from tempfile import TemporaryDirectory

import torch
import transformers as hf
from ecosystem.case import Case
from sentence_transformers import CrossEncoder, SentenceTransformer, SparseEncoder
from sentence_transformers.sentence_transformer.modules import CNN, LSTM, Dense, Normalize, Pooling, Transformer
from sentence_transformers.sparse_encoder.modules import SpladePooling
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

CONFIG = hf.BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
                       num_labels=1)  # fmt: skip
TOKENS = {name: torch.ones(2, 12, dtype=torch.int64) for name in ("input_ids", "attention_mask")}
FEATURES = (TOKENS,)


@cache
def folder(architecture: type[hf.BertPreTrainedModel]) -> TemporaryDirectory[str]:
    """A folder with a model of random weights and a tokenizer of few words."""
    kept = TemporaryDirectory(prefix="bert-")
    architecture(CONFIG).save_pretrained(kept.name)
    words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"])}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(kept.name)  # fmt: skip
    return kept


BERT = folder(hf.BertModel).name
CLASSIFIER = folder(hf.BertForSequenceClassification).name
MASKED = folder(hf.BertForMaskedLM).name


def sentences(*after: torch.nn.Module) -> torch.nn.Module:
    return SentenceTransformer(modules=[Transformer(BERT), *after], device="cpu")


CASES = [
    Case("mean pooling", lambda: sentences(Pooling(32), Normalize()), FEATURES),
    Case("pooling and Dense", lambda: sentences(Pooling(32, "cls"), Dense(32, 16)), FEATURES),
    Case("LSTM", lambda: sentences(LSTM(32, 16), Pooling(32)),
         ({**TOKENS, "sentence_lengths": torch.tensor([12, 7])},)),
    Case("CNN", lambda: sentences(CNN(32, 16), Pooling(48, "max")), FEATURES),
    Case("CrossEncoder", lambda: CrossEncoder(CLASSIFIER, device="cpu").model, TOKENS),
    Case("SparseEncoder", lambda: SparseEncoder(
        modules=[Transformer(MASKED, transformer_task="fill-mask"), SpladePooling()], device="cpu"),
         FEATURES),
]  # fmt: skip
