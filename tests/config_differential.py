#!/usr/bin/env python3
"""Compares qfs_config_load with the converter's own load_hparams on generated configurations.

    config_differential.py CONFIG_DUMP [--types REGEX] [--count N] [--keep] [CONFIG.json ...]
    config_differential.py CONFIG_DUMP --vectors FILE [--write ...]

For every model type of transformers: its default configuration, stripped of what equals the defaults, in the key
names of older versions, with fields of a wrong type, with values that the class computes with; and the files named
on the command line. Needs the reference (QUANTFS_REFERENCE, ~/.cache/quantfs-reference) and exits 77 without it.
--vectors compares with stored digests of results instead, without the reference; --write stores them.
"""
import argparse
import copy
import hashlib
import json
import logging
import math
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(os.environ.get("QUANTFS_REFERENCE", Path.home() / ".cache/quantfs-reference"))
PYTHON = ROOT / "venv/bin/python"


def load_reference():
    global ModelBase, AutoConfig, CONFIG_MAPPING, CONFIG_MAPPING_NAMES
    if not PYTHON.exists():
        print("skipped: the reference is not installed")
        sys.exit(77)
    if Path(sys.prefix) != ROOT / "venv":
        os.execv(PYTHON, [str(PYTHON), os.path.abspath(__file__), *sys.argv[1:]])
    os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="", TRANSFORMERS_VERBOSITY="critical")
    sys.path[:0] = [str(ROOT / "llama.cpp"), str(ROOT / "llama.cpp/gguf-py")]
    import warnings
    warnings.filterwarnings("ignore")
    from conversion.base import ModelBase
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES
    logging.disable(logging.CRITICAL)


def plain(value):
    """As JSON keeps it: keys are texts, tuples lists, types and classes names."""
    if isinstance(value, dict):
        return {str(k) if not isinstance(k, bool) and k is not None else json.dumps(k): plain(v)
                for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value))
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value).split(".")[-1]


def difference(a, b, at=""):
    """The first difference of two plain values, dicts in order, None when there is none."""
    if type(a) is not type(b):
        return f"{at}: {a!r} of {type(a).__name__}, {b!r} of {type(b).__name__}"
    if isinstance(a, dict):
        if list(a) != list(b):
            missing, extra = [k for k in a if k not in b], [k for k in b if k not in a]
            return f"{at}: keys missing {missing} extra {extra} order {not missing and not extra}"
        return next((d for k in a if (d := difference(a[k], b[k], f"{at}.{k}"))), None)
    if isinstance(a, list):
        if len(a) != len(b):
            return f"{at}: {len(a)} items, {len(b)} items"
        return next((d for i, (x, y) in enumerate(zip(a, b)) if (d := difference(x, y, f"{at}[{i}]"))), None)
    if isinstance(a, float) and math.isnan(a) and math.isnan(b):
        return None
    return None if a == b else f"{at}: {a!r}, {b!r}"


def strip(config, defaults):
    return {k: v for k, v in config.items() if k not in defaults or defaults[k] != v or k == "model_type"}


def age(config):
    """The key names that transformers 4 wrote."""
    old = copy.deepcopy(config)
    if old.get("dtype") is not None:
        old["torch_dtype"] = old.pop("dtype")
    rope = old.pop("rope_parameters", None)
    if isinstance(rope, dict) and "rope_theta" in rope:
        old["rope_theta"] = rope.pop("rope_theta")
        if "partial_rotary_factor" in rope:
            old["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
        if rope.get("rope_type", "default") != "default":
            rope["type"] = rope.pop("rope_type")
            old["rope_scaling"] = rope
        else:
            old["rope_scaling"] = None
    elif rope is not None:
        old["rope_parameters"] = rope
    for key, value in old.items():
        if isinstance(value, dict) and "model_type" in value:
            old[key] = age(value)
    old["transformers_version"] = "4.44.0"
    return old


ROPE = [
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
     "original_max_position_embeddings": 8192},
    {"type": "linear", "factor": 4},
    {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096},
    {"rope_type": "yarn", "factor": 4.0, "beta_fast": 32, "beta_slow": 1.0, "mscale": 1.0},
    {"type": "longrope", "short_factor": [1.0] * 16, "long_factor": [2.0] * 16},
    {"type": "su", "short_factor": [1.0] * 16, "long_factor": [2.0] * 16},
    {"type": "dynamic"},
    {"mrope_section": [16, 24, 24], "type": "mrope"},
    {"rope_type": "proportional", "rope_theta": 1e6, "partial_rotary_factor": 0.25},
    {"full_attention": {"rope_type": "default", "rope_theta": 5e5}, "sliding_attention": {"rope_theta": 1e4}},
    {},
    "linear",
]
WRONG = [1.5, 7, True, "7", None, [1, 2], {"a": 1}, float("nan"), 2 ** 70, -1, 0, "bfloat16", []]


