#!/usr/bin/env python3
"""ptx_exact.py FILE.ptx...: code for GPUs may do no float operation but those that IEEE defines, each rounded once to
nearest: no fused multiply-add, nothing approximate, no denormals flushed, nothing that ptxas or a driver's compiler may
fuse later (an addition that does not say .rn). Every instruction on floats must be in the list below; a minimum or
maximum must be with a constant other than zero (or a maximum with zero), where it equals a comparison and a choice."""
import re
import sys

# \S+ are types and predicates of comparisons; .f32 stands last where the operation is on floats
ALLOWED = [
    r"(mul|add|sub|div)\.rn\.f32", r"(sqrt|rcp)\.rn\.f32", r"(neg|abs)\.f32",
    r"setp\.(lt|le|gt|ge|eq|ne|ltu|leu|gtu|geu|equ|neu|num|nan)(\.(and|or|xor))?\.f32", r"selp\.f32", r"mov\.f32",
    r"(ld|st)\.(global|local|shared|const|param)(\.nc)?(\.v[24])?\.f32", r"(ld|st)(\.v[24])?\.f32",
    r"cvt\.rn\.f32\.[su](8|16|32|64)", r"cvt\.rzi\.[su]32\.f32",
]
FLOAT = re.compile(r"\.(f16x2|f16|bf16x2|bf16|tf32|f32x2|f32|f64)\b|^(fma|wmma|mma|wgmma|tcgen05)\b")
EXTREME = re.compile(r"(min|max)\.f32\s+%\w+, %\w+, 0f([0-9A-F]{8})")
LEAST = 50  # instructions of a kernel, fewer are none


def check(name, text):
    found, ninstructions, entries = [], 0, len(re.findall(r"\.visible \.entry qfs_device_kernel\(", text))
    for number, line in enumerate(text.splitlines(), 1):
        line = re.sub(r"//.*", "", line).strip()
        match = re.match(r"(?:@!?%\w+\s+)?([a-z]\w*(?:\.[\w:]+)*)\b([^;]*);", line)
        if not match or line.startswith("."):
            continue
        ninstructions += 1
        opcode = match[1]
        if opcode.startswith("call") and not re.search(r"\b_Z?\w+", match[2]):
            found.append(f"{name}:{number}: calls what cannot be seen: {line}")
        if re.search(r"\.(ftz|approx|full|sat|relu)\b", opcode):
            found.append(f"{name}:{number}: {opcode}")
        elif FLOAT.search(opcode) and not any(re.fullmatch(allowed, opcode) for allowed in ALLOWED):
            extreme = EXTREME.search(line)
            zero = extreme and int(extreme[2], 16) & 0x7FFFFFFF == 0
            if not extreme or (zero and (extreme[1] == "min" or extreme[2] != "00000000")):
                found.append(f"{name}:{number}: {line}")
    if entries != 1:
        found.append(f"{name}: {entries} entries named qfs_device_kernel")
    if ninstructions < LEAST:
        found.append(f"{name}: {ninstructions} instructions; is it a kernel?")
    return found


def can_fail():
    """What must be found is found."""
    frame = ".visible .entry qfs_device_kernel()\n{{\n" + "\tmov.u32 %r1, 0;\n" * LEAST + "\t{}\n}}\n"
    bad = ["fma.rn.f32 %f1, %f2, %f3, %f4;", "@%p1 fma.rn.f32 %f1, %f2, %f3, %f4;", "div.approx.f32 %f1, %f2, %f3;",
           "div.full.f32 %f1, %f2, %f3;", "sqrt.approx.f32 %f1, %f2;", "mul.ftz.f32 %f1, %f2, %f3;",
           "add.f32 %f1, %f2, %f3;", "mul.f32 %f1, %f2, %f3;", "mad.rn.f32 %f1, %f2, %f3, %f4;",
           "min.f32 %f1, %f2, %f3;", "min.f32 %f1, %f2, 0f00000000;", "max.f32 %f1, %f2, 0f80000000;",
           "add.rn.f64 %d1, %d2, %d3;", "rsqrt.approx.f32 %f1, %f2;", "add.rn.ftz.f32 %f1, %f2, %f3;",
           "cvt.rni.s32.f32 %r1, %f1;", "fma.rn.f32x2 %l1, %l2, %l3, %l4;", "setp.lt.ftz.f32 %p1, %f1, %f2;"]
    good = ["add.rn.f32 %f1, %f2, %f3;", "max.f32 %f1, %f2, 0f00000000;", "min.f32 %f1, %f2, 0f41F80000;",
            "mad.lo.s32 %r1, %r2, %r3, %r4;", "@%p3 div.rn.f32 %f1, %f2, %f3;", "ld.global.nc.f32 %f1, [%rd1];"]
    return [f"not found: {line}" for line in bad if len(check("", frame.format(line))) != 1] + \
           [f"found: {line}" for line in good if check("", frame.format(line))]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    found = can_fail()
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            found += check(path, file.read())
    print("\n".join(found[:40]) or f"{len(sys.argv) - 1} kernels, every float operation exact")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
