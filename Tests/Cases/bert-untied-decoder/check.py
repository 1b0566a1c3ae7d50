"""A decoder of its own stays one, with equal logits; models that compute something else than an encoder are refused."""
import json
import os
import pathlib
import shutil
import subprocess

import torch
from transformers import AutoModelForMaskedLM

PIPELINE = os.environ["PIPELINE"]
ORIGINAL = json.loads(pathlib.Path("m/config.json").read_text())


def run(**changes):
    shutil.rmtree(".pipeline", ignore_errors=True)
    pathlib.Path("m/config.json").write_text(json.dumps({**ORIGINAL, **changes}))
    done = subprocess.run([PIPELINE, "run", "doc.json"], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def converted():
    done = subprocess.run([PIPELINE, "artifact", "doc.json", "c.model"], capture_output=True, text=True)
    return done.stdout.strip()


@torch.no_grad()
def logits(folder):
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    return model(torch.tensor([[2, 5, 6, 7, 3], [2, 20, 3, 0, 0]])).logits


code, output = run()
assert code == 0, output
difference = float((logits("m") - logits(converted())).abs().max())
assert difference < 1e-5, f"the logits differ by {difference}"
code, output = run(tie_word_embeddings=True)
assert code == 0, output
tied = float((logits("m") - logits(converted())).abs().max())
assert tied < 1e-5, f"tied, the logits differ by {tied}"
others = {
    "is_decoder": True, "add_cross_attention": True, "is_encoder_decoder": True, "pruned_heads": {"0": [1]},
    "quantization_config": {"bits": 8}, "position_embedding_type": "relative_key", "hidden_act": "gelu_new",
    "auto_map": {"AutoModel": "other.Model"}, "model_type": "electra",
}
for key, value in others.items():
    code, output = run(**{key: value})
    assert code == 1 and key in output and "config.json" in output, f"{key}: exit {code}: {output[-300:]}"
print(f"logits differ by {difference:.0e}; {len(others)} other models are refused")
