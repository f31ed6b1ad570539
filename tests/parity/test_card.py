"""The model card, read as the hub reads it: metadata, results, and what the numbers are."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import yaml
from huggingface_hub import ModelCard

ringkas = os.environ["RINGKAS"]
sample = os.path.join(os.environ["RK_SOURCE"], "data", "sample")
checks = failures = 0


def check(what, good):
    global checks, failures
    checks += 1
    if not good:
        failures += 1
        print("FAIL:", what)


def run(*words):
    done = subprocess.run([ringkas, *words, "--quiet"], capture_output=True, text=True)
    if done.returncode:
        sys.exit("ringkas %s: %s" % (" ".join(words), done.stderr))
    return done.stdout


def card_of(folder):
    card = ModelCard.load(os.path.join(folder, "README.md"), ignore_metadata_errors=False)
    return card, card.data.to_dict()


def results(card, split):
    return {(r.metric_type, r.metric_name): r.metric_value for r in card.data.eval_results
            if r.dataset_split == split}


def main():
    run("init", "--train", sample + "/train.tsv", "--layers", "1", "--hidden", "32", "--heads", "2",
        "--vocab-size", "600", "--out", "start")
    common = ["--train", sample + "/train.tsv", "--valid", sample + "/valid.tsv", "--max-steps", "20",
              "--lr", "2e-3"]
    told = json.loads(run("train", "--model", "start", *common, "--test", sample + "/test.tsv",
                          "--out", "out/first", "--json"))
    card, data = card_of("out/first")
    check("pipeline_tag", data["pipeline_tag"] == "text-classification")
    check("library_name", data["library_name"] == "transformers")
    check("metrics", data["metrics"] == ["accuracy", "f1"])
    check("datasets: %r" % data["datasets"], data["datasets"] == ["sample"])
    check("a random encoder has no base", "base_model" not in data)
    check("name", card.data.model_name == "first")
    best = told["best"]
    valid, test = results(card, "validation"), results(card, "test")
    check("validation accuracy", valid[("accuracy", "Accuracy")] == best["valid_accuracy"])
    check("validation F1", valid[("f1", "Weighted F1")] == best["valid_f1_weighted"])
    check("test accuracy", test[("accuracy", "Accuracy")] == told["test"]["accuracy"])
    check("test F1", test[("f1", "Macro F1")] == told["test"]["f1_macro"])
    lo, hi = told["test"]["accuracy_ci95"]
    check("the interval", "(%.1f %% to %.1f %%)" % (100 * lo, 100 * hi) in card.text)

    # a name that the hub knows, through two trainings
    config = json.load(open("start/config.json"))
    config["_name_or_path"] = "indobenchmark/indobert-base-p1"
    os.makedirs("known")
    for name in os.listdir("start"):
        shutil.copy("start/" + name, "known")
    os.remove("known/ringkas.json")
    json.dump(config, open("known/config.json", "w"))
    run("train", "--model", "known", *common, "--out", "second")
    run("train", "--model", "second", *common, "--out", "third", "--qat", "int8")
    for folder in ("second", "third"):
        card, data = card_of(folder)
        check("%s: base_model" % folder, data["base_model"] == "indobenchmark/indobert-base-p1")
    check("tag of quantisation-aware training", "quantization-aware-training" in data["tags"])
    check("no test rows, no result of them", not results(card, "test"))
    config.pop("_name_or_path")
    json.dump(config, open("known/config.json", "w"))
    run("train", "--model", "known", *common, "--out", "fourth")
    run("train", "--model", "fourth", *common, "--out", "fifth")
    check("base_model by its folder", card_of("fifth")[1]["base_model"] == "known")

    # labels and paths that look like mark-up
    rows = open(sample + "/train.tsv").read().splitlines()
    os.makedirs("we: ird \"#", exist_ok=True)
    with open("we: ird \"#/t.tsv", "w") as out:
        for line in rows[:120]:
            text, label = line.split("\t")
            out.write("%s\t<b>*%s* [x](y) | `z`: \"#\n" % (text, label))
    path = "we: ird \"#/t.tsv"
    run("init", "--train", path, "--layers", "1", "--hidden", "32", "--heads", "2", "--vocab-size",
        "300", "--out", "odd")
    run("train", "--model", "odd", "--train", path, "--valid", path, "--test", path, "--out", "odd: *2*",
        "--max-steps", "2")
    card, data = card_of("odd: *2*")
    check("odd dataset name: %r" % data["datasets"], data["datasets"] == ["we: ird \"#"])
    check("odd model name", card.data.model_name == "odd: *2*")
    body = card.text
    check("mark-up of a label", "<b>" not in body.replace("\\<b\\>", "") and "\\*positive\\*" in body)

    # a card that somebody wrote stays, one of ours is made anew
    with open("fifth/README.md", "w") as out:
        out.write("my own words\n")
    run("train", "--model", "known", *common, "--test", sample + "/test.tsv", "--out", "fifth")
    check("somebody's card", open("fifth/README.md").read() == "my own words\n")
    before = open("third/README.md").read()
    run("train", "--model", "known", *common, "--out", "third", "--seed", "7")
    after = open("third/README.md").read()
    check("our card is made anew", before != after and "| seed | 7 |" in after)
    check("yaml", isinstance(yaml.safe_load(after.split("---")[1]), dict))


with tempfile.TemporaryDirectory() as area:
    os.chdir(area)
    main()
    os.chdir("/")
print("%d checks, %d failed" % (checks, failures))
sys.exit(1 if failures or not checks else 0)
