#!/usr/bin/env python3
"""What an independent reader finds in the CAP corpus: `tests/corpus/expected.tsv`, which the tests compare with ours.

Reads every single alert of the index that it calls valid (or valid but for the rules beyond the schema) with Python's own XML
parser; knows nothing of our program. Only the standard's words are used: severity, not colours in headlines, so the level column
says what the severities are (highest first) and the test says where a headline or parameter stands above it.

  tests/corpus/expected.py CORPUS > tests/corpus/expected.tsv      CORPUS: the folder with index.tsv
  tests/corpus/expected.py CORPUS --check                          exit code 1 where the table differs

Columns: file, verdict, sender, identifier, sent (UTC), msgType, severities, areas. Areas: for each info block that is in the language
chosen by our rule (Chinese before others, else the first), sorted and each once: `polygon N` (positions), `circle KM`, `code NAME=VALUE`.
"""
import csv
import datetime
import pathlib
import sys
import xml.etree.ElementTree as tree

RANK = ["Extreme", "Severe", "Moderate", "Minor", "Unknown"]


def local(element):
    return element.tag.rsplit("}", 1)[-1]


def texts(element, name):
    found = (" ".join((c.text or "").split()) for c in element if local(c) == name)
    return [t for t in found if t]


def first(element, name):
    return next(iter(texts(element, name)), "")


def children(element, name):
    return [c for c in element if local(c) == name]


def utc(text):
    try:
        at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return "?"
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=8)))
    return at.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def chosen(infos):
    tag = lambda i: first(i, "language").lower().replace("_", "-")
    chinese = [i for i in infos if tag(i).startswith("zh")]
    lead = tag((chinese or infos)[0]) if infos else ""
    return [i for i in infos if tag(i) == lead]


def areas(infos):
    out = set()
    for info in chosen(infos):
        for area in children(info, "area"):
            for polygon in texts(area, "polygon"):
                out.add(f"polygon {len(polygon.split())}")
            for circle in texts(area, "circle"):
                out.add(f"circle {float(circle.split()[1]):g}")
            for code in children(area, "geocode"):
                name, value = first(code, "valueName"), first(code, "value")
                if not name and "=" in (code.text or ""):
                    name, value = code.text.strip().split("=", 1)
                if value:
                    out.add(f"code {name}={value}")
    return sorted(out)


def rows(corpus):
    with open(corpus / "index.tsv", encoding="utf-8", newline="") as index:
        for row in csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["kind"] != "alert" or row["verdict"] not in ("valid", "schema-valid, breaks section 3"):
                continue
            path = corpus / row["file"]
            if not path.exists():
                continue
            root = tree.fromstring(path.read_bytes())
            infos = children(root, "info")
            severities = sorted({first(i, "severity") for i in infos} - {""}, key=lambda s: RANK.index(s) if s in RANK else 9)
            yield [
                row["file"],
                row["verdict"],
                first(root, "sender"),
                first(root, "identifier"),
                utc(first(root, "sent")),
                first(root, "msgType"),
                ",".join(severities),
                "; ".join(areas(infos)),
            ]


def main():
    corpus = pathlib.Path(sys.argv[1])
    table = "".join("\t".join(r) + "\n" for r in sorted(rows(corpus)))
    if "--check" in sys.argv[2:]:
        known = pathlib.Path(__file__).with_name("expected.tsv").read_text(encoding="utf-8")
        print(f"{table.count(chr(10))} files", "as in the table" if known == table else "and the table differs")
        sys.exit(known != table)
    sys.stdout.write(table)


main()
