#!/usr/bin/env python3
"""Compares qfs_yaml_parse with PyYAML's safe_load on random documents, or with stored results.

    yaml_differential.py YAML_DUMP [--count N] [--seed N]      (exits 77 without the reference's Python)
    yaml_differential.py YAML_DUMP --vectors FILE [--write]
"""
import argparse
import datetime
import json
import math
import os
import random
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.environ.get("QUANTFS_REFERENCE", Path.home() / ".cache/quantfs-reference"))
PYTHON = ROOT / "venv/bin/python"
ATOMS = [
    "a", "text", "yes", "No", "ON", "off", "true", "False", "TRUE", "tRue", "y", "n", "null", "~", "Null", "nULL", "", "''", '""',
    "0", "1", "-1", "+12", "012", "08", "0o7", "0x1F", "-0xff", "0x", "0b101", "0b2", "1_000", "_1", "1__0", "1:30", "1:60", "0:30",
    "190:20:30", "-1:30:59", "1:30.5", "1.", ".5", "-.5", "+.5", "1.5", "1e3", "1.0e3", "1.0e+3", "1.5E-2", "1_0.5_0", ".inf",
    "-.INF", "+.Inf", ".nan", ".NaN", ".Nan", "1.2.3", "2024-01-02", "2024-1-2", "2024-13-01", "2024-02-30", "2024-01-02 03:04:05",
    "2024-1-2 3:04:05", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123456789 +05:30", "2024-01-02 25:00:00", "<<", "=", "<", "==",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "123456789012345678901234567890", "0777777777777777777777777",
    "'single'", "'it''s'", '"dou\\"ble"', '"\\u00e9\\n\\x41"', '"\\q"', "'unclosed", '"unclosed', "a b", "a: b", "a:b", "a #b", "a#b", "#c",
    "- x", "? x", ": x", "!!str 5", "!!int '7'", "!!int x", "!!float 3", "!!bool yes", "!!bool x", "!!null x", "!!binary aGk=", "!!seq x",
    "!!map {a: b}", "!!set {a, b}", "!!omap [a: 1]", "!!omap [a: 1, {b: 2, c: 3}]", "!!pairs [a: 1]", "!x y", "!!x y", "! 5", "! '5'",
    "!<tag:yaml.org,2002:str> 5", "&a 1", "*a", "&a [1, *a]", "&b {a: 1}", "*b", "@x", "`x", "%x", "|", ">", "|-", "é", "数据", "\U0001f600",
    "[a, b]", "[a, b,]", "[a b]", "[", "]", "{", "}", "{a: 1, b: 2}", "{a, b}", "{a: }", "{a: 1, a: 2}", "[a: 1]", "{'a':1}", "{a:1}",
    "{[a]: b}", "{{a: b}: c}", "{1: a, true: b, ~: c, x: d}", "[[1], [2]]", "{? a : b}", "[? a : b]", "{<<: {a: 1}, b: 2}",
    "{<<: [{a: 1}, {a: 2, b: 3}], c: 4}", "{<<: 5}", "{<<: [5]}", "{=: 5}", "\ufeff", "\x07", "\x85", "\xa0", "http://a/b", "a,b", "-", "--",
    "---", "...", "-a", "?a", ":a", "a:", "[a,b]: c", "a\\", "'a\\n'", "2024-01-02abc", "1,000", "$1", "^a", "a*b", "a&b",
]


def pick_value(pick, depth, indent):
    what = pick.random()
    if depth > 3 or what < 0.6:
        return " " + pick.choice(ATOMS)
    space = " " * (indent + pick.choice([1, 2, 2, 2, 4]))
    if what < 0.75:
        return "\n" + "\n".join(f"{space}-{pick_value(pick, depth + 1, len(space))}" for _ in range(pick.randint(1, 3)))
    if what < 0.92:
        return "\n" + "\n".join(f"{space}{pick_key(pick)}:{pick_value(pick, depth + 1, len(space))}" for _ in range(pick.randint(1, 3)))
    style = pick.choice(["|", ">", "|-", ">-", "|+", ">+", "|2", ">1-", "| # c", "|x"])
    lines = [space + pick.choice(["line", "  more", "", "# no comment", "- x", "a: b", "\tx"]) for _ in range(pick.randint(0, 4))]
    return f" {style}\n" + "\n".join(lines)


