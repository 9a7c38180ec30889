#!/usr/bin/env python3
"""Compares qfs_metadata_add with gguf-py's own Metadata: names of models, model cards, generation settings.

    metadata_differential.py METADATA_DUMP [--names FILE] [--cards N] [--seed N]
    metadata_differential.py METADATA_DUMP --vectors FILE [--write]

The first needs the reference (QUANTFS_REFERENCE, ~/.cache/quantfs-reference) and exits 77 without it. --vectors
compares with stored digests of results instead; --write stores them, from the reference.
"""
import argparse
import hashlib
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(os.environ.get("QUANTFS_REFERENCE", Path.home() / ".cache/quantfs-reference"))
PYTHON = ROOT / "venv/bin/python"
HERE = Path(__file__).resolve().parent
gguf = None
SIZES = [(0, 0, 0, 0), (1_100_048_384, 1_100_048_384, 0, 0), (7_241_732_096, 7_241_732_096, 0, 0),
         (46_702_792_704, 1_605_636_096, 5_637_144_576, 8), (134_515_008, 134_515_008, 0, 0),
         (999_999, 999_999, 0, 0), (12_345, 12_345, 0, 0), (671_026_419_200, 17_000_000_000, 2_554_000_000, 256),
         (9_999_999_999, 9_999_999_999, 0, 0), (1_000_000_000, 1_000_000_000, 0, 0), (2_500_000, 2_500_000, 0, 0)]


def reference_keys(path, size):
    """[[key, type, value in hexadecimal], ...] as the converter writes them, None where it stops."""
    try:
        writer = gguf.GGUFWriter(path=None, arch="llama")
        metadata = gguf.Metadata.load(None, path, None, size[0])
        if metadata.name is None:
            metadata.name = path.name
        if metadata.size_label is None and size[0] > 0:
            metadata.size_label = gguf.size_label(*size)
        writer.add_type(gguf.GGUFType.MODEL)
        metadata.set_gguf_meta_model(writer)
        return [[key, int(value.type), writer._pack_val(value.value, value.type, add_vtype=False).hex()]
                for key, value in writer.kv_data[0].items() if key != "general.architecture"]
    except Exception as problem:
        reference_keys.problem = problem
        return None


WORDS = ["llama", "mistral", "instruct", "v0.1", "7B", "chat", "no", "yes", "1.0", "2024-01-01", "~", "org/name", "a b"]
VALUES = [
    "Some Name", "llama-3-8b", "1.0", "'1.0'", "5", "true", "no", "null", "~", "''", "2024-05-06", "0", "[]", "{}",
    "[en, de]", "[en, no]", "\n- en\n- no\n- de", "\n  - a\n  - b", "\"quoted: text\"", "apache-2.0", "[mit, apache-2.0]",
    "meta-llama/Llama-2-7b-hf", "[meta-llama/Llama-2-7b-hf, mistralai/Mistral-7B-v0.1]", "./local/model",
    "https://huggingface.co/org/Some-Model-7B", "https://huggingface.co/org/a/b", "http://example.com/x",
    "ssh://host/a", "\n- name: Base\n  author: Me\n  url: http://x\n- other/Model-3B-v2", "[1, 2]", "[a, 1]", "[1.5, 2.5]",
    "[true, false]", "|\n  several\n  lines", ">-\n  folded\n  text", "!!str 7", "&a x", "0x1F", "1_000", "1:30", ".inf",
    "\n- https://huggingface.co/datasets/a\n- HuggingFaceH4/ultrachat_200k\n- wikipedia", "text-generation", "other",
    "\n- {name: X, repo_url: http://y}", "\n- ~", "\n- 5", "[no]", "on", "12e3", "1e3", "1.5e+3", "é ü", "数据", "\"\\u00e9\"",
    "[[a], [b]]", "{a: b}", "<<", "=", "key: value", "- a", "*undefined", "@bad", "'unclosed", "%x", "a # comment", "\t x",
]
KEYS = ["name", "author", "version", "organization", "description", "finetune", "basename", "size_label", "url", "doi",
        "uuid", "repo_url", "model_name", "model_author", "model_creator", "model_type", "model_version", "license",
        "license_name", "license_link", "tags", "pipeline_tag", "languages", "language", "base_model", "base_models",
        "base_model_sources", "datasets", "dataset", "dataset_sources", "library_name", "model-index", "widget", "metrics"]
USUAL = {"license": ["apache-2.0", "mit", "other", "llama3.1"], "language": ["\n- en", "en", "\n- en\n- no\n- de", "[en, fr]"],
         "tags": ["\n- a\n- b", "[facebook, meta, pytorch]"], "pipeline_tag": ["text-generation"],
         "base_model": ["meta-llama/Llama-3.1-8B", "\n- a/b-7B\n- c/d-7B-v2", "https://huggingface.co/x/y-7B"],
         "datasets": ["\n- wikipedia\n- HuggingFaceH4/ultrachat_200k"], "license_name": ["qwen-research"],
         "license_link": ["https://huggingface.co/Qwen/Qwen2.5-3B/blob/main/LICENSE"], "library_name": ["transformers"]}


