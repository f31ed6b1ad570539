#!/usr/bin/env python3
"""What public issue threads say goes wrong between a text and its ids, one case each, named by the
threads: ids beside transformers' tokenizer where there are ids, a clear refusal where there are none.
The table of tests/README.md lists them with the other tests of the same kinds of fault."""
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import unicodedata

import transformers
from Sastrawi.StopWordRemover.StopWordRemoverFactory import StopWordRemoverFactory

import textgen
from test_folders import ours, sample, word_pieces

RINGKAS = os.environ["RINGKAS"]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
failures = []


def expect(what, holds, more=""):
    print(f"{what}: {'as it should be' if holds else 'WRONG ' + more}")
    if not holds:
        failures.append(what)


def folder(work, name, vocab, config=None, **sizes):
    """A BERT folder of vocab.txt (bytes, or tokens) and, where given, tokenizer_config.json."""
    path = os.path.join(work, name)
    os.mkdir(path)
    if not isinstance(vocab, bytes):
        vocab = "".join(t + "\n" for t in vocab).encode()
    with open(os.path.join(path, "vocab.txt"), "wb") as file:
        file.write(vocab)
    count = vocab.count(b"\n") + 1
    bert = dict(model_type="bert", vocab_size=count, hidden_size=8, num_hidden_layers=1,
                num_attention_heads=2, intermediate_size=8, max_position_embeddings=512)
    for file, what in (("config.json", {**bert, **sizes}), ("tokenizer_config.json", config)):
        if what is not None:
            with open(os.path.join(path, file), "w", encoding="utf-8") as out:
                json.dump(what, out)
    return path


def theirs(path):
    return transformers.AutoTokenizer.from_pretrained(path)


def same(what, path, texts):
    want = theirs(path)(texts, truncation=True, max_length=512)["input_ids"]
    if textgen.compare(what, ours(path, texts), want, texts):
        failures.append(what)
    return want


def refuses(what, path, *says):
    got = subprocess.run([RINGKAS, "tokenize", path], input=b"a\n", capture_output=True, check=False)
    line = got.stderr.decode()
    expect(what, got.returncode == 1 and line.count("\n") == 1 and not got.stdout
           and all(s in line for s in says), line)


def tables(rng, work, vocab):
    """Strings: each family in every setting of the switches."""
    words = [w for w in vocab if w.isalpha()]
    pieces = [w.removeprefix("##") for w in vocab if w not in SPECIALS]
    symbols = [chr(c) for c in range(0x21, 0x7F) if not chr(c).isalnum()] + [
        chr(c) for c in range(0xA0, 0x30000)    # U+FFFD is removed by rule
        if unicodedata.category(chr(c))[0] == "S" and c != 0xFFFD]
    han = ["\u4E2D\u6587", "\u3042\u30AB\u30AB", "\uAC00\uB098\uB2E4", "\U00020000\U0002A6DF", "\uF900"]
    controls = [chr(c) for c in (*range(1, 10), 0xB, 0xC, *range(0xE, 0x20), *range(0x7F, 0xA1), 0x2028,
                                 0x2029, 0x200B, 0xFEFF)]
    families = {
        "ggml-org/llama.cpp#5496 (longest match)": ["".join(rng.choice(pieces) for _ in range(
            rng.randint(1, 5))) for _ in range(20000)] + words,
        "huggingface/transformers#2917 #6186, huggingface/tokenizers#219 (accents)": [
            "na\u00EFve nai\u0308ve \u00E9 e\u0301 \u00C9", "Za\u017C\u00F3\u0142\u0107 g\u0119\u015Bl\u0105",
            "\u0130stanbul I\u0307 \u0131 Ii", "stra\u00DFe STRASSE \u1E9E", "a\u0323\u0301b a\u0301\u0323b"],
        "skeskinen/bert.cpp#1 #35 (CJK)": [a + m + b for a in han for m in ("", " ", "enak", "!")
                                           for b in han],
        "dotnet/machinelearning#7725 (symbols)": [f"{a}{s}b {s}" for s in symbols for a in ("", "a")],
        "huggingface/tokenizers#404 (runs of the unknown)": [
            c * n + t for c in ("\U0001F4A9", "\u0E01", "\U0001F44D\U0001F3FD")
            for n in (1, 2, 3, 99, 100, 101) for t in ("", " enak", "enak")],
        "tensorflow/text#817 (controls)": [f"enak{c}sekali {c} {c}{c}" for c in controls],
        "huggingface/tokenizers#787, bojone/bert4keras#223, NVIDIA/TensorRT-Model-Connect PR#1279 ([SEP] "
        "typed)": [f"enak{a}{s}{b}sekali" for s in SPECIALS + ["[sep]", "[ SEP ]", "[SEP", "[[CLS]]"]
                   for a in ("", " ") for b in ("", " ")]}
    for lower in (True, False):
        for chinese in (True, False):
            path = folder(work, f"bert-{lower}-{chinese}", vocab, {
                "tokenizer_class": "BertTokenizer", "do_lower_case": lower,
                "tokenize_chinese_chars": chinese})
            for what, texts in families.items():
                ids = same(f"{what}, lower {lower}, Han {chinese}", path, texts)
                if "7725" in what:
                    gone = [t for t, i in zip(texts, ids) if len(i) < 4]
                    expect(f"{what}: none vanishes", not gone, repr(gone[:9]))


