"""Twenty steps of training, dropout 0, against the same loop in torch: AdamW with decay on matrices
only, linear decay with warm-up, clipping, shuffled batches with a short last one."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertForSequenceClassification

from philox import shuffled

BUILD = pathlib.Path(os.environ["RK_BUILD"])
SAMPLE = pathlib.Path(os.environ["RK_SOURCE"]) / "data/sample"
ROWS, BATCH, EPOCHS, SEED, LR, WARMUP, CLIP, DECAY = 90, 16, 4, 11, 5e-4, 4, 1.0, 0.01
STEPS = 20


def probe(*args):
    subprocess.run([BUILD / "probe/train_probe", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def torch_losses(folder, epochs):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    lines = (SAMPLE / "train.tsv").read_text(encoding="utf-8").splitlines()[:ROWS]
    texts, labels = zip(*(line.rsplit("\t", 1) for line in lines))
    ids = {name: i for i, name in model.config.id2label.items()}
    plain = [p for n, p in model.named_parameters() if "bias" in n or "LayerNorm" in n]
    decayed = [p for n, p in model.named_parameters() if not ("bias" in n or "LayerNorm" in n)]
    opt = torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY},
                             {"params": plain, "weight_decay": 0.0}], lr=LR, eps=1e-8)
    per_epoch = -(-ROWS // BATCH)
    total = min(STEPS, per_epoch * epochs)
    losses, norms = [], []
    for step in range(total):
        k = step % per_epoch
        if k == 0:
            order = shuffled(SEED, step // per_epoch, ROWS)
        rows = order[k * BATCH:(k + 1) * BATCH]
        enc = tokenizer([texts[i] for i in rows], padding=True, truncation=True, max_length=64,
                        return_tensors="pt")
        out = model(input_ids=enc["input_ids"], attention_mask=enc["attention_mask"],
                    labels=torch.tensor([ids[labels[i]] for i in rows]))
        for g in opt.param_groups:
            g["lr"] = LR * (step / WARMUP if step < WARMUP else (total - step) / (total - WARMUP))
        opt.zero_grad()
        out.loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
        opt.step()
        losses.append(float(out.loss))
    return losses, norms, model


with tempfile.TemporaryDirectory() as tmp:
    common = [f"train={SAMPLE}/train.tsv", f"valid={SAMPLE}/valid.tsv", f"rows={ROWS}",
              f"batch={BATCH}", f"seed={SEED}", f"lr={LR}", f"warmup={WARMUP}", f"clip={CLIP}",
              "dropout=0", "max_length=64", f"epochs={EPOCHS}"]
    probe(f"init={tmp}/start", f"out={tmp}/out", f"max_steps={STEPS}", "layers=2", "hidden=96",
          "heads=4", "vocab=1500", *common)
    ours = [json.loads(line) for line in open(f"{tmp}/out/training.jsonl", encoding="utf-8")]
    losses, norms, model = torch_losses(f"{tmp}/start", EPOCHS)
    worst = max(abs(o["loss"] - t) for o, t in zip(ours, losses))
    worst_norm = max(abs(o["grad_norm"] - t) / t for o, t in zip(ours, norms))
    print(f"{len(ours)} steps, loss {losses[0]:.4f} to {losses[-1]:.4f}; largest difference "
          f"{worst:.2g} (limit 1e-4), of the gradient norm {worst_norm:.2g} (limit 1e-3)")
    assert len(ours) == len(losses) == STEPS
    moved = max(float((p - load_file(f"{tmp}/start/model.safetensors")[n]).abs().max())
                for n, p in model.state_dict().items() if n.endswith("classifier.weight"))
    assert moved > LR, "the model learned something"
    sys.exit(0 if worst <= 1e-4 and worst_norm <= 1e-3 else 1)
