"""Gradients of every parameter with each option that changes them, against torch in float64: label
smoothing, class weights, two batches that make one step, dropout with the masks that were drawn,
distillation from logits and hidden states; and the gradients of learned INT8 scales. (Clipping is
held against torch's in parity.training.)"""
import json
import pathlib
import sys
import tempfile

import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import BertConfig, BertForSequenceClassification

from net_run import LABELS, check, failures, gradients, gradients_of, probe, shake
from twin import Twin

LENGTHS = [5, 1, 33, 17, 64, 2, 20]
TRUTH = [0, 2, 1, 1, 0, 2, 2]


def make_folder(folder, seed, width=96):
    torch.manual_seed(seed)
    model = BertForSequenceClassification(BertConfig(
        id2label=LABELS, label2id={v: k for k, v in LABELS.items()}, vocab_size=300, hidden_size=width,
        num_hidden_layers=2, num_attention_heads=4, intermediate_size=200,
        max_position_embeddings=70))
    shake(model)
    model.save_pretrained(folder)


def parameters(folder, dtype=torch.float64):
    return {n: torch.nn.Parameter(torch.from_numpy(w).to(dtype))
            for n, w in load_file(f"{folder}/model.safetensors").items()}


def torch_loss(folder, got, smoothing=0.0, weights=None, dropout=0.0, teacher=None, share=0.5,
               temperature=2.0, hidden=0.0, split=None):
    """The whole loss of all rows as one batch, and the parameters that have its gradients. split
    changes nothing here: that is what is tested."""
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    params, mine = parameters(folder), []
    keep = {n: got[n] for n in got if n.startswith("keep.")} if dropout else None
    rate = round(dropout * 65536) / 65536
    logits = Twin(config, params, dtype=torch.float64, keep=keep, rate=rate).logits(ROWS, mine)
    weight = torch.tensor([float(w) for w in weights.split(",")], dtype=torch.float64) if weights else None
    loss = torch.nn.functional.cross_entropy(logits, torch.as_tensor(TRUTH), weight=weight,
                                             label_smoothing=smoothing)
    if teacher:
        its = []
        with torch.no_grad():
            t = Twin(config, parameters(teacher), dtype=torch.float64).logits(ROWS, its)
        kl = torch.nn.functional.kl_div(torch.log_softmax(logits / temperature, 1),
                                        torch.softmax(t / temperature, 1), reduction="batchmean")
        loss = (1 - share) * loss + share * temperature ** 2 * kl
        loss = loss + hidden * torch.nn.functional.mse_loss(torch.cat(mine), torch.cat(its))
    loss.backward()
    return float(loss.detach()), params


def case(name, folder, **options):
    for compute, limit in (("f32", 1e-4), ("bf16", 2e-2)):
        got, _ = probe(folder, ROWS, TRUTH, compute, **options)
        if got is None:
            print(f"SKIP: {name} in bf16: this processor has no such products")
            continue
        loss, params = torch_loss(folder, got, **options)
        check(f"{name} {compute}: loss", abs(float(got["figures"][0]) - loss) / loss, limit)
        gradients(f"{name} {compute}", got, gradients_of(params), limit)


def masks(folder):
    """The last layer's first tokens have the masks that they have among all tokens."""
    got, whole = (probe(folder, ROWS, TRUTH, dropout=0.3, whole=w)[0] for w in (0, 1))
    at, differ = np.cumsum([0] + LENGTHS)[:-1], 0
    for name in (n for n in whole if n.startswith("keep.")):
        ours, all_of_it = got[name], whole[name]
        if name in ("keep.1.1", "keep.1.2"):
            ours, all_of_it = (m.reshape(sum(LENGTHS), -1)[at] for m in (ours, all_of_it))
        elif name == "keep.1.probs":
            pairs, first = np.cumsum([0] + [4 * n * n for n in LENGTHS]), []
            for m in (ours, all_of_it):
                first.append(np.concatenate([m[a:a + 4 * n * n].reshape(4, n, n)[:, 0].ravel()
                                             for a, n in zip(pairs, LENGTHS)]))
            ours, all_of_it = first
        differ += int((ours != all_of_it).sum())
    check("masks that differ where only first tokens are computed", differ, 0)


def learned_scales(folder):
    got, stored = probe(folder, ROWS, TRUTH, "f32", "int8", learn=1)
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    sites = [n[len("activation."):-len(".scale")] for n in stored
             if n.startswith("activation.") and n.endswith(".scale")]
    ranges = {s: (torch.nn.Parameter(torch.tensor(float(stored[f"activation.{s}.scale"][0]),
                                                  dtype=torch.float64)),
                  int(stored[f"activation.{s}.zero_point"][0])) for s in sites}
    params = parameters(folder, torch.float32)
    twin = Twin(config, params, "int8", ranges, torch.float64)
    torch.nn.functional.cross_entropy(twin.logits(ROWS), torch.as_tensor(TRUTH)).backward()
    parts = ["attention.self", "attention.output.dense", "intermediate.dense", "output.dense"]
    order = [f"bert.encoder.layer.{i}.{p}.input" for i in range(config["num_hidden_layers"])
             for p in parts] + ["bert.pooler.dense.input", "classifier.input"]
    want = np.array([float(ranges[s][0].grad * ranges[s][0].detach()) for s in order])
    # a value near a tie falls on either side, and its part of the gradient changes sign
    check("learned scales: gradients", np.linalg.norm(got["dscale"] - want) / np.linalg.norm(want),
          5e-2)
    gradients("learned scales", got, gradients_of(params), 5e-2)


with tempfile.TemporaryDirectory() as tmp:
    rng = np.random.default_rng(4)
    ROWS = [rng.integers(5, 300, n).tolist() for n in LENGTHS]
    make_folder(f"{tmp}/model", 7)
    make_folder(f"{tmp}/teacher", 8)
    model = f"{tmp}/model"
    case("plain", model)
    case("label smoothing", model, smoothing=0.1)
    case("class weights", model, weights="0.5,1,3")
    case("both", model, smoothing=0.2, weights="0.5,1,3")
    case("two batches", model, split=3)
    case("two batches, weights", model, split=5, weights="0.5,1,3")
    case("dropout", model, dropout=0.3)
    make_folder(f"{tmp}/odd", 7, width=92)      # a token's masks begin within a Philox block
    masks(f"{tmp}/odd")
    case("distillation", model, teacher=f"{tmp}/teacher", share=0.7, temperature=3)
    case("distillation with hidden states", model, teacher=f"{tmp}/teacher", hidden=0.5, split=4)
    learned_scales(model)
sys.exit(1 if failures else 0)
