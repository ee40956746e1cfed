"""The peer of lora_speed.py, run in its own environment: TRL's SFTTrainer with PEFT on the rows of standard input."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import trl
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Clock(TrainerCallback):
    def __init__(self) -> None:
        self.seconds = self.started = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.started = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.seconds += time.perf_counter() - self.started


def main() -> None:
    job = json.load(sys.stdin)
    torch.manual_seed(0)
    folder = Path(job["folder"])
    dtype = torch.bfloat16 if job["half"] else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=job["file"], dtype=dtype)
    # Read from a GGUF the weights are plain tensors, but still marked as quantised, which the trainer refuses.
    model.is_quantized, model.hf_quantizer = False, None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=job["file"])
    rows = [
        {
            "input_ids": row["prompt"] + row["answer"],
            "completion_mask": [0] * len(row["prompt"]) + [1] * len(row["answer"]),
        }
        for row in job["rows"]
    ]
    longest = max(len(row["input_ids"]) for row in rows)
    tokens = sum(len(row["input_ids"]) for row in rows)
    rows_a_step, packed = job["rows_a_step"], {}
    if job["packing"]:
        # A packed row is as long as a step's tokens would be, so that steps hold the same number of tokens.
        packed = {"packing": True, "max_length": max(longest, round(tokens / len(rows) * rows_a_step))}
        rows_a_step = 1
    with tempfile.TemporaryDirectory() as out:
        settings = SFTConfig(
            output_dir=out,
            per_device_train_batch_size=rows_a_step,
            num_train_epochs=1,
            learning_rate=job["learning_rate"],
            bf16=job["half"],
            use_cpu=not torch.cuda.is_available(),
            gradient_checkpointing=False,
            completion_only_loss=True,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            **packed,
        )
        lora = LoraConfig(r=job["rank"], lora_alpha=job["alpha"], target_modules=LAYERS, lora_dropout=0.0)
        clock = Clock()
        trainer = SFTTrainer(
            model,
            args=settings,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=lora,
            callbacks=[clock],
        )
        trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    print(json.dumps({"tokens_per_s": tokens / clock.seconds, "losses": losses, "trl": trl.__version__}))


if __name__ == "__main__":
    main()
