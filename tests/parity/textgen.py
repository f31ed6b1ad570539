"""Strings that tokenizers and cleaners stumble over (TS-16), from a seed; the probe that answers them."""
import os
import random
import struct
import subprocess
import sys
import unicodedata

PROBE = os.path.join(os.environ.get("RK_BUILD", "build"), "probe", "text_probe")
DATA = os.environ.get("RINGKAS_DATA", "")

# First and last character of scripts and blocks, of every plane that has any.
BLOCKS = [(0x20, 0x7E), (0x00, 0x9F), (0xA0, 0x17F), (0x180, 0x24F), (0x250, 0x36F), (0x370, 0x3FF),
          (0x400, 0x52F), (0x531, 0x5F4), (0x600, 0x6FF), (0x700, 0x74F), (0x7C0, 0x8FF),
          (0x900, 0xDFF), (0xE01, 0xE5B), (0xE81, 0xFDA), (0x1000, 0x109F), (0x10A0, 0x10FF),
          (0x1100, 0x11FF), (0x1200, 0x139F), (0x13A0, 0x167F), (0x1680, 0x18AF), (0x1900, 0x1CFF),
          (0x1D00, 0x1DFF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x20FF),
          (0x2100, 0x218F), (0x2190, 0x23FF), (0x2460, 0x25FF), (0x2600, 0x27BF), (0x2C00, 0x2DFF),
          (0x2E00, 0x2E7F), (0x2E80, 0x2FDF), (0x3000, 0x30FF), (0x3130, 0x33FF), (0x3400, 0x4DBF),
          (0x4E00, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0xF900, 0xFAFF),
          (0xFB00, 0xFDFF), (0xFE00, 0xFEFF), (0xFF00, 0xFFFF), (0x10000, 0x10FFF),
          (0x11000, 0x11FFF), (0x12000, 0x16FFF), (0x1B000, 0x1BCFF), (0x1CF00, 0x1D7FF),
          (0x1D800, 0x1EFFF), (0x1F000, 0x1FAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2FA1F),
          (0x30000, 0x323AF), (0xE0000, 0xE01EF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD)]
MARKS = [c for c in range(0x300, 0x1E950) if unicodedata.category(chr(c)) in ("Mn", "Mc", "Me")]
ORDERED = [0x302E, 0x302F, 0x1D165, 0x1D16D, 0x1D16E, 0x1B44, 0xA953, 0x1DFB, 0x8D4, 0x1E000,
           0x1E94A, 0x11446, 0x941, 0x1ABF, 0x10F46]
SPACES = [*range(9, 14), *range(0x1C, 0x21), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028,
          0x2029, 0x202F, 0x205F, 0x3000, 0x180E, 0x200B, 0xFEFF]
PIECES = ["[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]", "[sep]", "[ SEP ]", "[SEP", "[[SEP]]",
          "\U0001F468\u200D\U0001F469\u200D\U0001F467", "\u2764\uFE0F", "\U0001F1EE\U0001F1E9",
          "\U0001F44D\U0001F3FD", "Rp10.000,-", "http://a.b/c?d=e&f=%20", "user@contoh.id",
          "\u0130stanbul", "\u039F\u0394\u039F\u03A3", "\u03A3", "STRASSE\u1E9E", "na\u00EFve",
          "e\u0301te\u0301", "\uAC00\uB098", "\u1112\u1161\u11AB", "\u4E2D\u6587", "\U00020000",
          "\uF900", "\u3099\u304B\u3099", "\uFF21\uFF22", "\u212A\u212B\u2126", "\U00011938",
          "\u0628\u0650\u0633\u0652\u0645", "\u0E01\u0E33\u0E49", "\u0915\u094D\u0937", "\uFFFD",
          "\x00", "\x7F", "\u00AD", "\u0344\u0340", "\U0001D15E\U0001D1C0", "##an", "#", "'",
          "\u2019", "\u2026", "$+<=>^`|~", "tidak", "bukan", "enak", "yang", "sekali-kali"]


