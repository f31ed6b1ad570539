"""Seconds of each training step in torch: torch_train.py MODEL BATCHES.json KIND WIDTH

KIND: fp32; bf16 (autocast over float weights); qat (eager fake-quantisation of every module but the
embeddings, as the old pipeline prepares it). WIDTH: longest (row of the batch), or a number of tokens.
AdamW, dropout on. Reading the model and laying out the batches is not timed.
"""
import json
import os
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import torch
import torch.ao.quantization as quantization
from transformers import BertForSequenceClassification


def fake_quantised(model):
    model.qconfig = quantization.QConfig(activation=quantization.default_fake_quant,
                                         weight=quantization.default_weight_fake_quant)
    model.bert.embeddings.qconfig = None
    model = quantization.prepare_qat(model)
    count = sum(isinstance(m, quantization.FakeQuantizeBase) for m in model.modules())
    assert count > 100, f"only {count} modules are fake-quantised"
    return model


def padded(batch, width):
    width = max(len(row) for row in batch["ids"]) if width == "longest" else int(width)
    ids = torch.zeros(len(batch["ids"]), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(batch["ids"]):
        ids[i, :len(row)] = torch.tensor(row)
        mask[i, :len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor(batch["labels"])}


def main(folder, batches, kind, width):
    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    torch.manual_seed(1)
    model = BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32).train()
    if kind == "qat":
        model = fake_quantised(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.01)
    with open(batches, encoding="utf-8") as f:
        inputs = [padded(batch, width) for batch in json.load(f)]
    seconds, losses = [], []
    for batch in inputs:
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == "bf16"):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - began)
        losses.append(float(loss.detach()))
    print(json.dumps({"seconds": seconds, "losses": losses}))


if __name__ == "__main__":
    main(*sys.argv[1:])