def files(work, vocab):
    """vocab.txt as people have it."""
    threads = "huggingface/tokenizers#742 #168"
    for lacking in SPECIALS[:4]:
        refuses(f"{threads}: no {lacking}", folder(work, f"no{lacking}", [t for t in vocab if t != lacking]),
                lacking)
    refuses(f"{threads}: <unk> for [UNK]", folder(work, "unk", [
        "<unk>" if t == "[UNK]" else t for t in vocab]), "[UNK]")
    texts = sample()[:300] + ["enak sekali", "\u00E9"]
    body = "\n".join(vocab).encode()
    plain = ours(folder(work, "plain", body + b"\n"), texts)
    for name, data in (("CRLF", body.replace(b"\n", b"\r\n") + b"\r\n"), ("no last line end", body),
                       ("BOM", b"\xef\xbb\xbf" + body + b"\n")):
        expect(f"{threads}: {name}", ours(folder(work, name, data), texts) == plain)
    same(f"{threads}: blank last line", folder(work, "blank", body + b"\n\n"), texts)
    same(f"{threads}: a token twice", folder(work, "twice", [*vocab, vocab[len(vocab) // 2]]), texts)

    thread = "IndoNLP/indonlu#33"
    expect(f"{thread}, TK-09: more rows than tokens", ours(folder(work, "rows", vocab, vocab_size=50000),
                                                    texts) == plain)
    refuses(f"{thread}, TK-08, VO-14: fewer rows", folder(work, "few", vocab, vocab_size=100),
            str(len(vocab)), "100")

    threads = "allenai/scibert#79, dmis-lab/biobert-pytorch#24"
    cased = ["ENAK Enak enak \u00C9"]
    bare = same(f"{threads}: vocab.txt alone", folder(work, "alone", vocab), cased)
    told = same(f"{threads}: told to keep case", folder(work, "cased", vocab, {
        "tokenizer_class": "BertTokenizer", "do_lower_case": False}), cased)
    expect(f"{threads}: the two differ", bare != told)
    path = folder(work, "contradicts", vocab)
    theirs(path).save_pretrained(path)    # a tokenizer.json that lower-cases
    with open(os.path.join(path, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump({"do_lower_case": False}, file)
    refuses(f"{threads}: contradiction", path, "do_lower_case", "tokenizer_config.json")


def rows(work, vocab):
    """Data files with quotes in them."""
    threads = "pytorch/text#612 #349, pola-rs/polars#22312, kakaobrain/kor-nlu-datasets PR#8"
    path = folder(work, "for-rows", vocab)
    quoted = ['"enak', 'enak"', '"', '""', '"enak" sekali', "'enak", '"a\'"', 'en"ak', '"enak""']

    def load(name, content):
        file = os.path.join(work, name)
        with open(file, "w", encoding="utf-8", newline="") as out:
            out.write(content)
        return textgen.probe(["rows", file, 1, 64, path, "none"]).decode().splitlines()

    got = load("q.tsv", "".join(f"{t}\tpositive\n" for t in quoted))
    expect(f"{threads}: a TSV row a line", len(got) == len(quoted), str(len(got)))
    expect(f"{threads}: with the ids of the text as it stands",
           [[int(x) for x in line.split()] for line in got] == theirs(path)(quoted)["input_ids"])
    expect(f"{threads}: a CSV row over two lines", len(load("q.csv", 'text,label\n"a\n""b""",x\nc,y\n')) == 2)
    with open(os.path.join(work, "bad.csv"), "w", encoding="utf-8") as out:
        out.write('a,x\nb,y\n"c,x\n')
    got = subprocess.run([textgen.PROBE, "rows", os.path.join(work, "bad.csv"), "1", "64", path, "none"],
                         capture_output=True, check=False)
    expect(f"{threads}: the line of the first bad row", b"bad.csv:3:" in got.stderr, got.stderr.decode())


def stop_words(rng):
    thread = "har07/PySastrawi#11 #7"
    stop = StopWordRemoverFactory().get_stop_words()
    texts = [" ".join(stop), " ".join(reversed(stop)), "yang yang yang", "YANG Yang yang makan",
             " ".join(w.upper() for w in stop)]
    words = stop + [w for t in sample() for w in t.split()]
    texts += [" ".join(rng.choice(words) for _ in range(15)) for _ in range(100000)]
    as_set = set(stop)
    want = [" ".join(w for w in re.sub(r"\s+", " ", re.sub(r"[^a-z\s]", "", t.lower())).strip().split()
                     if w not in as_set) for t in texts]
    began = time.perf_counter()
    got = textgen.probe_clean("seed", texts)
    seconds = time.perf_counter() - began
    if textgen.compare(thread, got, want, texts):
        failures.append(thread)
    expect(f"{thread}: only stop words leave nothing",
           [got[2], *textgen.probe_clean("stopwords", texts[:3])] == [""] * 4)
    expect(f"{thread}: 100,000 tweets in seconds", seconds < 30, f"{seconds:.1f} s")


def main():
    rng = random.Random(textgen.seed())
    vocab = [t for t, _ in sorted(word_pieces(sample(), True).items(), key=lambda item: item[1])]
    vocab += ["\u4E2D", "\u6587", "\u3042", "\uAC00", "$", "+", "\u00B0", "e\u0301", "\u00E9", "##\u00E9"]
    vocab = list(dict.fromkeys(vocab))
    with tempfile.TemporaryDirectory() as work:
        tables(rng, work, vocab)
        files(work, vocab)
        rows(work, vocab)
    stop_words(rng)
    print(f"{len(failures)} failures", *failures, sep="\n  ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
