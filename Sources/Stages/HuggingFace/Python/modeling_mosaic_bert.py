"""MosaicBERT for transformers 4 and 5: post-LN BERT with ALiBi, one projection for query, key and value, and GEGLU.

The names of its weights are Composer's, so checkpoints of MosaicBERT load too. Attention runs through PyTorch's
scaled_dot_product_attention, or in plain steps with `attn_implementation="eager"`, which can return its weights.
"""
import math

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutputWithPooling,
    MaskedLMOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)

from .configuration_mosaic_bert import MosaicBertConfig


def alibi_slopes(heads):
    """One slope a head: powers of two down to 2^-8; heads beyond a power of two take the next power's odd places."""

    def of_power(count):
        return [2.0 ** (-8.0 * (place + 1) / count) for place in range(count)]

    power = 2 ** int(math.log2(heads))
    return of_power(power) + of_power(2 * power)[0::2][: heads - power]


def attention_bias(heads, length, attention_mask, position_ids, dtype, device):
    """What is added to the scores, [batch or 1, heads, length, length].

    Made at each pass, not kept as a buffer: nothing has to survive construction on the meta device, and no length is
    the longest. `position_ids` [batch or 1, length] are the places that distances are taken between; the mask is
    [batch, length], or [batch, from, to] where each token sees others.
    """
    if position_ids is None:
        position_ids = torch.arange(length, device=device)[None]
    distance = (position_ids[:, None, :] - position_ids[:, :, None]).abs()
    slopes = torch.tensor(alibi_slopes(heads), dtype=torch.float32, device=device)
    bias = (-slopes[:, None, None] * distance[:, None]).to(dtype)
    if attention_mask is None:
        return bias
    if attention_mask.dim() not in (2, 3):
        raise ValueError(f"attention_mask has {attention_mask.dim()} dimensions; give [batch, length] or [batch, from, to].")
    seen = attention_mask[:, None, None, :] if attention_mask.dim() == 2 else attention_mask[:, None]
    return bias.masked_fill(seen == 0, torch.finfo(dtype).min)


class MosaicBertEmbeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids=None, token_type_ids=None, inputs_embeds=None):
        if inputs_embeds is None:
            inputs_embeds = self.word_embeddings(input_ids)
        if token_type_ids is None:
            types = self.token_type_embeddings.weight[0]
        else:
            types = self.token_type_embeddings(token_type_ids)
        return self.dropout(self.LayerNorm(inputs_embeds + types))


class MosaicBertSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.Wqkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)

    def forward(self, hidden_states, bias, output_attentions):
        batch, length, hidden = hidden_states.shape
        projected = self.Wqkv(hidden_states).view(batch, length, 3, self.heads, hidden // self.heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind(0)
        dropout = self.dropout if self.training else 0.0
        weights = None
        if output_attentions or self.config._attn_implementation == "eager":
            scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + bias
            weights = scores.softmax(dim=-1, dtype=torch.float32).to(scores.dtype)
            mixed = functional.dropout(weights, p=dropout) @ value
        else:
            mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
        return mixed.transpose(1, 2).reshape(batch, length, hidden), weights


class MosaicBertSelfOutput(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, mixed, hidden_states):
        return self.LayerNorm(self.dropout(self.dense(mixed)) + hidden_states)


class MosaicBertAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self = MosaicBertSelfAttention(config)
        self.output = MosaicBertSelfOutput(config)

    def forward(self, hidden_states, bias, output_attentions):
        mixed, weights = self.self(hidden_states, bias, output_attentions)
        return self.output(mixed, hidden_states), weights


class MosaicBertGatedMLP(nn.Module):
    """The first half of `gated_layers` passes the activation and gates the second."""

    def __init__(self, config):
        super().__init__()
        self.gated_layers = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.act = ACT2FN[config.hidden_act]
        self.wo = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states):
        gate, up = self.gated_layers(hidden_states).chunk(2, dim=-1)
        return self.layernorm(self.wo(self.dropout(self.act(gate) * up)) + hidden_states)


class MosaicBertLayer(GradientCheckpointingLayer):
    def __init__(self, config):
        super().__init__()
        self.attention = MosaicBertAttention(config)
        self.mlp = MosaicBertGatedMLP(config)

    def forward(self, hidden_states, bias, output_attentions=False):
        attended, weights = self.attention(hidden_states, bias, output_attentions)
        return self.mlp(attended), weights


class MosaicBertEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layer = nn.ModuleList([MosaicBertLayer(config) for _ in range(config.num_hidden_layers)])
        self.gradient_checkpointing = False

    def forward(self, hidden_states, bias, output_attentions=False, output_hidden_states=False):
        states, attentions = [hidden_states], []
        for layer in self.layer:
            hidden_states, weights = layer(hidden_states, bias, output_attentions)
            states.append(hidden_states)
            attentions.append(weights)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden_states,
            hidden_states=tuple(states) if output_hidden_states else None,
            attentions=tuple(attentions) if output_attentions else None,
        )


class MosaicBertPooler(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states):
        return torch.tanh(self.dense(hidden_states[:, 0]))


class MosaicBertPredictionTransform(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.act = ACT2FN[config.hidden_act]
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states):
        return self.LayerNorm(self.act(self.dense(hidden_states)))


class MosaicBertPredictions(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.transform = MosaicBertPredictionTransform(config)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, hidden_states):
        return self.decoder(self.transform(hidden_states))


class MosaicBertMaskedLMHead(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.predictions = MosaicBertPredictions(config)

    def forward(self, hidden_states):
        return self.predictions(hidden_states)


class MosaicBertPreTrainedModel(PreTrainedModel):
    config_class = MosaicBertConfig
    base_model_prefix = "bert"
    supports_gradient_checkpointing = True
    _no_split_modules = ["MosaicBertEmbeddings", "MosaicBertLayer"]
    _supports_sdpa = True

    @torch.no_grad()
    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=self.config.initializer_range)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            # A slice does not carry the mark by which transformers 5 spares what it has loaded.
            if not getattr(module.weight, "_is_hf_initialized", False):
                nn.init.zeros_(module.weight[module.padding_idx])
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


class MosaicBertModel(MosaicBertPreTrainedModel):
    """The encoder. It has a pooler for classification alone, since pretraining trains none."""

    _keys_to_ignore_on_load_unexpected = [r"^cls\."]

    def __init__(self, config, add_pooling_layer=False):
        super().__init__(config)
        self.embeddings = MosaicBertEmbeddings(config)
        self.encoder = MosaicBertEncoder(config)
        self.pooler = MosaicBertPooler(config) if add_pooling_layer else None
        self.post_init()

    def get_input_embeddings(self):
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value):
        self.embeddings.word_embeddings = value

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        position_ids=None,
        inputs_embeds=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
    ):
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give either input_ids or inputs_embeds.")
        output_attentions = self.config.output_attentions if output_attentions is None else output_attentions
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        embedded = self.embeddings(input_ids, token_type_ids, inputs_embeds)
        heads, length = self.config.num_attention_heads, embedded.shape[1]
        bias = attention_bias(heads, length, attention_mask, position_ids, embedded.dtype, embedded.device)
        output = self.encoder(embedded, bias, output_attentions, output_hidden_states)
        if self.pooler is not None:
            output.pooler_output = self.pooler(output.last_hidden_state)
        return output if wants_dictionary(self, return_dict) else output.to_tuple()


def wants_dictionary(model, return_dict):
    return getattr(model.config, "return_dict", True) if return_dict is None else return_dict


class MosaicBertForMaskedLM(MosaicBertPreTrainedModel):
    # transformers 5 reads both sides, transformers 4 the keys.
    _tied_weights_keys = {"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight"}

    def __init__(self, config):
        super().__init__(config)
        self.bert = MosaicBertModel(config)
        self.cls = MosaicBertMaskedLMHead(config)
        self.post_init()

    def get_output_embeddings(self):
        return self.cls.predictions.decoder

    def set_output_embeddings(self, value):
        self.cls.predictions.decoder = value

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        position_ids=None,
        inputs_embeds=None,
        labels=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
    ):
        inputs = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        encoded = self.bert(*inputs, output_attentions, output_hidden_states, True)
        logits = self.cls(encoded.last_hidden_state)
        loss = None
        if labels is not None:
            loss = functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
        output = MaskedLMOutput(
            loss=loss, logits=logits, hidden_states=encoded.hidden_states, attentions=encoded.attentions
        )
        return output if wants_dictionary(self, return_dict) else output.to_tuple()


