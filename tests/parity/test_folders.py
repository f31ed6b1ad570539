#!/usr/bin/env python3
"""`ringkas tokenize FOLDER` gives the ids of transformers' AutoTokenizer on folders as save_pretrained
writes them: XLM-R, e5 (a BERT with XLM-R's tokenizer), RoBERTa, GPT-2, T5, ALBERT and BERT with every
switch, vocabularies trained here. ("never_split" is passed over by today's transformers, and so by us.)"""
import json
import os
import random
import subprocess
import sys
import tempfile

import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

import textgen

GENERATED = 2000
RINGKAS = os.environ["RINGKAS"]
SAMPLE = os.path.join(os.environ.get("RK_SOURCE", "."), "data", "sample")


def sample():
    texts = []
    for name in ("train.tsv", "valid.tsv"):
        with open(os.path.join(SAMPLE, name), encoding="utf-8") as rows:
            texts += [line.rsplit("\t", 1)[0] for line in rows]
    return texts


def unigram_pieces(texts, specials):
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.NFKC()
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.train_from_iterator(texts, trainers.UnigramTrainer(
        vocab_size=1200, special_tokens=specials, unk_token="<unk>", show_progress=False))
    return [tuple(p) for p in json.loads(t.to_str())["model"]["vocab"]]


def byte_pieces(texts, specials):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=1200, special_tokens=specials, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(t.to_str())["model"]
    return model["vocab"], [tuple(m) for m in model["merges"]]


def word_pieces(texts, lower):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=lower)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(texts, trainers.WordPieceTrainer(
        vocab_size=1200, show_progress=False,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    return t.get_vocab()


def folders(texts):
    """(name, configuration, tokenizer)"""
    tf = transformers
    tiny = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    xlmr = unigram_pieces(texts, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    t5 = unigram_pieces(texts, ["<pad>", "</s>", "<unk>"])
    albert = unigram_pieces([t.lower() for t in texts], ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"])
    vocab, merges = byte_pieces(texts, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    gpt, gpt_merges = byte_pieces(texts, ["<|endoftext|>"])
    yield "xlm-roberta", tf.XLMRobertaConfig(vocab_size=len(xlmr), **tiny), \
        tf.XLMRobertaTokenizer(vocab=xlmr, model_max_length=40)
    yield "e5", tf.BertConfig(vocab_size=len(xlmr), max_position_embeddings=48, **tiny), \
        tf.XLMRobertaTokenizer(vocab=xlmr, model_max_length=48)
    for prefix in (False, True):
        yield f"roberta, prefix space {prefix}", tf.RobertaConfig(vocab_size=len(vocab), **tiny), \
            tf.RobertaTokenizer(vocab=vocab, merges=merges, add_prefix_space=prefix, model_max_length=64)
        yield f"gpt2, prefix space {prefix}", tf.GPT2Config(vocab_size=len(gpt), n_embd=8, n_layer=1,
                                                            n_head=2), \
            tf.GPT2Tokenizer(vocab=gpt, merges=gpt_merges, add_prefix_space=prefix, model_max_length=64)
    yield "t5", tf.T5Config(vocab_size=len(t5) + 100, d_model=8, d_ff=8, num_layers=1), \
        tf.T5Tokenizer(vocab=t5, model_max_length=64)
    for lower in (False, True):
        for keep in (False, True):
            yield f"albert, lower {lower}, keep accents {keep}", \
                tf.AlbertConfig(vocab_size=len(albert), **tiny), \
                tf.AlbertTokenizer(vocab=albert, do_lower_case=lower, keep_accents=keep,
                                   model_max_length=64)
    for lower in (False, True):
        for strip in (None, False, True):
            for han in (False, True):
                pieces = word_pieces(texts, lower)
                yield f"bert, lower {lower}, strip {strip}, han {han}", \
                    tf.BertConfig(vocab_size=len(pieces), max_position_embeddings=64, **tiny), \
                    tf.BertTokenizer(vocab=pieces, do_lower_case=lower, strip_accents=strip,
                                     tokenize_chinese_chars=han, model_max_length=64,
                                     never_split=["enak!", "C++"])


def ours(folder, texts):
    got = subprocess.run([RINGKAS, "tokenize", folder], input="".join(t + "\n" for t in texts).encode(),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if got.returncode:
        sys.exit(f"ringkas tokenize: exit {got.returncode}: {got.stderr.decode()[-600:]}")
    return [[int(x) for x in line.split()] for line in got.stdout.decode().split("\n")[:-1]]


def learned(folder, texts):
    """What `ringkas init` makes, a vocabulary learned from rows, is a whole model for transformers."""
    subprocess.run([RINGKAS, "init", "--train", os.path.join(SAMPLE, "train.tsv"), "--layers", "1",
                    "--hidden", "16", "--heads", "2", "--vocab-size", "700", "--max-length", "64",
                    "--out", folder, "--quiet"], check=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, output_loading_info=True)
    off = [k for k in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[k]]
    if off or model.config.vocab_size != len(tokenizer) or len(tokenizer) > 700:
        print(f"init: {off}, {model.config.vocab_size} rows for {len(tokenizer)} tokens")
        return 1
    model(**tokenizer(texts[:4], return_tensors="pt", truncation=True, padding=True))
    want = tokenizer(texts, truncation=True, max_length=64)["input_ids"]
    known = sum(i != tokenizer.unk_token_id for ids in want for i in ids) / sum(map(len, want))
    print(f"init: {len(tokenizer)} tokens, {known:.3f} of the ids known")
    return textgen.compare("init", ours(folder, texts), want, texts)


def main():
    rng = random.Random(textgen.seed())
    texts = sample()
    words = sorted({w for t in texts for w in t.split()})
    # a text is a line here
    asked = [t.replace("\n", " ").replace("\r", " ").replace("\0", "") for t in textgen.strings(
        rng, GENERATED, words)] + texts[:500] + ["enak! C++ enak", "<s> a</s> <mask>b <extra_id_3>c", ""]
    with tempfile.TemporaryDirectory() as folder:
        bad = learned(os.path.join(folder, "init"), asked)
    for name, config, tokenizer in folders(texts):
        with tempfile.TemporaryDirectory() as folder:
            config.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            again = transformers.AutoTokenizer.from_pretrained(folder)
            want = again(asked, truncation=True)["input_ids"]
            bad += textgen.compare(f"{name} ({type(again).__name__})", ours(folder, asked), want, asked)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
