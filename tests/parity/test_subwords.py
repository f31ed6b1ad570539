#!/usr/bin/env python3
"""Ids equal the `tokenizers` package's for Unigram and BPE models, trained here by its own trainers:
on 50,000 generated strings each, on all SmSA rows, on variants of every step, and read back from
what we wrote."""
import json
import os
import random
import struct
import sys
import tempfile
import time
import unicodedata

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)

import textgen

GENERATED = 50000
LIMIT = 128
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def double_array(entries):
    """A table of replacements as SentencePiece's: {bytes: offset} as a double array of units."""
    root = {}
    for key, value in entries.items():
        node = root
        for byte in key:
            node = node.setdefault(byte, {})
        node[-1] = value
    units, used, free = [0] * 1024, {0}, 1
    stack = [(root, 0)]
    while stack:
        node, at = stack.pop()
        labels = [0 if byte == -1 else byte for byte in node]
        base = free
        while True:
            if all((base ^ label) not in used and base ^ label for label in labels) and \
                    ((at ^ base) < 1 << 21 or not (at ^ base) & 0xFF):
                break
            base += 1
        while free in used:
            free += 1
        while len(units) <= base | 0xFF:
            units.append(0)
        offset = at ^ base
        units[at] |= offset << 10 if offset < 1 << 21 else offset << 2 | 1 << 9
        for byte, child in node.items():
            to = base ^ (0 if byte == -1 else byte)
            used.add(to)
            if byte == -1:
                units[at] |= 1 << 8
                units[to] = child | 1 << 31
            else:
                units[to] |= byte
                stack.append((child, to))
    return units


def charsmap():
    """Like nmt_nfkc: what NFKC changes in characters and in letters with a mark, white space to a
    space, controls to nothing."""
    table = {}
    for c in range(1, 0x3400):
        if c == 0x2581:
            continue
        s = chr(c)
        to = unicodedata.normalize("NFKC", s)
        if s.isspace():
            to = " "
        elif unicodedata.category(s) == "Cc":
            to = ""
        if to != s:
            table[s] = to
    for letter in "aeiouAEIOUnN":
        for mark in "\u0300\u0301\u0303\u0308":
            s = unicodedata.normalize("NFC", letter + mark)
            if len(s) == 1:
                table[letter + mark] = s
    blob, entries = b"", {}
    for s, to in table.items():
        entries[s.encode()] = len(blob)
        blob += to.encode() + b"\0"
    raw = struct.pack("<%dI" % len(units := double_array(entries)), *units)
    return struct.pack("<I", len(raw)) + raw + blob


def train(tokenizer, texts, size):
    kind = type(tokenizer.model).__name__
    if kind == "Unigram":
        trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=SPECIALS,
                                          unk_token="<unk>", show_progress=False)
    else:
        alphabet = pre_tokenizers.ByteLevel.alphabet() if "ByteLevel" in str(
            tokenizer.pre_tokenizer) else []
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIALS, show_progress=False,
                                      initial_alphabet=alphabet)
    # our JSON reader takes no NUL in a token
    tokenizer.train_from_iterator((t.replace("\0", "") for t in texts), trainer)
    frame(tokenizer)
    return tokenizer


def frame(tokenizer):
    ids = [(t, tokenizer.token_to_id(t)) for t in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=ids)


def unigram(texts):
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(),
                                         normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    return train(t, texts, 6000)