class MosaicBertClassifying(MosaicBertPreTrainedModel):
    """What the heads of fine-tuning have in common: an encoder, dropout and one linear layer."""

    _keys_to_ignore_on_load_unexpected = [r"^cls\."]

    def __init__(self, config, labels, pooled, name="classifier"):
        super().__init__(config)
        self.num_labels = labels
        self.bert = MosaicBertModel(config, add_pooling_layer=pooled)
        dropout = config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout
        self.dropout = nn.Dropout(dropout)
        setattr(self, name, nn.Linear(config.hidden_size, labels))
        self.post_init()

    def finished(self, output, return_dict):
        return output if wants_dictionary(self, return_dict) else output.to_tuple()


class MosaicBertForSequenceClassification(MosaicBertClassifying):
    def __init__(self, config):
        super().__init__(config, config.num_labels, pooled=True)

    def loss_of(self, logits, labels):
        kind = self.config.problem_type
        if kind is None:
            whole = labels.dtype in (torch.long, torch.int)
            kind = "multi_label_classification"
            if self.num_labels == 1:
                kind = "regression"
            elif whole:
                kind = "single_label_classification"
            self.config.problem_type = kind
        if kind == "regression":
            return functional.mse_loss(logits.float().view(labels.shape), labels.float())
        if kind == "single_label_classification":
            return functional.cross_entropy(logits.float(), labels.flatten())
        return functional.binary_cross_entropy_with_logits(logits.float(), labels.float())

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        position_ids=None,
        inputs_embeds=None,
        labels=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
    ):
        inputs = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        encoded = self.bert(*inputs, output_attentions, output_hidden_states, True)
        logits = self.classifier(self.dropout(encoded.pooler_output))
        output = SequenceClassifierOutput(
            loss=None if labels is None else self.loss_of(logits, labels),
            logits=logits,
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )
        return self.finished(output, return_dict)


class MosaicBertForMultipleChoice(MosaicBertClassifying):
    """Inputs are [batch, choices, length]; each choice gets one score."""

    def __init__(self, config):
        super().__init__(config, 1, pooled=True)

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        position_ids=None,
        inputs_embeds=None,
        labels=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
    ):
        choices = (input_ids if input_ids is not None else inputs_embeds).shape[1]
        inputs = [
            None if tensor is None else tensor.flatten(0, 1)
            for tensor in (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        ]
        encoded = self.bert(*inputs, output_attentions, output_hidden_states, True)
        logits = self.classifier(self.dropout(encoded.pooler_output)).view(-1, choices)
        output = MultipleChoiceModelOutput(
            loss=None if labels is None else functional.cross_entropy(logits.float(), labels),
            logits=logits,
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )
        return self.finished(output, return_dict)


class MosaicBertForTokenClassification(MosaicBertClassifying):
    def __init__(self, config):
        super().__init__(config, config.num_labels, pooled=False)

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        position_ids=None,
        inputs_embeds=None,
        labels=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
    ):
        inputs = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        encoded = self.bert(*inputs, output_attentions, output_hidden_states, True)
        logits = self.classifier(self.dropout(encoded.last_hidden_state))
        loss = None
        if labels is not None:
            loss = functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
        output = TokenClassifierOutput(
            loss=loss, logits=logits, hidden_states=encoded.hidden_states, attentions=encoded.attentions
        )
        return self.finished(output, return_dict)


class MosaicBertForQuestionAnswering(MosaicBertClassifying):
    """Scores of each token as the first and as the last of the answer."""

    def __init__(self, config):
        super().__init__(config, 2, pooled=False, name="qa_outputs")

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        position_ids=None,
        inputs_embeds=None,
        start_positions=None,
        end_positions=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
    ):
        inputs = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        encoded = self.bert(*inputs, output_attentions, output_hidden_states, True)
        start, end = self.qa_outputs(encoded.last_hidden_state).float().unbind(dim=-1)
        loss = None
        if start_positions is not None and end_positions is not None:
            # Answers outside of the window are positions beyond it, which are passed over.
            length = start.shape[1]
            places = [place.flatten().clamp(0, length) for place in (start_positions, end_positions)]
            losses = [
                functional.cross_entropy(scores, place, ignore_index=length)
                for scores, place in zip((start, end), places)
            ]
            loss = (losses[0] + losses[1]) / 2
        output = QuestionAnsweringModelOutput(
            loss=loss,
            start_logits=start,
            end_logits=end,
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )
        return self.finished(output, return_dict)


__all__ = [
    "MosaicBertPreTrainedModel",
    "MosaicBertModel",
    "MosaicBertForMaskedLM",
    "MosaicBertForSequenceClassification",
    "MosaicBertForMultipleChoice",
    "MosaicBertForTokenClassification",
    "MosaicBertForQuestionAnswering",
]
