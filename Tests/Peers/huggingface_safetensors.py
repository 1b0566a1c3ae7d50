"""What Hugging Face's safetensors reads from files, and files that it writes.

  python3 huggingface_safetensors.py read FILE       a line for each tensor: name, type, shape, values as floats
  python3 huggingface_safetensors.py write FILE      one small tensor of each type, with metadata
  python3 huggingface_safetensors.py shards FOLDER   three tensors over several files with an index

Needs: pip install safetensors torch huggingface_hub.
"""
import json
import sys

import torch
from huggingface_hub import save_torch_state_dict
from safetensors import safe_open
from safetensors.torch import save_file

TYPES = {"f64": torch.float64, "i64": torch.int64, "f32": torch.float32, "i32": torch.int32, "f16": torch.float16,
         "bf16": torch.bfloat16, "u8": torch.uint8, "bool": torch.bool}


def read(path):
    with safe_open(path, framework="pt") as file:
        print(json.dumps(file.metadata(), sort_keys=True))
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            print(name, tensor.dtype, list(tensor.shape), tensor.to(torch.float64).flatten().tolist())


def write(path):
    tensors = {name: torch.tensor([[0, 1, 0], [1, 1, 0]]).to(kind) for name, kind in TYPES.items()}
    # Values whose conversion shows: subnormal, largest, infinite.
    tensors["half"] = torch.tensor([6e-8, -65504.0, 0.333, float("inf")], dtype=torch.float16)
    tensors["brain"] = torch.tensor([1e-40, -3.3e38, 0.333, float("inf")], dtype=torch.bfloat16)
    tensors["empty"] = torch.zeros(0, 4)
    tensors["scalar"] = torch.tensor(2.5)
    save_file(tensors, path, metadata={"format": "pt"})


def shards(folder):
    tensors = {f"layer.{i}": torch.full((100,), float(i)) for i in range(3)}
    save_torch_state_dict(tensors, folder, max_shard_size=500)


if __name__ == "__main__" and len(sys.argv) > 1:
    {"read": read, "write": write, "shards": shards}[sys.argv[1]](*sys.argv[2:])
