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


def learned_u8(x, scale, zero):
    """fake_u8 whose scale has a gradient too: what rounding took away inside the range, the clamped
    code outside."""
    v = x.detach() / scale.detach()
    code = torch.clamp(torch.round(v), -zero, 255 - zero)
    inside = (v >= -zero - 0.5) & (v <= 255 - zero + 0.5)
    return torch.where(inside, x + (code - v) * scale, code * scale)


def half(x):
    v = torch.clamp(x.detach(), -65504, 65504).to(torch.float16).to(x.dtype)
    return Ste.apply(x, v, (x.detach().abs() <= 65504).to(x.dtype))


class Twin:
    """params: name -> tensor as BertForSequenceClassification has them. qat: none, fp16, int8.
    ranges: site -> (scale, zero point) for int8; None observes (seen: site -> [min, max]). dtype:
    what is computed in; the weights' codes are those of float32 whatever it is. keep: dropout masks
    by name, flat over all rows in order, at the rate. whole: sites of the last layer see all tokens;
    else the first ones, which alone reach the logits (query, key and value: all)."""

    def __init__(self, config, params, qat="none", ranges=None, dtype=torch.float32, keep=None, rate=0.0,
                 whole=False):
        self.c, self.p, self.qat, self.ranges, self.seen = config, params, qat, ranges, {}
        self.whole, self.last = whole, f"layer.{config['num_hidden_layers'] - 1}."
        self.dtype, self.cache = dtype, {}
        self.keep, self.rate, self.at, self.pair = keep, rate, 0, 0
        self.in_order = False

    def weight(self, name):
        if name not in self.cache:
            w = self.p[name]
            if self.qat == "int8" and w.ndim == 2:
                w = fake_s8_rows(w)
            self.cache[name] = (half(w) if self.qat == "fp16" else w).to(self.dtype)
        return self.cache[name]

    def drop(self, name, x, at=None):
        """x [tokens or rows, hidden] of the row in hand, whose first token is self.at."""
        if self.keep is None:
            return x
        at = (self.at if at is None else at) * x.shape[-1]
        mask = torch.from_numpy(self.keep[name][at:at + x.numel()]).view(x.shape).to(x.dtype)
        return x * mask / (1 - self.rate)

    def drop_probs(self, layer, p):
        if self.keep is None:
            return p
        first = self.pair * p.shape[0]
        mask = torch.from_numpy(self.keep[f"keep.{layer}.probs"][first:first + p.numel()])
        return p * mask.view(p.shape).to(p.dtype) / (1 - self.rate)

    def r(self, x):
        return half(x) if self.qat == "fp16" else x

    def site(self, name, x):
        if self.qat != "int8":
            return x
        lo, hi = self.seen.get(name, (math.inf, -math.inf))
        looked = x.detach()
        if not self.whole and self.last in name and not name.endswith("attention.self.input"):
            looked = looked[:1]
        self.seen[name] = (min(lo, float(looked.min())), max(hi, float(looked.max())))
        if self.ranges is None:
            return x
        scale, zero = self.ranges[name]
        return (learned_u8 if torch.is_tensor(scale) else fake_u8)(x, scale, zero)

    def product(self, a, b):
        """a @ b; with in_order the terms are added one by one, each in one rounding, as a processor with
        fused multiplication does it without cutting the sum in pieces."""
        if not self.in_order:
            return a @ b
        total = torch.zeros(*a.shape[:-1], b.shape[-1], dtype=a.dtype)
        for k in range(a.shape[-1]):
            term = a[..., :, k : k + 1].double() * b[..., k : k + 1, :].double()
            total = (term + total).to(a.dtype)
        return total

    def linear(self, name, x):
        return self.r(self.product(x, self.weight(name + ".weight").T) + self.weight(name + ".bias"))

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
        s = self.r(self.product(q / math.sqrt(h // heads), k.transpose(1, 2)))
        p = self.r(torch.softmax(s, -1))
        p = self.drop_probs(i, p)
        ctx = self.r(self.product(p, v).transpose(0, 1).reshape(n, h))
        ctx = self.site(f"{at}.attention.output.dense.input", ctx)
        a = self.norm(f"{at}.attention.output.LayerNorm",
                      self.r(self.drop(f"keep.{i}.1", self.linear(f"{at}.attention.output.dense", ctx)) + x))
        u = self.linear(f"{at}.intermediate.dense", self.site(f"{at}.intermediate.dense.input", a))
        g = self.site(f"{at}.output.dense.input", self.r(torch.nn.functional.gelu(u)))
        y = self.drop(f"keep.{i}.2", self.linear(f"{at}.output.dense", g))
        return self.norm(f"{at}.output.LayerNorm", self.r(y + a))

    def embedded(self, ids):
        e = "bert.embeddings"
        x = self.r(self.weight(f"{e}.word_embeddings.weight")[ids]
                   + self.weight(f"{e}.token_type_embeddings.weight")[0])
        return self.r(x + self.weight(f"{e}.position_embeddings.weight")[:len(ids)])

    def encoded(self, ids):
        x = self.norm("bert.embeddings.LayerNorm", self.embedded(ids))
        x = self.drop("keep.embedded", x)
        for i in range(self.c["num_hidden_layers"]):
            x = self.layer(i, x)
        return x

    def row(self, ids, number=0):
        self.hidden = self.encoded(ids)
        first = self.site("bert.pooler.dense.input", self.hidden[:1])
        pooled = self.r(torch.tanh(self.linear("bert.pooler.dense", first)))
        pooled = self.drop("keep.pooled", pooled, number)
        return self.linear("classifier", self.site("classifier.input", pooled))

    def logits(self, rows, hidden=None):
        """[rows, labels]; hidden, unless None, gets each row's last hidden states."""
        out = []
        self.at = self.pair = 0
        for number, r in enumerate(rows):
            out.append(self.row(torch.as_tensor(r), number))
            self.at += len(r)
            self.pair += len(r) ** 2
            if hidden is not None:
                hidden.append(self.hidden)
        return torch.cat(out)