def pick_key(pick):
    return pick.choice(["a", "b", "c", "key", "key two", "'q'", '"d"', "1", "yes", "~", "<<", "=", "2024-01-02", "&k k", "!!str 5", "? x", "é",
                        "a b c", "http", "[x]", "{x: y}", "-x", "x-", "", "k#", "*a"] + ["name", "tags"] * 4)


# What libyaml reads otherwise than PyYAML, all of it nothing that a model card holds: a colon before a comma or
# bracket in a flow list, a question mark before a colon there, "|#", wrong base64, commas in tags.
KNOWN = re.compile(r"[^ ]:[],}]|\?:|[|>]#|!!binary|!!\w*,")


def document(pick):
    lines = [f"{pick_key(pick)}:{pick_value(pick, 0, 0)}" for _ in range(pick.randint(0, 4))]
    if pick.random() < 0.15:
        lines.insert(pick.randint(0, len(lines)), pick.choice(["# c", "", "---", "...", "%YAML 1.1", "%TAG ! tag:x,1:", "- a", "  x: y", "]", "--- a"]))
    if pick.random() < 0.1:
        lines = [f"-{pick_value(pick, 0, 0)}" for _ in range(pick.randint(1, 3))]
    text = "\n".join(lines) + "\n"
    if pick.random() < 0.1 and text:
        at = pick.randrange(len(text))
        text = text[:at] + pick.choice([":", "-", "\n", " ", "'", '"', "#", "[", "}", ",", "&", "*", "!", "|", "?", "\\"]) + text[at + pick.randint(0, 1):]
    return text.replace("\t", "  ")  # as the converter does


def plain(value, above=()):
    if id(value) in above:
        return {"other": True}
    if isinstance(value, dict):
        return {k: plain(v, (*above, id(value))) for k, v in value.items() if isinstance(k, str)}
    if isinstance(value, list):
        return [plain(v, (*above, id(value))) for v in value]
    if isinstance(value, (bytes, set, tuple, datetime.date)):
        return {"other": True}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2 ** 63:
        return float(value)
    return value


def same(a, b):
    if isinstance(a, float) and isinstance(b, (float, int)) and not isinstance(b, bool):
        b = float(b)
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a) and math.isnan(b):
        return True
    return a == b


def reference(text):
    """[value] or None where PyYAML stops."""
    try:
        return [plain(yaml.safe_load(text))]
    except Exception as problem:
        reference.problem = problem
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dump")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vectors")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    live = not args.vectors or args.write
    if live:
        if not PYTHON.exists():
            print("skipped: the reference is not installed")
            sys.exit(77)
        if Path(sys.prefix) != ROOT / "venv":
            os.execv(PYTHON, [str(PYTHON), os.path.abspath(__file__), *sys.argv[1:]])
        global yaml
        import yaml
    ours = subprocess.Popen([os.path.abspath(args.dump)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if live:
        pick = random.Random(args.seed)
        texts = [f"a: {x}\n" for x in ATOMS] + [f"- {x}\n" for x in ATOMS] + [f"{x}\n" for x in ATOMS]
        texts += [f"{x}: 1\n" for x in ATOMS] + [f"[{x}, z]\n" for x in ATOMS] + [document(pick) for _ in range(args.count)]
        todo = [(text, reference(text)) for text in texts]
    else:
        todo = [json.loads(line) for line in open(args.vectors)]
    bad = 0
    for text, wanted in todo:
        data = text.encode()
        ours.stdin.write(b"%d\n" % len(data) + data)
        ours.stdin.flush()
        line = ours.stdout.readline().decode()
        got = json.loads(line)
        if (wanted is None) != ("error" in got) or (wanted is not None and not same(wanted[0], got["value"])):
            if KNOWN.search(text):
                continue
            bad += 1
            problem = str(getattr(reference, "problem", "")) if wanted is None and live and reference(text) is None else ""
            print(f"{text!r}\n   PyYAML: {problem!r:.200} {wanted!r:.300}\n   ours:   {line.strip()[:300]}")
    if args.write:
        with open(args.vectors, "w") as out:
            for case in todo:
                out.write(json.dumps(case) + "\n")
    print(f"{len(todo)} documents, {sum(w is None for _, w in todo)} of them rejected, {bad} differ")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
