#!/usr/bin/env python3
"""no_fma.py [compile_commands.json] LIBRARY...: no kernel may fuse a multiplication with an addition,
approximate a reciprocal, or flush denormals: each changes bytes. Looks at the flags of every compilation
and at every instruction of the kernel libraries, since AVX-512 machines always have fused multiply-add
and a compiler may use it unasked. OBJDUMP names another objdump."""
import json
import os
import re
import subprocess
import sys

FORBIDDEN = {
    "fused multiply-add": r"v?f(n?m)(add|sub|addsub|subadd)(132|213|231)?[sp][sdh]|vfn?m(add|sub)\w*"
    r"|fn?m(add|sub)|fml[as]\w*|vfml?a\w*",
    "an approximate reciprocal": r"v?r(cp|sqrt)(14|28)?[sp]s|frecp\w*|frsqrt\w*",
    "a dot product": r"vdpbf16ps",
    "a change of rounding or denormals": r"v?ldmxcsr|msr",
    "x87 arithmetic": r"f(ld|st|add|mul|sub|div)[ps]?[sltr]?",
}


LOOSE = re.compile(r"-Ofast|-ffast-math|-f(unsafe-math-optimizations|associative-math|finite-math-only"
                   r"|reciprocal-math|no-signed-zeros|fp-contract=(fast|on))$")


def check_flags(database):
    with open(database, encoding="utf-8") as file:
        entries = [entry for entry in json.load(file) if entry["file"].endswith(".c")]
    found = [] if entries else [f"{database}: no compilations"]
    for entry in entries:
        flags = entry["command"].split()
        loose = [flag for flag in flags if LOOSE.match(flag)]
        if loose or "-ffp-contract=off" not in flags:
            found.append(f"{entry['file']}: compiled {'with ' + loose[0] if loose else 'without'}"
                         f"{'' if loose else ' -ffp-contract=off'}")
    return found


def check(library):
    if library.endswith(".json"):
        return check_flags(library)
    listing = subprocess.run([os.environ.get("OBJDUMP", "objdump"), "-d", "--no-show-raw-insn", library], check=True,
                             capture_output=True, text=True).stdout
    instructions = re.findall(r"^\s+[0-9a-f]+:\s+(?:\{\w+\} )?([a-z]\w*)", listing, re.M)
    if len(instructions) < 100:
        return [f"{library}: objdump shows {len(instructions)} instructions; is it a kernel library?"]
    aarch64 = "aarch64" in listing[:1000]
    found = []
    for what, pattern in FORBIDDEN.items():
        if aarch64 and what == "x87 arithmetic":
            continue
        hits = sorted({name for name in instructions if re.fullmatch(pattern, name)})
        if hits:
            found.append(f"{library}: {what}: {', '.join(hits)}")
    return found


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    found = [line for library in sys.argv[1:] for line in check(library)]
    print("\n".join(found) or f"{len(sys.argv) - 1} inputs, nothing fused or approximate")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
