#!/usr/bin/env python3
"""Writes gguf/loader_table.c: which keys llama.cpp's loader reads for each architecture.

    generate-loader-table.py LLAMA_CPP_DIR >gguf/loader_table.c

llama-quantize loads a model's hyperparameters before it quantizes, so a key that is missing or of
another type refuses every quantized view. The reads are taken from src/models/*.cpp
(load_arch_hparams) in their order; one that stands under a condition counts as optional here, and
gguf/loader.c does by hand what the conditions say."""
import re
import sys
from pathlib import Path

root = Path(sys.argv[1]) / 'src'
arch_cpp = (root / 'llama-arch.cpp').read_text()
names = dict(re.findall(r'\{\s*(LLM_ARCH_\w+),\s*"([^"]+)"', arch_cpp))
keys = dict(re.findall(r'\{\s*(LLM_KV_\w+),\s*"([^"]+)"', arch_cpp))
classes = dict(re.findall(r'case (LLM_ARCH_\w+):\s*return new (llama_model_\w+)\(',
                          (root / 'llama-model.cpp').read_text()))
models_h = (root / 'models/models.h').read_text()
parents = dict(re.findall(r'struct (llama_model_\w+) : public (\w+)', models_h))
fields = {}
for text in (models_h, (root / 'llama-hparams.h').read_text()):
    for kind, name in re.findall(r'^\s+(uint32_t|int32_t|float|bool|std::string)\s+(\w+)\s*(?:=[^;]*)?;', text, re.M):
        fields.setdefault(name, kind)
    for kind, name in re.findall(r'std::array<(\w+),\s*\w+>\s+(\w+);', text):
        fields[name] = kind
KINDS = {'uint32_t': 'U32', 'int32_t': 'I32', 'int': 'I32', 'float': 'F32', 'bool': 'BOOL', 'std::string': 'STRING',
         'uint64_t': 'U64', 'llama_token': 'I32'}


def arguments(text):
    """Splits at the commas of the outermost level."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in '([{') - (c in ')]}')
        if c == ',' and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [p.strip() for p in parts + [text[start:]]]


def body_of(cls):
    for path in sorted((root / 'models').glob('*.cpp')):
        text = path.read_text()
        at = text.find(f'void {cls}::load_arch_hparams(')
        if at >= 0:
            text = text[text.index('{', at):]
            return re.sub(r'//[^\n]*|/\*.*?\*/', '', text[:text.index('\n}')], flags=re.S)
    return body_of(parents[cls])


def reads_of(cls):
    body = body_of(cls)
    local = {name: kind for kind, name in
             re.findall(r'\b(uint32_t|float|bool|std::string)\s+(\w+)\s*(?:=|;)', body)}
    local.update({name: kind for kind, name in re.findall(r'std::vector<(\w+)>\s+(\w+);', body)})
    local.update({name: kind for kind, name in re.findall(r'std::array<(\w+),[^>]*>\s+(\w+)', body)})
    rows = []
    for m in re.finditer(r'ml\.(get_key_or_arr|get_key|get_arr_n|get_arr)\(|load_swa_pattern\(ml', body):
        before = body[:m.start()]
        depth = before.count('{') - before.count('}')
        conditional = depth > 1
        if m.group().startswith('load_swa'):
            rows.append(('SWA_PATTERN', keys['LLM_KV_ATTENTION_SLIDING_WINDOW_PATTERN']))
            continue
        end, level = m.end(), 1
        while level:
            level += (body[end] == '(') - (body[end] == ')')
            end += 1
        args = arguments(body[m.end():end - 1])
        target = args[1].removeprefix('hparams.')
        kind = KINDS[local.get(target) or fields.get(target) or ('int32_t' if target == 'target_layer_ids' else '?')]
        flags = args[3:] if m.group(1) == 'get_key_or_arr' else args[2:]
        required = not flags or flags[0] == 'true'
        if conditional and required:
            print(f'{cls}: {keys[args[0]]} is required under a condition', file=sys.stderr)
            required = False
        shape = {'get_key': 'ONE', 'get_arr': 'ARRAY', 'get_arr_n': 'COUNT', 'get_key_or_arr': 'EITHER'}[m.group(1)]
        if shape == 'EITHER':
            shape = {'hparams.n_layer_all': 'LAYERS_ALL', 'hparams.n_layer()': 'LAYERS', '4': 'FOUR'}[args[2]]
        row = (f'{"NEED" if required else "MAY"} | {shape} | {kind}', keys[args[0]])
        if row not in rows:
            rows.append(row)
    return rows


print('''/* Made by scripts/generate-loader-table.py from llama.cpp v0.5.0 (MIT licence); see NOTICE. Do not edit. */
#include "loader_table.h"

/* clang-format off */''')
tables, listed = {}, []
for arch, cls in sorted(classes.items(), key=lambda item: names[item[0]]):
    rows = [] if arch == 'LLM_ARCH_CLIP' else reads_of(cls)
    text = ''.join(f'    {{"{key}", {kind}}},\n' for kind, key in rows)
    if not rows:
        listed.append((names[arch], 'NULL', 0))
        continue
    if text not in tables:
        tables[text] = 'reads_' + re.sub(r'\W', '_', names[arch])
        print(f'static const struct qfs_loader_read {tables[text]}[] = {{\n{text}}};\n')
    listed.append((names[arch], tables[text], len(rows)))
print('const struct qfs_loader_arch qfs_loader_archs[] = {')
for name, table, count in listed:
    print(f'    {{"{name}", {table}, {count}}},')
print('''};
const size_t qfs_loader_narchs = sizeof(qfs_loader_archs) / sizeof(qfs_loader_archs[0]);''')
