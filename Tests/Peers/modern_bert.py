"""transformers' own ModernBERT over the weights of a checkpoint of pipeline, for reference_model.py.

Attention is computed eagerly, as written in transformers' Python, in the weights' type. The release is the one that is imported.
"""
import torch
import transformers

OUTER = {
    "bert.embeddings.word_embeddings": "model.embeddings.tok_embeddings", "bert.embeddings.LayerNorm": "model.embeddings.norm",
    "bert.encoder.LayerNorm": "model.final_norm", "cls.predictions.transform.dense": "head.dense",
    "cls.predictions.transform.LayerNorm": "head.norm", "cls.predictions.decoder": "decoder",
}
INNER = {
    "attention.LayerNorm": "attn_norm", "attention.self.Wqkv": "attn.Wqkv", "attention.output.dense": "attn.Wo",
    "mlp.layernorm": "mlp_norm", "mlp.gated_layers": "mlp.Wi", "mlp.wo": "mlp.Wo",
}


def name_of(ours):
    stem, _, end = ours.rpartition(".")
    if stem in OUTER:
        return f"{OUTER[stem]}.{end}"
    _, _, _, layer, part = stem.split(".", 4)
    return f"model.layers.{layer}.{INNER[part]}.{end}"


def config_of(shape):
    modern = shape["modern"]
    rotary = {"full_attention": shape["rotaryBase"], "sliding_attention": modern["localRotaryBase"]}
    own = {"rope_parameters": {kind: {"rope_type": "default", "rope_theta": base} for kind, base in rotary.items()}}
    if transformers.__version__ < "5":
        own = {"global_rope_theta": shape["rotaryBase"], "local_rope_theta": modern["localRotaryBase"], "reference_compile": False}
    return transformers.ModernBertConfig(
        vocab_size=shape["vocabularySize"], hidden_size=shape["hiddenSize"], intermediate_size=shape["intermediateSize"],
        num_hidden_layers=shape["layers"], num_attention_heads=shape["heads"], norm_eps=shape["normEpsilon"],
        max_position_embeddings=shape["maximumLength"], pad_token_id=shape["padding"], norm_bias=modern["normBias"],
        attention_bias=modern["attentionBias"], mlp_bias=modern["mlpBias"], classifier_bias=modern["classifierBias"],
        decoder_bias=modern["decoderBias"], local_attention=modern["localAttention"],
        global_attn_every_n_layers=modern["globalAttentionEvery"], tie_word_embeddings=shape.get("tiesDecoder", True),
        bos_token_id=None, eos_token_id=None, cls_token_id=None, sep_token_id=None, attn_implementation="eager", **own)


class Model(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.inner = transformers.ModernBertForMaskedLM(config_of(shape))

    def forward(self, ids, real):
        hidden = self.inner.model(input_ids=ids, attention_mask=real.long()).last_hidden_state
        return hidden, self.inner.decoder(self.inner.head(hidden))


_models = {}


def outputs(shape, weights, ids, real):
    """The last layer's output and the logits of all places, with gradients to `weights`."""
    model = _models.setdefault(id(shape), Model(shape).to(next(iter(weights.values())).dtype))
    theirs = {f"inner.{name_of(name)}": tensor for name, tensor in weights.items()}
    if shape.get("tiesDecoder", True):
        theirs["inner.decoder.weight"] = theirs["inner.model.embeddings.tok_embeddings.weight"]
    expected = set(model.state_dict())
    assert set(theirs) == expected, set(theirs) ^ expected
    return torch.func.functional_call(model, theirs, (ids, real))


def random_weights(shape, matrix, linear, layer_norm):
    """Calls the functions with the names and sizes of a model's weights."""
    modern, hidden, inner = shape["modern"], shape["hiddenSize"], shape["intermediateSize"]
    matrix("bert.embeddings.word_embeddings.weight", shape["vocabularySize"], hidden)
    layer_norm("bert.embeddings.LayerNorm", modern["normBias"])
    for layer in range(shape["layers"]):
        prefix = f"bert.encoder.layer.{layer}"
        if layer:
            layer_norm(f"{prefix}.attention.LayerNorm", modern["normBias"])
        linear(f"{prefix}.attention.self.Wqkv", hidden, 3 * hidden, modern["attentionBias"])
        linear(f"{prefix}.attention.output.dense", hidden, hidden, modern["attentionBias"])
        layer_norm(f"{prefix}.mlp.layernorm", modern["normBias"])
        linear(f"{prefix}.mlp.gated_layers", hidden, 2 * inner, modern["mlpBias"])
        linear(f"{prefix}.mlp.wo", inner, hidden, modern["mlpBias"])
    layer_norm("bert.encoder.LayerNorm", modern["normBias"])
    linear("cls.predictions.transform.dense", hidden, hidden, modern["classifierBias"])
    layer_norm("cls.predictions.transform.LayerNorm", modern["normBias"])
    if not shape.get("tiesDecoder", True):
        matrix("cls.predictions.decoder.weight", shape["vocabularySize"], hidden)
    if modern["decoderBias"]:
        matrix("cls.predictions.decoder.bias", shape["vocabularySize"])
