"""A BERT classifier in plain torch, written from doc/NUMERICS.md: float, or with the fake-quantisation
of QAT. Rows are run one by one at their own length; nothing is padded."""
import math

import torch


class Ste(torch.autograd.Function):
    """Forward: the given value; backward: the gradient where `inside`, else zero."""

    @staticmethod
    def forward(ctx, x, value, inside):
        ctx.save_for_backward(inside)
        return value

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0], None, None


def fake_u8(x, scale, zero):
    v = x / scale
    inside = ((v >= -zero - 0.5) & (v <= 255 - zero + 0.5)).to(x.dtype)
    return Ste.apply(x, (torch.clamp(torch.round(v), -zero, 255 - zero) * scale).detach(), inside)


def fake_s8_rows(w):
    scale = torch.clamp(w.detach().abs().amax(1, keepdim=True) / 127, min=1e-12)
    v = torch.clamp(torch.round(w.detach() / scale), -127, 127) * scale
    return Ste.apply(w, v, torch.ones_like(w))


def half(x):
    v = torch.clamp(x.detach(), -65504, 65504).to(torch.float16).to(x.dtype)
    return Ste.apply(x, v, (x.detach().abs() <= 65504).to(x.dtype))


class Twin:
    """params: name -> tensor as BertForSequenceClassification has them. qat: none, fp16, int8.
    ranges: site -> (scale, zero point) for int8; None observes (seen: site -> [min, max]). dtype:
    what is computed in; the weights' codes are those of float32 whatever it is."""

    def __init__(self, config, params, qat="none", ranges=None, dtype=torch.float32):
        self.c, self.p, self.qat, self.ranges, self.seen = config, params, qat, ranges, {}
        self.dtype, self.cache = dtype, {}

    def weight(self, name):
        if name not in self.cache:
            w = self.p[name]
            if self.qat == "int8" and w.ndim == 2:
                w = fake_s8_rows(w)
            self.cache[name] = (half(w) if self.qat == "fp16" else w).to(self.dtype)
        return self.cache[name]

    def r(self, x):
        return half(x) if self.qat == "fp16" else x

    def site(self, name, x):
        if self.qat != "int8":
            return x
        lo, hi = self.seen.get(name, (math.inf, -math.inf))
        self.seen[name] = (min(lo, float(x.detach().min())), max(hi, float(x.detach().max())))
        if self.ranges is None:
            return x
        return fake_u8(x, *self.ranges[name])

    def linear(self, name, x):
        return self.r(x @ self.weight(name + ".weight").T + self.weight(name + ".bias"))

    def norm(self, name, x):
        return self.r(torch.nn.functional.layer_norm(
            x, x.shape[-1:], self.weight(name + ".weight"), self.weight(name + ".bias"),
            self.c["layer_norm_eps"]))

    def layer(self, i, x):
        c, at = self.c, f"bert.encoder.layer.{i}"
        heads = c["num_attention_heads"]
        n, h = x.shape
        q_in = self.site(f"{at}.attention.self.input", x)
        q, k, v = (self.linear(f"{at}.attention.self.{w}", q_in).view(n, heads, -1).transpose(0, 1)
                   for w in ("query", "key", "value"))
        s = self.r((q / math.sqrt(h // heads)) @ k.transpose(1, 2))
        p = self.r(torch.softmax(s, -1))
        ctx = self.r((p @ v).transpose(0, 1).reshape(n, h))
        ctx = self.site(f"{at}.attention.output.dense.input", ctx)
        a = self.norm(f"{at}.attention.output.LayerNorm",
                      self.r(self.linear(f"{at}.attention.output.dense", ctx) + x))
        u = self.linear(f"{at}.intermediate.dense", self.site(f"{at}.intermediate.dense.input", a))
        g = self.site(f"{at}.output.dense.input", self.r(torch.nn.functional.gelu(u)))
        return self.norm(f"{at}.output.LayerNorm", self.r(self.linear(f"{at}.output.dense", g) + a))

    def embedded(self, ids):
        e = "bert.embeddings"
        x = self.r(self.weight(f"{e}.word_embeddings.weight")[ids]
                   + self.weight(f"{e}.token_type_embeddings.weight")[0])
        return self.r(x + self.weight(f"{e}.position_embeddings.weight")[:len(ids)])

    def encoded(self, ids):
        x = self.norm("bert.embeddings.LayerNorm", self.embedded(ids))
        for i in range(self.c["num_hidden_layers"]):
            x = self.layer(i, x)
        return x

    def row(self, ids):
        first = self.site("bert.pooler.dense.input", self.encoded(ids)[:1])
        pooled = self.r(torch.tanh(self.linear("bert.pooler.dense", first)))
        return self.linear("classifier", self.site("classifier.input", pooled))

    def logits(self, rows):
        return torch.cat([self.row(torch.as_tensor(r)) for r in rows])
