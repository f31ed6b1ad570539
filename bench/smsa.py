"""Rows of SmSA, and their ids by the tokenizer that all sides share."""
import settings


def rows(split):
    """(text, label name) of every row, in the file's order."""
    lines = (settings.DATA / "smsa" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()
    return [tuple(line.rsplit("\t", 1)) for line in lines]


def write(path, pairs):
    path.write_text("".join(f"{text}\t{label}\n" for text, label in pairs), encoding="utf-8")


def encode(texts):
    """Ids with [CLS] and [SEP], cut to 128 tokens, not padded."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(settings.ENCODER / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(settings.MAX_LENGTH)
    return [e.ids for e in tokenizer.encode_batch(texts)]
