#!/usr/bin/env python3
"""Writes arch/tensor_table.c: which source tensor names become which GGUF tensor names in which
architecture, as facts read from the pinned gguf-py (constants.py, tensor_mapping.py).

    generate-tensor-names.py GGUF_PY_DIR > arch/tensor_table.c
"""
import sys

sys.path.insert(0, sys.argv[1])
from gguf.constants import MODEL_ARCH, MODEL_ARCH_NAMES, MODEL_TENSOR, MODEL_TENSORS, TENSOR_NAMES
from gguf.tensor_mapping import TensorNameMap

tensors = [t for t in MODEL_TENSOR if t in TENSOR_NAMES]
number = {t: i for i, t in enumerate(tensors)}
archs = list(MODEL_ARCH_NAMES)


def quoted(text):
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def wrapped(items, indent='    '):
    lines, line = [], indent
    for item in items:
        if len(line) + len(item) + 2 > 100:
            lines.append(line.rstrip())
            line = indent
        line += item + ', '
    lines.append(line.rstrip())
    return '\n'.join(lines)


def rules(mapping):
    for tensor, keys in mapping.items():
        for key in keys:
            yield f'{{{quoted(key)}, {number[tensor]}}}'


print('/* Made by scripts/generate-tensor-names.py from llama.cpp v0.5.0\'s gguf-py; do not edit. */')
print('#include "tensor_table.h"\n')
print('const char *const qfs_tensor_names[] = {')
print(wrapped(quoted(TENSOR_NAMES[t]) for t in tensors))
print('};\nconst size_t qfs_tensor_name_count = sizeof(qfs_tensor_names) / sizeof(qfs_tensor_names[0]);\n')
print('/* Of all architectures; a later rule wins over an earlier one. */')
print('const struct qfs_name_rule qfs_name_rules[] = {')
print(wrapped(list(rules(TensorNameMap.mappings_cfg)) + list(rules(TensorNameMap.block_mappings_cfg))))
print('    {NULL, 0}};\n')
for arch, mapping in TensorNameMap.arch_block_mappings_cfg.items():
    print(f'static const struct qfs_name_rule rules_{arch.name.lower()}[] = {{')
    print(wrapped(rules(mapping)))
    print('    {NULL, 0}};\n')
for arch in archs:
    print(f'static const uint16_t tensors_{arch.name.lower()}[] = {{')
    print(wrapped([str(number[t]) for t in MODEL_TENSORS[arch] if t in number] + ['QFS_NO_TENSOR']))
    print('};')
print('\nconst struct qfs_arch_tensors qfs_arch_tensors[] = {')
for arch in archs:
    own = f'rules_{arch.name.lower()}' if arch in TensorNameMap.arch_block_mappings_cfg else 'NULL'
    print(f'    {{{quoted(MODEL_ARCH_NAMES[arch])}, tensors_{arch.name.lower()}, {own}}},')
print('    {NULL, NULL, NULL},\n};')
