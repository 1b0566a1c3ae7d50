"""The loss curve of plain PyTorch on a training's own batches, beside the curve of the trainer.

usage: curves.py libpipelinetorch.so RECORDING metrics.jsonl [--out curves.csv]

RECORDING is what `pipeline worker batches JOB --output RECORDING` wrote: the weights at the start, and every step's rate
and masked batch. Dropout draws other numbers here, so the curves agree as two seeds do, not bit for bit.
"""
import argparse
import glob
import json
import os

import torch
from safetensors.torch import load_file

import mosaicbert as peer


def load_weights(model, weights):
    def put(parameter, name):
        with torch.no_grad():
            parameter.copy_(weights[name])

    put(model.word.weight, "bert.embeddings.word_embeddings.weight")
    put(model.token_type.weight, "bert.embeddings.token_type_embeddings.weight")
    for module, name in ((model.norm, "bert.embeddings.LayerNorm"), (model.transform, "cls.predictions.transform.dense"),
                         (model.head_norm, "cls.predictions.transform.LayerNorm")):
        put(module.weight, f"{name}.weight"), put(module.bias, f"{name}.bias")
    put(model.decoder_bias, "cls.predictions.decoder.bias")
    for number, layer in enumerate(model.layers):
        prefix = f"bert.encoder.layer.{number}"
        for module, name in ((layer.qkv, "attention.self.Wqkv"), (layer.dense, "attention.output.dense"),
                             (layer.norm1, "attention.output.LayerNorm"), (layer.wo, "mlp.wo"),
                             (layer.norm2, "mlp.layernorm")):
            put(module.weight, f"{prefix}.{name}.weight"), put(module.bias, f"{prefix}.{name}.bias")
        put(layer.gated.weight, f"{prefix}.mlp.gated_layers.weight")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine")
    parser.add_argument("recording")
    parser.add_argument("metrics")
    parser.add_argument("--out")
    options = parser.parse_args()
    ours = {}
    for line in open(options.metrics):
        record = json.loads(line)
        ours[record["step"]] = record["loss/train/total"]
    weights = load_file(os.path.join(options.recording, "weights.safetensors"))
    peer.VOCABULARY = weights["cls.predictions.decoder.bias"].numel()
    model = peer.Model().to(peer.device).train()
    load_weights(model, weights)
    step = peer.PlainStep(model, False, 0.0)
    for group in step.optimizer.param_groups:
        group["eps"] = 1e-6
    rows, differences = ["step,pytorch,pipeline"], []
    for number in range(1, len(glob.glob(os.path.join(options.recording, "step-*.safetensors"))) + 1):
        batch = load_file(os.path.join(options.recording, f"step-{number}.safetensors"))
        for group in step.optimizer.param_groups:
            group["lr"] = float(batch["rate"][0])
        ids = batch["ids"].long().to(peer.device)
        loss = float(step((ids, batch["positions"].to(peer.device), batch["labels"].to(peer.device),
                           peer.alibi(ids.shape[1]))))
        if number in ours:
            rows.append(f"{number},{loss:.5f},{ours[number]:.5f}")
            differences.append(abs(loss - ours[number]))
    print("\n".join(rows[:1] + rows[1::20] + rows[-1:]))
    print(f"mean difference {sum(differences) / len(differences):.5f}, greatest {max(differences):.5f}, steps {len(differences)}")
    if options.out:
        open(options.out, "w").write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
