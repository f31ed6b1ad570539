"""The tree's own files, for the rules that read them."""
import os
import subprocess

ROOT = os.environ.get("RK_SOURCE") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _walk():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f not in ("build", ".git", "__pycache__"))
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), ROOT)


def files():
    """Paths below the root, of everything git does not ignore; without git, of everything but
    the build folder."""
    try:
        listed = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z", "-co", "--exclude-standard"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        names = [os.fsdecode(name) for name in listed.split(b"\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = []
    # A file may be gone from the tree and not yet from the index.
    return [n for n in names or _walk() if os.path.isfile(os.path.join(ROOT, n))]


def text(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="surrogateescape",
              newline="") as file:
        return file.read()


def without_comments(source):
    """C source with comments and the insides of strings blanked; line breaks stay."""
    out, i, n = [], 0, len(source)
    while i < n:
        two, c = source[i:i + 2], source[i]
        if two == "//":
            end = source.find("\n", i)
            i = n if end < 0 else end
        elif two == "/*":
            end = source.find("*/", i + 2)
            end = n if end < 0 else end + 2
            out.append(" " + "\n" * source.count("\n", i, end))
            i = end
        elif c in "\"'":
            end = i + 1
            while end < n and source[end] != c and source[end] != "\n":
                end += 2 if source[end] == "\\" else 1
            out.append(c + c)
            i = end + 1
        else:
            out.append(c)
            i += 1
    return "".join(out)
