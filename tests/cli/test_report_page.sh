#!/usr/bin/env bash
# The report in a real browser: at 390 and 1280 px, light and dark, nothing scrolls sideways, no
# label lies over another, the console is silent, and nothing is asked of anybody.
. "$(dirname "$0")/lib.sh"
browser=$RK_SOURCE/tests/support/browser.py
probe=$RK_BUILD/probe/report_probe

mkdir data
for split in train valid test; do head -n 120 "$sample/$split.tsv" >data/$split.tsv; done
"$RINGKAS" pipeline --init --layers 1 --hidden 32 --heads 2 --vocab-size 600 --max-length 64 \
    --data data --out made --epochs 3 --lr 2e-3 --threads 1 --qat fp16,int8 --quiet >/dev/null ||
    fail "pipeline"
cp "$RK_SOURCE/tests/data/report.json" plain.json

# Long words everywhere, many labels, many files, many epochs close together.
python3 - plain.json <<'END'
import copy, json, sys
report = json.load(open(sys.argv[1]))
long = "sangatpanjangsekali" * 12
wide = copy.deepcopy(report)
wide["model"]["name"] = wide["command"][3] = long
wide["data"]["train"]["path"] = "/".join([long] * 3)
wide["data"]["train"]["labels"][long] = 5
for result in wide["results"]:
    result["file"] = long + ".onnx"
    result["eval"]["labels"][1] = long
    result["eval"]["per_label"][long] = result["eval"]["per_label"].pop("neutral")
wide["compare"][1]["flips"][0].update(text=long * 4, label=long, base=long, candidate=long)
json.dump(wide, open("wide.json", "w"))
many = copy.deepcopy(report)
for n in range(9):
    extra = copy.deepcopy(report["results"][n % 3])
    extra["name"] = "model number %d" % n
    many["results"].append(extra)
first = many["runs"][0]["epochs"][0]
for run in many["runs"]:
    run["epochs"] = [dict(first, epoch=e + 1, kept=e == 4, valid_f1_weighted=0.9 + 0.001 * (e % 3))
                     for e in range(8)]
json.dump(many, open("many.json", "w"))
labels = copy.deepcopy(report)
for result in labels["results"]:
    names = ["label %d" % i for i in range(12)]
    result["eval"].update(labels=names, confusion=[[i * j for i in range(12)] for j in range(12)],
                          per_label={n: {"f1": 0.5, "support": 66} for n in names})
json.dump(labels, open("labels.json", "w"))
json.dump({"version": 1}, open("empty.json", "w"))
END
pages=(made/report.html)
for name in plain wide many labels empty; do
    "$probe" $name.json $name.html || fail "the page of $name.json"
    pages+=($name.html)
done
python3 "$browser" check "${pages[@]}" >"$out" 2>"$err"
code=$?
if [ $code = 77 ]; then
    cat "$out"
    [ "$failures" = 0 ] && exit 77
fi
cat "$out" "$err"
check "what the browser saw" [ $code = 0 ]

# The same look finds what is wrong, else its silence says nothing.
fault() {
    python3 - "$2" "$3" <<'END'
import sys
page = open("plain.html").read()
assert sys.argv[1] in page
open("faulty.html", "w").write(page.replace(sys.argv[1], sys.argv[2], 1))
END
    python3 "$browser" check faulty.html >"$out" 2>&1
    check "$1: not seen by the browser: $(head -n 2 "$out")" grep -q "$1" "$out"
}
over='<p class="over">'
text='<svg><text x="9" y="20">one</text><text x="12" y="20">two</text></svg>'
fault "scrolls sideways" "$over" "${over%>} style=\"width:1400px;max-width:none\">"
fault "asks for" "$over" "$over<img src=\"other.png\"/>"
fault "light and dark do not differ" "@media (prefers-color-scheme:dark)" "@media (color:99)"
fault "two labels overlap" "<svg " "$text<svg "
fault "console: " '<meta charset="utf-8"/>' "<script>console.log('x')</script>"
finish
