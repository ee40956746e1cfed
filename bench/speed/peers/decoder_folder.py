"""A GGUF as the folder that transformers and vLLM read: bfloat16 safetensors, config, tokenizer.

    python decoder_folder.py MODEL.gguf OUT

transformers reads the GGUF itself, which takes a minute or two; the folder appears whole or not at all.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(source: Path, out: Path) -> None:
    where = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.bfloat16)
    # What it was read from counts as a quantiser that cannot be saved; its values are plain numbers by now.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    part = out.with_name(f"{out.name}.part")
    model.save_pretrained(part)
    AutoTokenizer.from_pretrained(**where).save_pretrained(part)
    part.rename(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
