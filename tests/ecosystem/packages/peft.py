"""peft: adapters on models of transformers."""

from __future__ import annotations

from collections.abc import Callable

import peft
import torch
import transformers as hf
from ecosystem.case import Case, ids

WIDE = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


def llama() -> torch.nn.Module:
    return hf.LlamaForCausalLM(hf.LlamaConfig(**WIDE, num_key_value_heads=2, use_cache=False))


def gpt2() -> torch.nn.Module:
    return hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=32))


def adapted(config: Callable[[], peft.PeftConfig], base: Callable[[], torch.nn.Module] = llama) -> Callable[[], object]:
    return lambda: peft.get_peft_model(base(), config())


TOKENS = {"input_ids": ids()}
QV = ["q_proj", "v_proj"]

CASES = [
    Case("LoRA on Llama", adapted(lambda: peft.LoraConfig(r=4, target_modules=QV)), TOKENS),
    Case("LoRA on GPT-2", adapted(lambda: peft.LoraConfig(r=4, target_modules=["c_attn"], fan_in_fan_out=True), gpt2),
         TOKENS),
    Case("DoRA on Llama", adapted(lambda: peft.LoraConfig(r=4, target_modules=QV, use_dora=True)), TOKENS),
    Case("IA3 on Llama", adapted(lambda: peft.IA3Config(
        target_modules=[*QV, "down_proj"], feedforward_modules=["down_proj"])), TOKENS),
    Case("LoHa on Llama", adapted(lambda: peft.LoHaConfig(r=4, target_modules=QV)), TOKENS),
    Case("OFT on Llama", adapted(lambda: peft.OFTConfig(r=4, oft_block_size=0, target_modules=QV)), TOKENS),
    Case("VeRA on Llama", adapted(lambda: peft.VeraConfig(r=4, target_modules=["q_proj"])), TOKENS),
    Case("prefix tuning on GPT-2", adapted(lambda: peft.PrefixTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=4), gpt2), TOKENS),
    Case("prompt tuning on Llama", adapted(lambda: peft.PromptTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=4)), TOKENS),
]  # fmt: skip