def byte_level(texts):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t = train(t, texts, 3000)
    ids = [(x, t.token_to_id(x)) for x in ("</s>", "<s>")]
    t.post_processor = processors.RobertaProcessing(*ids, trim_offsets=True, add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    return t


def check(what, tokenizer, texts, work, limit=LIMIT, again=False):
    """The differences between the package and us; again: through what we write, too."""
    folder = os.path.join(work, "folder")
    os.makedirs(folder, exist_ok=True)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    # Read from the file as we do: scores are rounded on the way.
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tokenizer.enable_truncation(limit)
    want = [e.ids for e in tokenizer.encode_batch(texts)]
    got = textgen.probe_ids(folder, limit, texts)
    bad = textgen.compare(what, got, want, texts)
    if again:
        for how in ("save", "json"):
            out = os.path.join(work, "out")
            os.makedirs(out, exist_ok=True)
            textgen.probe([how, folder, out])
            bad += textgen.compare(f"{what}, {how}, ours", textgen.probe_ids(out, limit, texts), want,
                                   texts)
            other = Tokenizer.from_file(os.path.join(out, "tokenizer.json"))
            other.no_padding()
            other.enable_truncation(limit)
            bad += textgen.compare(f"{what}, {how}, tokenizers",
                                   [e.ids for e in other.encode_batch(texts)], want, texts)
    return bad


def norms(table):
    n = normalizers
    yield "none", None
    yield "NFC", n.NFC()
    yield "NFD", n.NFD()
    yield "NFKC", n.NFKC()
    yield "NFKD", n.NFKD()
    yield "lower", n.Lowercase()
    yield "strip", n.Strip()
    yield "strip left", n.Strip(left=True, right=False)
    yield "NFD, marks, lower", n.Sequence([n.NFD(), n.StripAccents(), n.Lowercase()])
    yield "BERT's, strip", n.Sequence([n.BertNormalizer(), n.Strip()])
    yield "table", n.Precompiled(table)
    yield "table, blanks", n.Sequence([n.Precompiled(table), n.Replace(Regex(" {2,}"), " ")])
    yield "quotes, NFKD, marks, lower, table", n.Sequence(
        [n.Replace("``", '"'), n.Replace("''", '"'), n.NFKD(), n.StripAccents(), n.Lowercase(),
         n.Precompiled(table)])
    yield "prepend, replace", n.Sequence([n.Prepend("\u2581"), n.Replace(" ", "\u2581")])
    yield "lines, blanks, strip", n.Sequence([n.Replace(Regex(r"[\n\r\t]"), " "),
                                              n.Replace(Regex(r"\s+"), " "), n.Strip()])
    yield "Nmt, prepend", n.Sequence([n.Nmt(), n.Prepend("a")])


def splits():
    p = pre_tokenizers
    for scheme in ("always", "first", "never"):
        for split in (True, False):
            yield f"metaspace {scheme} {split}", p.Metaspace(prepend_scheme=scheme, split=split)
    yield "white space, metaspace", p.Sequence([p.WhitespaceSplit(), p.Metaspace()])
    yield "white space, metaspace first", p.Sequence([p.WhitespaceSplit(),
                                                      p.Metaspace(prepend_scheme="first")])
    yield "words", p.Whitespace()
    yield "BERT's", p.BertPreTokenizer()
    yield "BERT's, digits", p.Sequence([p.BertPreTokenizer(), p.Digits()])
    yield "digits, one by one", p.Digits(individual_digits=True)
    for behavior in ("removed", "isolated", "contiguous", "merged_with_previous",
                     "merged_with_next"):
        yield f"punctuation {behavior}", p.Punctuation(behavior)
        for invert in (False, True):
            yield f"blank {behavior} {invert}", p.Split(" ", behavior, invert)
            yield f"white space {behavior} {invert}", p.Split(Regex(r"\s+"), behavior, invert)
    yield "bytes", p.ByteLevel(add_prefix_space=False)
    yield "bytes, prefix", p.ByteLevel(add_prefix_space=True)
    yield "bytes, no pattern", p.ByteLevel(add_prefix_space=True, use_regex=False)
    for name, regex in (("GPT-2", GPT2), ("Llama 3", LLAMA3), ("Qwen 2", QWEN2)):
        yield f"bytes, {name}", p.Sequence([p.Split(Regex(regex), "isolated"),
                                            p.ByteLevel(add_prefix_space=False, use_regex=False)])


def document(tokenizer):
    return json.loads(tokenizer.to_str())


def changed(tokenizer, normalizer, pre_tokenizer):
    t = Tokenizer.from_str(tokenizer.to_str())
    t.normalizer = normalizer or normalizers.Sequence([])
    if pre_tokenizer:
        t.pre_tokenizer = pre_tokenizer
    return t


def added(t):
    t.add_tokens([AddedToken("enak", normalized=True), AddedToken("tidak", single_word=True),
                  AddedToken("<kiri>", lstrip=True, normalized=False),
                  AddedToken("<kanan>", rstrip=True, normalized=False)])
    return t


def model_variants(base, char_bpe):
    """BPE and Unigram models that differ in their own switches."""
    for key in ("byte_fallback", "ignore_merges", "fuse_unk"):
        doc = document(char_bpe)
        doc["model"].update({key: True, "unk_token": "<unk>"})
        if key == "byte_fallback":
            for b in range(256):
                doc["model"]["vocab"][f"<0x{b:02X}>"] = len(doc["model"]["vocab"])
        yield f"BPE {key}", Tokenizer.from_str(json.dumps(doc))
    doc = document(char_bpe)
    doc["model"]["unk_token"] = None
    yield "BPE, nothing unknown", Tokenizer.from_str(json.dumps(doc))
    doc = document(base)
    doc["model"]["byte_fallback"] = True
    doc["model"]["vocab"] += [[f"<0x{b:02X}>", 0.0] for b in range(256)]
    yield "Unigram byte_fallback", Tokenizer.from_str(json.dumps(doc))
    doc = document(base)
    doc["model"]["vocab"] += [["enak", -3.0], ["\u2581enak", -20.0], ["enak", -30.0]]
    yield "Unigram, doubles", Tokenizer.from_str(json.dumps(doc))


def marked_bpe(texts):
    t = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##",
                             end_of_word_suffix="</w>"))
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=SPECIALS, show_progress=False,
                                  continuing_subword_prefix="##", end_of_word_suffix="</w>")
    t.train_from_iterator(texts, trainer)
    frame(t)
    return t