def random_card(pick):
    lines = []
    usual = pick.random() < 0.6
    for key in pick.sample(sorted(USUAL) if usual else KEYS, pick.randint(0, 6)):
        lines.append(f"{key}: {pick.choice(USUAL[key] if usual else VALUES)}")
    if pick.random() < 0.1:
        lines.insert(pick.randint(0, len(lines)), pick.choice(["# comment", "", "  ", "...", "--- # x", "? a\n: b", "]"]))
    card = "---\n" + "\n".join(lines) + "\n---\n# Title\n\ntext: [\n"
    change = pick.random()
    if change < 0.05:
        card = card.replace("\n", "\r\n")
    elif change < 0.08:
        card = card[3:]
    elif change < 0.11:
        card = "---\n" + "\n".join(lines)
    elif change < 0.13:
        card = "\ufeff" + card
    elif change < 0.15:
        card = card.replace("\n", "\u2028", 2)
    return card


def cases(args, pick):
    """(name, card or None, config, generation config or None, size)"""
    names = [n for n in Path(args.names).read_text().split("\n") if n]
    for name in names:
        yield name, None, {}, None, pick.choice(SIZES)
        yield name, None, {}, None, (0, 0, 0, 0)
    for path in pick.choices(names, k=60):
        yield "dir", None, {"_name_or_path": pick.choice(["org/", "./", "a/b/", "", "/", "ORG-x/"]) + path}, None, SIZES[2]
    for value in ["", "a/b/c", None, "x" * 200, " ", "a/ b"]:
        yield "dir-7B", None, {"_name_or_path": value}, None, SIZES[2]
    for path in pick.choices(names, k=60):
        text = pick.choice(["org/", "https://huggingface.co/org/", "http://huggingfaceXco/huggingface.co/", ""]) + path
        yield "dir", f"---\nbase_model: {json.dumps(text)}\ndatasets: [{json.dumps(text)}]\n---\n", {}, None, pick.choice(SIZES)
    for generation in [{"top_k": 50, "top_p": 0.9, "temperature": 0.6}, {"top_k": 50.0}, {"top_k": True, "top_p": 1},
                       {"repetition_penalty": 1.1}, {"penalty_repeat": None, "repetition_penalty": 1.2}, {"min_p": "x"},
                       {"sequence": "abc", "mirostat": 2, "mirostat_tau": 5.5, "mirostat_eta": 0.1}, {"sequence": 5},
                       {"top_k": 2 ** 40}, {"top_p": 1e300}, {"top_p": float("inf")}, [], [1], "text", {"penalty_last_n": -1,
                       "xtc_probability": 0.1, "xtc_threshold": 0.2}, {"temperature": None}]:
        yield "dir-7B", None, {}, json.dumps(generation), SIZES[2]
    yield "dir-7B", None, {}, "{broken", SIZES[2]
    for _ in range(args.cards):
        yield pick.choice(names), random_card(pick), {}, None, pick.choice(SIZES)


def run(ours, tmp, case):
    name, card, config, generation, size = case
    path = Path(tmp) / name.replace("/", "_")
    path.mkdir(exist_ok=True)
    for file, text in (("README.md", card), ("generation_config.json", generation), ("config.json", json.dumps(config))):
        if text is None:
            (path / file).unlink(missing_ok=True)
        else:
            (path / file).write_bytes(text.encode())
    ours.stdin.write(f"{path}\t{' '.join(map(str, size))}\n")
    ours.stdin.flush()
    return path, json.loads(ours.stdout.readline())


def digest(keys):
    return None if keys is None else hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:16]


def readable(keys):
    return [(k, t, bytes.fromhex(v)) for k, t, v in keys]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dump")
    parser.add_argument("--names", default=HERE / "data/model-names.txt")
    parser.add_argument("--cards", type=int, default=300)
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
        global gguf
        sys.path.insert(0, str(ROOT / "llama.cpp/gguf-py"))
        import gguf
        logging.disable(logging.CRITICAL)
    stored = [json.loads(line) for line in open(args.vectors)] if args.vectors and not args.write else None
    ours = subprocess.Popen([os.path.abspath(args.dump)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    bad, stopped, results = 0, 0, []
    with tempfile.TemporaryDirectory() as tmp:
        todo = stored if stored is not None else ([*c, None] for c in cases(args, random.Random(args.seed)))
        for *case, wanted in todo:
            path, got = run(ours, tmp, case)
            if live:
                keys = reference_keys(path, case[4])
                wanted = digest(keys)
                results.append([*case, wanted])
            stopped += wanted is None
            if digest(got.get("keys")) != wanted:
                bad += 1
                print(f"{case[0]!r} {case[1:]}")
                if live:
                    print("   converter:", repr(reference_keys.problem)[:300] if keys is None else readable(keys))
                print("   ours:     ", readable(got["keys"]) if "keys" in got else got)
    if args.write:
        with open(args.vectors, "w") as out:
            for result in results:
                out.write(json.dumps(result) + "\n")
    count = len(results) if live else len(stored)
    print(f"{count} cases, {stopped} of them stop the converter, {bad} differ")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
