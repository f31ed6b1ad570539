"""Small random models of the usual architectures, as transformers and torch.onnx write them today.

make(name, exporter, folder) -> (path, [feeds]); exporter is "script" (TorchScript) or "dynamo".
Weights are drawn from a seed and scaled so that logits are of the size of a trained model's.
"""
import contextlib
import io
import logging
import os
import warnings

import numpy as np
import torch
import transformers
from torch import nn

warnings.simplefilter("ignore")
transformers.logging.set_verbosity_error()
logging.disable(logging.WARNING)

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
         "vocab_size": 120, "max_position_embeddings": 64}
BATCH, LENGTH = 2, 9


def ids(rows, length, low=5, high=120):
    return torch.randint(low, high, (rows, length))


def mask(rows, length):
    """The last row is padded."""
    out = torch.ones(rows, length, dtype=torch.int64)
    if rows > 1:
        out[-1, length // 2:] = 0
    return out


class Named(nn.Module):
    """A model called by position, that gives plain tensors."""

    def __init__(self, model, names, take):
        super().__init__()
        self.model, self.names, self.take = model, names, take

    def forward(self, *args):
        return self.take(self.model(**dict(zip(self.names, args))))


def classifier(config, family):
    kind = getattr(transformers, f"{family}ForSequenceClassification")
    return encoder(kind(config(num_labels=3)), lambda o: o.logits)


def encoder(model, take):
    names = ["input_ids", "attention_mask"]
    return (Named(model, names, take), names, ["logits"],
            lambda rows=BATCH, length=LENGTH: (ids(rows, length), mask(rows, length)),
            {n: {0: "batch", 1: "sequence"} for n in names})


def of(name, **more):
    kind = getattr(transformers, f"{name}Config")
    return lambda **extra: kind(**{**SIZES, **more, **extra})


def bert():
    return classifier(of("Bert"), "Bert")


def roberta():
    return classifier(of("Roberta", pad_token_id=1), "Roberta")


def distilbert():
    return classifier(lambda **e: transformers.DistilBertConfig(
        dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=120, max_position_embeddings=64, **e),
        "DistilBert")


def albert():
    return classifier(of("Albert", embedding_size=16), "Albert")


def deberta():
    return classifier(of("DebertaV2", relative_attention=True, pos_att_type=["p2c", "c2p"],
                         position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True), "DebertaV2")


def xlm_roberta():
    return classifier(of("XLMRoberta", pad_token_id=1, type_vocab_size=1), "XLMRoberta")


def electra():
    return classifier(of("Electra", embedding_size=16), "Electra")


def t5():
    """Encoder and decoder in one graph: ids of both in, logits out."""
    model = transformers.T5ForConditionalGeneration(transformers.T5Config(
        vocab_size=120, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0,
        use_cache=False))
    names = ["input_ids", "attention_mask", "decoder_input_ids"]

    def feeds(rows=BATCH, length=LENGTH):
        return ids(rows, length), mask(rows, length), ids(rows, 5)
    return (Named(model, names, lambda o: o.logits), names, ["logits"], feeds,
            {"input_ids": {0: "batch", 1: "sequence"}, "attention_mask": {0: "batch", 1: "sequence"},
             "decoder_input_ids": {0: "batch", 1: "target"}})


class WithPast(nn.Module):
    """GPT-2's next step: token ids and the keys and values so far in, logits and new ones out."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, *past):
        cache = transformers.DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        out = self.model(input_ids=input_ids, attention_mask=attention_mask, past_key_values=cache,
                         use_cache=True)
        flat = []
        for layer in range(len(past) // 2):
            flat += [out.past_key_values.layers[layer].keys, out.past_key_values.layers[layer].values]
        return (out.logits, *flat)


def gpt2():
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=120, n_embd=32, n_layer=2, n_head=4, n_positions=64))
    pairs = [f"{what}.{layer}" for layer in range(2) for what in ("key", "value")]

    def feeds(rows=BATCH, length=LENGTH):
        past = [torch.randn(rows, 4, length, 8) for _ in pairs]
        return (ids(rows, 3), mask(rows, length + 3).flip(1), *past)
    return (WithPast(model), ["input_ids", "attention_mask"] + [f"past.{p}" for p in pairs],
            ["logits"] + [f"present.{p}" for p in pairs], feeds,
            {"input_ids": {0: "batch", 1: "sequence"}, "attention_mask": {0: "batch", 1: "total"},
             **{f"past.{p}": {0: "batch", 2: "past"} for p in pairs}})


def image(rows=BATCH, _length=0):
    return (torch.randn(rows, 3, 16, 16),)


def vit():
    model = transformers.ViTForImageClassification(transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=16,
        patch_size=4, num_labels=3))
    return (Named(model, ["pixel_values"], lambda o: o.logits), ["pixel_values"], ["logits"], image,
            {"pixel_values": {0: "batch"}})


def whisper():
    """Its encoder: convolutions over 100 frames of 20 bands."""
    config = transformers.WhisperConfig(
        vocab_size=120, num_mel_bins=20, d_model=32, encoder_layers=2, encoder_attention_heads=4,
        encoder_ffn_dim=64, decoder_layers=1, decoder_attention_heads=4, decoder_ffn_dim=64,
        max_source_positions=50, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3)
    model = transformers.models.whisper.modeling_whisper.WhisperEncoder(config)
    return (Named(model, ["input_features"], lambda o: o.last_hidden_state), ["input_features"], ["hidden"],
            lambda rows=BATCH, _=0: (torch.randn(rows, 20, 100),), {"input_features": {0: "batch"}})


class Net(nn.Module):
    """Strided and depthwise convolutions, batch norm, pooling, upsampling, squeeze and excite."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish())
        self.depth = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.BatchNorm2d(8), nn.ReLU6())
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.SiLU(),
                                     nn.Conv2d(4, 8, 1), nn.Sigmoid())
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.norm, self.pool = nn.GroupNorm(2, 8), nn.MaxPool2d(2)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.depth(self.stem(x))
        x = self.norm(x * self.squeeze(x))
        x = self.pool(self.up(x))
        return self.head(x.mean((2, 3))).softmax(-1)