def known(ch):
    """Clusters are cut by the Unicode version of the library on each side: a mark that only the newer one
    knows is cut otherwise, so no characters but those that both know, or that no version has."""
    return unicodedata.category(ch) != "Cn" or ord(ch) >= 0x40000


def main():
    begun = time.time()
    rng = random.Random(textgen.seed())
    table = charsmap()
    smsa = [t for _, texts in textgen.rows() for t in texts]
    words = sorted({w for t in smsa[:1500] for w in t.split()})
    print(f"{time.time() - begun:.0f} s: texts")
    mixed = smsa[:3000] + list(textgen.strings(rng, 300, words, known))
    uni = unigram(mixed)
    print(f"{time.time() - begun:.0f} s: Unigram trained")
    bpe = byte_level(mixed)
    print(f"{time.time() - begun:.0f} s: BPE trained")
    char_bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    char_bpe.pre_tokenizer = pre_tokenizers.Metaspace()
    train(char_bpe, smsa[:2000], 1500)
    some = list(textgen.strings(rng, 600, words, known))
    some += ["".join(rng.choice(["enak", "tidak", " <kiri>", "<kanan> ", "<s>", " ", "  ", "\n", "``",
                                 "''", "'S", "'\u017F", "'ll", "12345", "\u2581", "ENAK", "e\u0301",
                                 "\r\n", "<unk>", "<mask>", "\u00BD", "\u2460", "\u3000"]
                                + words[:30]) for _ in range(rng.randint(1, 20)))
             for _ in range(600)]
    bad = 0
    with tempfile.TemporaryDirectory() as work:
        for name, t in (("Unigram", uni), ("byte-level BPE", bpe)):
            texts = list(textgen.strings(rng, GENERATED, words, known))
            bad += check(f"{name}, generated", t, texts, work)
            bad += check(f"{name}, SmSA", t, smsa, work)
            for limit in (2, 3, 9):
                bad += check(f"{name}, at most {limit}", t, some, work, limit)
            bad += check(f"{name}, written again", t, some, work, LIMIT, True)
        every = ["".join(f"a{chr(c)} {chr(c)}\u0301b" for c in range(first, first + 32)
                         if not 0xD800 <= c < 0xE000)
                 for first in [*range(0, 0x33000, 32), *range(0xE0000, 0xE0200, 32)]]
        for name, n in norms(table):
            t = added(changed(uni, n, None))
            bad += check(f"normaliser {name}", t, some, work, LIMIT, True)
        for name in ("NFC", "NFKC", "NFKD", "table"):
            t = changed(bpe, dict(norms(table))[name], None)
            bad += check(f"normaliser {name}, every character", t, every, work, 2000)
        for name, p in splits():
            base = bpe if name.startswith("bytes") else uni
            bad += check(f"parted by {name}", added(changed(base, None, p)), some, work, LIMIT, True)
            t = changed(base, normalizers.Sequence([normalizers.Strip(),
                                                    normalizers.Precompiled(table)]), p)
            bad += check(f"parted by {name}, strip and table", added(t), some, work)
        for name, t in model_variants(uni, char_bpe):
            bad += check(name, t, some, work, LIMIT, True)
        bad += check("BPE, characters", char_bpe, some, work, LIMIT, True)
        bad += check("BPE, prefix and suffix", marked_bpe(smsa[:2000]), some, work, LIMIT, True)
        long = ["a" * 20000 + " " + "enak" * 5000, "\u0301" * 9000, "<unk>" * 3000]
        for name, t in (("Unigram", uni), ("byte-level BPE", bpe), ("BPE", char_bpe)):
            bad += check(f"{name}, long words", t, long, work, 100000)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
