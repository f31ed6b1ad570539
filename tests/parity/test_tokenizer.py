#!/usr/bin/env python3
"""Ids equal Hugging Face's: on all SmSA rows, raw and cleaned, with both tokenizers of the shared
data; on generated strings; on folders that we wrote; on odd tokenizer.json files."""
import copy
import json
import os
import random
import shutil
import sys
import tempfile
import unicodedata

import transformers
from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer

import textgen

GENERATED = 200000
VARIED = 6000      # strings where the files or the limits vary
LIMIT = 128
transformers.logging.set_verbosity_error()


def reference(tokenizer, texts, limit):
    """Ids by the tokenizers package: truncation as the classifier's, no padding."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    return [e.ids for e in tokenizer.encode_batch(texts)]


def backend(folder):
    return AutoTokenizer.from_pretrained(folder).backend_tokenizer


def smsa(folder, name, tokenizer, cleanings):
    bad = 0
    for path, texts in textgen.rows():
        for steps in cleanings:
            lines = textgen.probe(["rows", path, 1, LIMIT, folder, steps]).decode().split("\n")
            got = [[int(x) for x in line.split()] for line in lines[:-1]]
            cleaned = texts if steps == "none" else textgen.probe_clean(steps, texts)
            want = reference(tokenizer, cleaned, LIMIT)
            if len(got) != len(texts):
                sys.exit(f"{path}: {len(got)} rows for {len(texts)} lines")
            bad += textgen.compare(f"{name} {os.path.basename(path)} {steps}", got, want, texts)
    return bad


def generated(rng, folder, name, tokenizer, words, count):
    bad = 0
    for limit in (LIMIT, 512):
        texts = list(textgen.strings(rng, count if limit == LIMIT else VARIED // 10, words))
        got = textgen.probe_ids(folder, limit, texts)
        bad += textgen.compare(f"{name} generated, at most {limit}", got,
                               reference(tokenizer, texts, limit), texts)
    return bad


def every_limit(rng, folder, name, tokenizer, words):
    """Cut at every length."""
    texts, bad = list(textgen.strings(rng, 400, words)), 0
    tokenizer.no_padding()
    for limit in range(2, 131):
        got = textgen.probe_ids(folder, limit, texts)
        want = reference(tokenizer, texts, limit)
        if got != want:
            bad += textgen.compare(f"{name} at most {limit}", got, want, texts)
    print(f"{name} at most 2 to 130: {len(texts)} texts, {bad} differ")
    return bad


def words_of(tokenizer, texts):
    normalize, parts = tokenizer.normalizer.normalize_str, tokenizer.pre_tokenizer.pre_tokenize_str
    return ["".join(w + "\n" for w, _ in parts(normalize(t))) for t in texts]


def same_words(rng, folder, tokenizer, words):
    """The words themselves, of each scalar value alone between letters and behind a mark that may
    move, and of generated strings: ids would say [UNK] to most of them."""
    texts = [f"a{chr(c)}b \u302E{chr(c)}" for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    bad = textgen.compare("words, every character", textgen.probe_framed(["words", folder], texts),
                          words_of(tokenizer, texts), texts)
    texts = [t for t in textgen.strings(rng, 60000, words)
             if not any(s in t for s in ("[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"))]
    return bad + textgen.compare("words, generated",
                                 textgen.probe_framed(["words", folder], texts),
                                 words_of(tokenizer, texts), texts)


def rich(rng, base, words, work):
    """A vocabulary of the texts' own characters and parts of words, in every script: few words are
    then unknown, and longest match has choices everywhere."""
    texts = list(textgen.strings(rng, 6000, words))
    parts = "".join(words_of(base, texts)).split("\n")
    vocabulary = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    for word in parts:
        for start in range(min(len(word), 30)):
            for length in {1, rng.randint(1, 6)}:
                if rng.random() < 0.97:
                    vocabulary[("##" if start else "") + word[start:start + length]] = None
    out = os.path.join(work, "rich")
    os.mkdir(out)
    with open(os.path.join(out, "vocab.txt"), "w", encoding="utf-8", newline="\n") as file:
        file.writelines(token + "\n" for token in vocabulary)
    with open(os.path.join(out, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"model_type": "bert"}, file)
    tokenizer = backend(out)
    want = reference(tokenizer, texts, 512)
    known = sum(i != 1 for ids in want for i in ids) / sum(map(len, want))
    print(f"rich vocabulary: {len(vocabulary)} tokens, {known:.3f} of the ids known")
    if known < 0.9:
        print("rich vocabulary: too many unknown for a test")
        return 1
    bad = textgen.compare("rich vocabulary", textgen.probe_ids(out, 512, texts), want, texts)
    return bad + saved(rng, out, "rich", tokenizer, words, "save", work)


def saved(rng, folder, name, tokenizer, words, how, work):
    """A folder that we wrote reads the same in transformers."""
    out = os.path.join(work, f"{name}-{how}")
    os.mkdir(out)
    textgen.probe([how, folder, out])
    with open(os.path.join(out, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"model_type": "bert"}, file)
    texts = list(textgen.strings(rng, 1500, words))
    want = reference(tokenizer, texts, LIMIT)
    bad = textgen.compare(f"{name} {how}, AutoTokenizer", reference(backend(out), texts, LIMIT),
                          want, texts)
    raw = Tokenizer.from_file(os.path.join(out, "tokenizer.json"))
    bad += textgen.compare(f"{name} {how}, tokenizer.json", reference(raw, texts, LIMIT), want,
                           texts)
    os.remove(os.path.join(out, "tokenizer.json"))
    bad += textgen.compare(f"{name} {how}, vocab.txt", reference(backend(out), texts, LIMIT), want,
                           texts)
    bad += textgen.compare(f"{name} {how}, ours", textgen.probe_ids(out, LIMIT, texts), want, texts)
    return bad


def variants(base):
    """Documents that differ from a usual one, each with a name."""
    for bits in range(16):
        doc = copy.deepcopy(base)
        doc["normalizer"].update(clean_text=bool(bits & 1), handle_chinese_chars=bool(bits & 2),
                                 lowercase=bool(bits & 4), strip_accents=bool(bits & 8))
        yield f"normalizer {bits:04b}", doc
    doc = copy.deepcopy(base)
    doc["normalizer"] = None
    yield "no normalizer", doc
    doc = copy.deepcopy(base)
    doc["pre_tokenizer"] = None
    yield "no pre-tokenizer", doc
    doc = copy.deepcopy(base)
    doc["model"].update(max_input_chars_per_word=5)
    yield "short words", doc
    doc = copy.deepcopy(base)
    doc["model"]["continuing_subword_prefix"] = ""
    yield "no prefix", doc
    doc = copy.deepcopy(base)
    doc["model"]["continuing_subword_prefix"] = "~~"
    doc["model"]["vocab"] = {k.replace("##", "~~", 1) if k.startswith("##") else k: v
                             for k, v in doc["model"]["vocab"].items()}
    yield "another prefix", doc
    tokenizer = Tokenizer.from_str(json.dumps(base))
    tokenizer.add_tokens([
        AddedToken("enak", normalized=True), AddedToken("Enak Sekali", normalized=True),
        AddedToken("tidak", single_word=True), AddedToken("<kiri>", lstrip=True, normalized=False),
        AddedToken("<kanan>", rstrip=True, normalized=False), AddedToken("\u00C9t\u00C9"),
        AddedToken("<<", lstrip=True, rstrip=True, normalized=False),
        AddedToken("<<<", normalized=False), AddedToken(" a ", normalized=False),
        AddedToken("bukan", single_word=True, normalized=False),
        AddedToken("[sep]", special=True)])
    doc = json.loads(tokenizer.to_str())
    yield "added tokens", doc
    yield "added tokens, no pre-tokenizer", dict(doc, pre_tokenizer=None)


def odd_files(rng, folder, words, work):
    bad = 0
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as file:
        base = json.load(file)
    extra = ["enak", "Enak Sekali", "ENAK", "tidak", "tidakkah", " <kiri>", "<kiri>", "<kanan> ",
             "<<", "<<<", "<<<<", "\u00E9t\u00E9", "\u00C9T\u00C9", "bukan", "bukan_", " a ",
             "[sep]",
             "\u24B6", "\u0301", "\u200D", "\u3000", "_", "-"]
    for number, (name, doc) in enumerate(variants(base)):
        out = os.path.join(work, f"variant{number}")
        os.mkdir(out)
        path = os.path.join(out, "tokenizer.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(doc, file)
        texts = list(textgen.strings(rng, 200, words))
        texts += ["".join(rng.choice(extra + words[:20]) + rng.choice(["", " ", " ", "\u00A0"])
                          for _ in range(rng.randint(1, 20))) for _ in range(400)]
        want = reference(Tokenizer.from_file(path), texts, LIMIT)
        bad += textgen.compare(name, textgen.probe_ids(out, LIMIT, texts), want, texts)
        again = os.path.join(out, "again")
        os.mkdir(again)
        textgen.probe(["json", out, again])
        second = Tokenizer.from_file(os.path.join(again, "tokenizer.json"))
        bad += textgen.compare(f"{name}, written again", reference(second, texts, LIMIT), want,
                               texts)
        shutil.rmtree(out)
    return bad


def word_borders(folder, work):
    """Which characters a single_word token takes as part of a word: the boundary's definition."""
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tokenizer.add_tokens([AddedToken("<x>", single_word=True, normalized=False)])
    out = os.path.join(work, "borders")
    os.mkdir(out)
    tokenizer.save(os.path.join(out, "tokenizer.json"))
    texts = [f"{chr(c)}<x>" for c in range(0x110000)
             if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
    return textgen.compare("word borders", textgen.probe_ids(out, 16, texts),
                           reference(tokenizer, texts, 16), texts)


def main():
    rng = random.Random(textgen.seed())
    bert = os.path.join(textgen.DATA, "indobert-base-p2")
    e5 = os.path.join(textgen.DATA, "e5-small-id")
    if not os.path.isdir(bert) or not os.path.isdir(e5):
        print("SKIP: no indobert-base-p2 or e5-small-id in RINGKAS_DATA")
        return 77
    words = sorted({w for _, texts in textgen.rows() for t in texts[:500] for w in t.split()})
    from_file = Tokenizer.from_file(os.path.join(bert, "tokenizer.json"))
    from_vocab = backend(e5)
    bad = smsa(bert, "indobert", from_file, ("none", "seed", "lower,collapse"))
    bad += smsa(e5, "e5", from_vocab, ("none", "seed"))
    bad += generated(rng, bert, "indobert", from_file, words, GENERATED)
    bad += generated(rng, e5, "e5", from_vocab, words, VARIED // 4)
    bad += every_limit(rng, bert, "indobert", from_file, words)
    bad += same_words(rng, bert, from_file, words)
    with tempfile.TemporaryDirectory() as work:
        for how in ("save", "json"):
            bad += saved(rng, bert, "indobert", from_file, words, how, work)
        bad += saved(rng, e5, "e5", from_vocab, words, "save", work)
        bad += rich(rng, from_file, words, work)
        bad += odd_files(rng, bert, words, work)
        bad += word_borders(bert, work)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
