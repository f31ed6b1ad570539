"""IndoBERT-base with random weights: the size and the speed are real, the answers are not."""
import json
import shutil
import subprocess
import sys

import settings

LAYERS, HIDDEN, INNER, LABELS = settings.LAYERS, 768, 3072, 3
FOLDER = settings.OUT / ("indobert" + settings.SMALLER)
LINEAR = LAYERS * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER)    # parameters of the layers' products


def row_flop(tokens):
    """Multiplications and additions of one row forward: the products of the layers and of attention
    (scores and context), over the whole network whatever an engine leaves out. Training does three
    times that."""
    return 2 * LINEAR * tokens + LAYERS * 4 * HIDDEN * tokens * tokens


def make_folder():
    """build/bench/indobert, made in a process of its own: a parent that had torch in memory would lend
    its peak to every process that it starts afterwards."""
    if not (FOLDER / "model.safetensors").exists():
        print(f"making build/bench/{FOLDER.name} (random weights)", file=sys.stderr, flush=True)
        with open(settings.OUT / f"{FOLDER.name}.log", "wb") as log:
            subprocess.run([sys.executable, __file__], stdout=log, stderr=log, check=True)
    return FOLDER


def draw():
    """Config and tokenizer as given, weights drawn once from seed 0. Vectors get noise too: equal ones
    would let exporters and converters share what no trained model shares."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification
    torch.manual_seed(0)
    config = BertConfig.from_pretrained(settings.ENCODER, num_labels=LABELS,
                                        num_hidden_layers=LAYERS)
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter += 0.02 * torch.randn_like(parameter)
    aside = FOLDER.with_suffix(".new")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    model.save_pretrained(aside)
    for path in settings.ENCODER.iterdir():
        shutil.copyfile(path, aside / path.name)
    if settings.SMALLER:
        given = json.loads((aside / "config.json").read_text(encoding="utf-8"))
        given["num_hidden_layers"] = LAYERS
        (aside / "config.json").write_text(json.dumps(given, indent=2), encoding="utf-8")
    aside.rename(FOLDER)


if __name__ == "__main__":
    draw()