def cnn():
    model = Net()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2)
    return model, ["image"], ["probabilities"], image, {"image": {0: "batch"}}


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(120, 16)
        self.lstm = nn.LSTM(16, 12, 2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(24, 8, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, tokens):
        y, (h, c) = self.lstm(self.words(tokens))
        z, _ = self.gru(y)
        return self.head(z), h, c


def lstm():
    return (Tagger(), ["tokens"], ["tags", "h", "c"], lambda rows=BATCH, length=LENGTH: (ids(rows, length),),
            {"tokens": {0: "batch", 1: "sequence"}})


MODELS = {"BERT": bert, "RoBERTa": roberta, "DistilBERT": distilbert, "ALBERT": albert, "DeBERTa-v2": deberta,
          "XLM-R": xlm_roberta, "ELECTRA": electra, "T5": t5, "GPT-2 with past": gpt2, "ViT": vit,
          "Whisper encoder": whisper, "CNN": cnn, "LSTM": lstm}
EXPORTERS = ("script", "dynamo")


def make(name, exporter, folder, opset=17):
    """Exports; raises what the exporter raises."""
    torch.manual_seed(3)
    model, inputs, outputs, feeds, axes = MODELS[name]()
    model.eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1:
                p.mul_(2.5)
    path = os.path.join(folder, f"{name.replace(' ', '_')}-{exporter}.onnx")
    args = feeds()
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with quiet[0], quiet[1], torch.no_grad():
        if exporter == "script":
            torch.onnx.export(model, args, path, input_names=inputs, output_names=outputs,
                              opset_version=opset,
                              dynamic_axes=axes, dynamo=False)
        else:
            shapes = tuple({k: torch.export.Dim.DYNAMIC for k in axes.get(i, {})} for i in inputs)
            if name in ("GPT-2 with past",) or isinstance(model, Named):
                shapes = (shapes,) if isinstance(model, Named) else (*shapes[:2], shapes[2:])
            torch.onnx.export(model, args, path, input_names=inputs, output_names=outputs, dynamo=True,
                              dynamic_shapes=shapes, external_data=False, optimize=True)
    torch.manual_seed(4)
    # torch's dynamo exporter bakes batch and length of the trace into an LSTM.
    batches = [feeds(), feeds() if (name, exporter) == ("LSTM", "dynamo") else feeds(3, 14)]
    return path, [{n: v.numpy() if isinstance(v, torch.Tensor) else np.asarray(v)
                   for n, v in zip(inputs, values)} for values in batches]
