#!/usr/bin/env python3
"""Compares qfs_torch_expf and qfs_torch_powf with torch's exp and pow (exits 77 without the reference's Python).

    torch_math_differential.py TORCH_MATH_TEST [--step N]      every Nth float32 number for exp, 1: all of them
"""
import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.environ.get("QUANTFS_REFERENCE", Path.home() / ".cache/quantfs-reference"))
PYTHON = ROOT / "venv/bin/python"
BASES = [2, 1e4, 1e5, 1.5e5, 5e5, 1e6, 5e6, 1e7, 1e10]
SPECIAL = [0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, float("inf"), float("-inf"), float("nan"), 1e-45, -1e-45, 1e-40, 3e38, -3e38, 1 << 24,
           (1 << 24) + 2, -(1 << 24), 16777215, -16777215, 1e10, 1.0000001, 0.99999994]


def compare(name, program, what, inputs, theirs):
    import numpy as np
    data = np.ascontiguousarray(np.stack(inputs, axis=1)).tobytes()
    ours = np.frombuffer(subprocess.run([program, what], input=data, stdout=subprocess.PIPE, check=True).stdout, np.float32)
    a, b = (np.where(np.isnan(v), np.uint32(0x7fc00000), v.view(np.uint32)) for v in (ours, theirs.numpy()))
    bad = np.flatnonzero(a != b) if len(a) == len(b) else [0]
    if len(bad):
        i = bad[0]
        sys.exit(f"{name}: {len(bad)} of {len(a)} differ, first at {[float(v[i]).hex() for v in inputs]}: "
                 f"{float(ours[i]).hex()}, torch says {float(theirs[i]).hex()}")
    return len(a)


def main():
    import numpy as np
    import torch
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--step", type=int, default=199)
    args = parser.parse_args()
    torch.set_num_threads(1)
    count = 0
    for part in range(16):
        x = np.arange(part << 28, (part + 1) << 28, args.step, dtype=np.uint64).astype(np.uint32).view(np.float32)
        for x in np.array_split(x, max(1, len(x) >> 22)):
            count += compare("exp", args.program, "exp", [x], torch.exp(torch.from_numpy(x)))
    pick = np.random.default_rng(1)
    special = np.array(SPECIAL, np.float32)
    n = 1 << 19
    pairs = {f"{base} ** x": (np.full(n, base, np.float32), pick.random(n).astype(np.float32)) for base in BASES}
    pairs |= {
        "any bits": [pick.integers(0, 1 << 32, n, dtype=np.uint64).astype(np.uint32).view(np.float32) for _ in range(2)],
        "special": (np.repeat(special, len(special)), np.tile(special, len(special))),
        "integers": (pick.uniform(-40, 40, n).astype(np.float32), pick.integers(-30, 30, n).astype(np.float32)),
    }
    for name, (base, exponent) in pairs.items():
        count += compare(name, args.program, "pow", [base, exponent], torch.pow(torch.from_numpy(base), torch.from_numpy(exponent)))
    print(count, "numbers")


if __name__ == "__main__":
    if not PYTHON.exists():
        sys.exit(77)
    if Path(sys.prefix) != ROOT / "venv":
        os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
        os.execv(PYTHON, [PYTHON, *sys.argv])
    main()