def mutations(config, pick):
    """Single changes of a configuration, drawn by `pick`."""
    changed = copy.deepcopy(config)
    where = changed
    inner = [k for k, v in config.items() if isinstance(v, dict) and "model_type" in v]
    if inner and pick.random() < 0.5:
        where = changed[pick.choice(inner)]
    key = pick.choice(sorted(where))
    what = pick.random()
    if what < 0.45:
        where[key] = pick.choice(WRONG)
    elif what < 0.55:
        del where[key]
    elif what < 0.7:
        where.pop("rope_parameters", None)
        where["rope_scaling"] = copy.deepcopy(pick.choice(ROPE))
        where["rope_theta"] = pick.choice([1e4, 1000000, 5e5])
    elif what < 0.8:
        where[pick.choice(EXTRA)[0]] = copy.deepcopy(pick.choice(EXTRA)[1])
    elif what < 0.9:
        name, value = pick.choice(EXTRA)
        where[name] = copy.deepcopy(value)
    else:
        where["num_hidden_layers"] = pick.choice([1, 2, 3, 5, 12, 61])
    return changed


EXTRA = [
    ("num_labels", 5), ("id2label", {"0": "a", "1": "b", "2": "c"}), ("id2label", {"x": "a"}),
    ("label2id", {"a": 0}), ("torch_dtype", "float16"), ("torch_dtype", "auto"), ("dtype", "half"),
    ("_name_or_path", "org/name"), ("name_or_path", "x"), ("_commit_hash", "abc"), ("auto_map", {"AutoConfig": "a.B"}),
    ("auto_map", {"AutoModel": "a.B"}), ("auto_map", None), ("quantization_config", {"quant_method": "gptq", "bits": 4}),
    ("quantization_config", None), ("output_attentions", False), ("output_attentions", True), ("use_return_dict", True),
    ("attn_implementation", "eager"), ("_attn_implementation_internal", "x"), ("use_cache", False), ("max_length", 20),
    ("temperature", 0.5), ("pruned_heads", {}), ("head_dim", 80), ("head_dim", None), ("vocab_size", 100),
    ("layer_types", ["full_attention"] * 3), ("layer_types", ["attention", "mamba"]), ("layer_types", None),
    ("sliding_window_pattern", 6), ("partial_rotary_factor", 0.5), ("original_max_position_embeddings", 4096),
    ("rope_local_base_freq", 1e4), ("tie_word_embeddings", True), ("problem_type", "regression"),
    ("problem_type", "single_label_classification"), ("problem_type", "x"), ("architectures", "LlamaForCausalLM"),
    ("kwargs", {"a": 1}), ("unknown", {"dtype": "float32", "_attn_implementation_internal": 1, "x": [1, {"y": 2}]}),
    ("first_k_dense_replace", 1), ("moe_layer_freq", 2), ("no_rope_layers", [1, 0]), ("num_key_value_heads", 2),
    ("hidden_act", "gelu"), ("eos_token_id", [1, 2]), ("pad_token_id", -1), ("num_attention_heads", 3),
    ("float", {"__float__": "Infinity"}), ("is_encoder_decoder", True), ("rope_parameters", None), ("text_config", None),
    ("text_config", {}), ("text_config", {"model_type": "llama", "hidden_size": 64}), ("vision_config", {}),
    ("vision_config", None), ("rope_scaling", None), ("rope_theta", 12345), ("mrope_section", [1, 2, 3]),
    ("chunk_size_feed_forward", "x"), ("is_decoder", True), ("llm_config", {"a": 1}), ("language_config", {"b": 1}),
    ("lm_config", {"c": 1}), ("lfm", {"d": 1}), ("thinker_config", {"text_config": {"e": 1}}),
    ("pretrained_cfg", {}), ("return_dict", False), ("tokenizer_class", "X"), ("transformers_version", "4.1.0"),
]