def seed():
    value = int(os.environ.get("RINGKAS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {value} (RINGKAS_SEED repeats it)")
    return value


def character(rng, allowed):
    while True:
        kind = rng.random()
        if kind < 0.5:
            c = rng.randint(*rng.choice(BLOCKS))
        elif kind < 0.7:
            c = rng.choice(MARKS)
        elif kind < 0.8:
            c = rng.choice(ORDERED)
        elif kind < 0.9:
            c = rng.choice(SPACES)
        else:
            c = rng.randrange(0x110000)
        if not 0xD800 <= c < 0xE000 and allowed(chr(c)):
            return chr(c)


def strings(rng, count, words, allowed=lambda c: True):
    """`count` strings; words are ordinary ones to mix in; allowed says which characters may be."""
    pieces = [p for p in PIECES if all(map(allowed, p))]
    for number in range(count):
        kind = number % 8
        if kind == 0:      # one block
            lo, hi = rng.choice(BLOCKS)
            text = "".join(c for c in (chr(rng.randint(lo, hi)) for _ in range(rng.randint(1, 40)))
                           if allowed(c))
        elif kind == 1:    # anything
            text = "".join(character(rng, allowed) for _ in range(rng.randint(0, 40)))
        elif kind == 2:    # letters under piles of marks
            text = "".join(rng.choice("aeiouAZ \u05D0\u0915\uAC00") +
                           "".join(character(rng, allowed) for _ in range(rng.randint(0, 6)))
                           for _ in range(rng.randint(1, 10)))
        elif kind == 3:    # long words, round the limit of 100 characters
            text = " ".join(rng.choice(["a", "ba", "\u00E9", "\U0001F600", "makan"]) *
                            rng.choice([1, 19, 20, 21, 49, 50, 51, 99, 100, 101, 200])
                            for _ in range(rng.randint(1, 3)))
        elif kind == 4:    # parts of words run together
            text = "".join(rng.choice(words)[:rng.randint(1, 9)] for _ in range(rng.randint(1, 12)))
        else:              # sentences with surprises in them
            text = ""
            for _ in range(rng.randint(1, 40)):
                text += rng.choice(words) if rng.random() < 0.7 else rng.choice(pieces)
                text += rng.choice([" ", "", character(rng, allowed)])
            text = rng.choice([str.upper, str.title, str, str])(text)
            text = "".join(c for c in text if allowed(c))
        yield text


def frames(texts):
    out = []
    for text in texts:
        raw = text.encode()
        out += [struct.pack("<I", len(raw)), raw]
    return b"".join(out)


def probe(arguments, texts=None):
    """Standard output of the probe."""
    got = subprocess.run([PROBE, *map(str, arguments)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, check=False,
                         input=b"" if texts is None else frames(texts))
    if got.returncode:
        sys.exit(f"text_probe {arguments}: exit {got.returncode}: {got.stderr.decode()}")
    return got.stdout


def probe_ids(folder, limit, texts):
    lines = probe(["ids", folder, limit], texts).decode().split("\n")[:-1]
    if len(lines) != len(texts):
        sys.exit(f"text_probe: {len(lines)} answers to {len(texts)} texts")
    return [[int(x) for x in line.split()] for line in lines]


def probe_framed(arguments, texts):
    raw, at, answers = probe(arguments, texts), 0, []
    while at < len(raw):
        n = struct.unpack_from("<I", raw, at)[0]
        answers.append(raw[at + 4:at + 4 + n].decode())
        at += 4 + n
    if len(answers) != len(texts):
        sys.exit(f"text_probe: {len(answers)} answers to {len(texts)} texts")
    return answers


def probe_clean(steps, texts):
    return probe_framed(["clean", steps], texts)


def rows():
    """(file, texts) of each SmSA file; exits 77 when the data is not there."""
    folder = os.path.join(DATA, "smsa")
    if not os.path.isdir(folder):
        print("SKIP: no smsa in RINGKAS_DATA")
        sys.exit(77)
    for name in ("train.tsv", "valid.tsv", "test.tsv"):
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8", newline="\n") as file:
            yield path, [line.rstrip("\n").rsplit("\t", 1)[0] for line in file]


def compare(what, got, want, texts):
    """Number of differences; the first of them are printed."""
    wrong = [i for i in range(len(texts)) if got[i] != want[i]]
    for i in wrong[:3]:
        print(f"{what}: {texts[i]!r}\n  got  {got[i]}\n  want {want[i]}")
    print(f"{what}: {len(texts)} texts, {len(wrong)} differ")
    return len(wrong)