def cases(args, pick):
    for path in args.files:
        yield path, json.load(open(path))
    for model_type in CONFIG_MAPPING_NAMES:
        if not re.search(args.types, model_type):
            continue
        name = model_type
        yield f"{name} bare", {"model_type": model_type}
        try:
            full = json.loads(json.dumps(plain(CONFIG_MAPPING[model_type]().to_dict())))
        except Exception:
            continue
        full["architectures"] = ["X"]
        yield f"{name} full", full
        old = age(full)
        yield f"{name} old", old
        defaults = full
        some = copy.deepcopy(full)
        for key, value in some.items():
            if type(value) is int and value > 3 and pick.random() < 0.2:
                some[key] = value * 2
        yield f"{name} doubled", some
        yield f"{name} stripped", strip(some, defaults)
        for i in range(args.count):
            start = pick.choice([full, old, some, strip(some, defaults), {"model_type": model_type}])
            yield f"{name} {i}", mutations(start, pick)


class Ours:
    """The program under test, one configuration after the other."""

    def __init__(self, dump, tmp):
        self.path = Path(tmp) / "Some-Model"
        self.path.mkdir()
        self.process = subprocess.Popen([dump], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def load(self, config):
        (self.path / "config.json").write_text(json.dumps(config))
        self.process.stdin.write(f"{self.path}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            print("the program ended at", json.dumps(config))
            sys.exit(1)
        return json.loads(line)


def reference(path):
    """(what load_hparams gives or None, exceptions on the way)"""
    raised = []
    load = AutoConfig.from_pretrained

    def remember(*a, **k):
        try:
            return load(*a, **k)
        except Exception as problem:
            raised.append(problem)
            raise
    AutoConfig.from_pretrained = remember
    try:
        return plain(ModelBase.load_hparams(path, False)), raised
    except Exception as problem:
        return None, [*raised, problem]
    finally:
        AutoConfig.from_pretrained = load


def digest(config):
    return hashlib.sha256(json.dumps(config).encode()).hexdigest()[:16]


def check_vectors(args, ours):
    """Lines of [configuration, digest of the result or null where the converter stops]."""
    bad, count = 0, 0
    for line in open(args.vectors):
        config, wanted = json.loads(line)
        got = ours.load(config)
        count += 1
        if (digest(got["config"]) if "config" in got else None) != wanted:
            bad += 1
            print(json.dumps(config)[:500], "\n   ", json.dumps(got)[:500])
    print(f"{count} configurations, {bad} differ")
    return bad


def check_live(args, ours):
    pick, count, automatic, bad, refused, stored = random.Random(args.seed), 0, 0, 0, {}, []
    for name, config in cases(args, pick):
        got = ours.load(config)
        wanted, raised = reference(Path(ours.path.name))
        count += 1
        automatic += wanted is not None and not raised
        if "error" in got:
            if wanted is not None:
                refused.setdefault(got["error"].split(": ", 1)[1], []).append(name)
            continue
        if wanted is None:
            problem = f"converter fails: {raised[-1]!r:.300}"
        else:
            problem = difference(wanted, got["config"])
            if not problem and got["auto"] == bool(raised):
                problem = "auto" if got["auto"] else "raw"
            if not problem:
                stored.append([config, digest(wanted)])
        if problem:
            bad += 1
            print(f"{name}: {problem} auto={got['auto']} {repr(raised[-1])[:300] if raised else ''}")
            if args.keep:
                print("   ", json.dumps(config))
    for reason, names in refused.items():
        print(f"refused {len(names)}: {reason}: {' '.join(sorted({n.split()[0] for n in names}))}")
    print(f"{count} configurations, {automatic} by AutoConfig, {bad} differ, "
          f"{sum(map(len, refused.values()))} refused")
    if args.write:
        with open(args.vectors, "w") as out:
            for vector in stored:
                out.write(json.dumps(vector) + "\n")
    return bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dump")
    parser.add_argument("--types", default="")
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="print the configuration of what differs")
    parser.add_argument("--vectors", type=os.path.abspath)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("files", nargs="*", type=os.path.abspath)
    args = parser.parse_intermixed_args()
    live = not args.vectors or args.write
    if live:
        load_reference()
    with tempfile.TemporaryDirectory() as tmp:
        ours = Ours(os.path.abspath(args.dump), tmp)
        os.chdir(tmp)
        bad = check_live(args, ours) if live else check_vectors(args, ours)
        ours.process.stdin.close()
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
