#!/usr/bin/env python3
"""The type that each tensor gets, in models of real size, against llama.cpp's own snapshots.

    snapshots.py run QUANTFS SNAPSHOTS [NAME...]      every model of MODELS below, made, compared and removed
    snapshots.py compare QUANTFS DIR SCHEMA           a model directory that is there already

Models are made by transformers without memory for their weights, and written as files of holes. Step 3.5 Flash is not
among them: the converter itself refuses its configuration.
"""
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + '/conformance')
import nemotron_h  # noqa: E402
TOKENIZERS = os.path.abspath(HERE + '/../../shared/models/tokenizers')

LINEAR = dict(linear_num_key_heads=16, linear_key_head_dim=128, linear_value_head_dim=128)

# schema: (class, tokenizer, configuration, options of quantfs); encoders are made small. A draft head is in no snapshot.
MODELS = {
    'qwen3-0.6b': ('Qwen3ForCausalLM', 'qwen3', dict(
        hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8,
        head_dim=128, vocab_size=151936), []),
    'qwen3-14b': ('Qwen3ForCausalLM', 'qwen3', dict(
        hidden_size=5120, intermediate_size=17408, num_hidden_layers=40, num_attention_heads=40, num_key_value_heads=8,
        head_dim=128, vocab_size=151936)),
    'meta-llama-3.1-70b-instruct': ('LlamaForCausalLM', 'llama-3.1', dict(
        hidden_size=8192, intermediate_size=28672, num_hidden_layers=80, num_attention_heads=64, num_key_value_heads=8,
        vocab_size=128256), []),
    'gemma-3-4b-it': ('Gemma3ForConditionalGeneration', 'gemma-3', dict(
        text_config=dict(hidden_size=2560, intermediate_size=10240, num_hidden_layers=34, num_attention_heads=8,
                         num_key_value_heads=4, head_dim=256, vocab_size=262208),
        vision_config=dict(hidden_size=64, num_hidden_layers=1, num_attention_heads=1, intermediate_size=64)), []),
    'gpt-oss-120b': ('GptOssForCausalLM', 'gpt-oss', dict(
        hidden_size=2880, intermediate_size=2880, num_hidden_layers=36, num_attention_heads=64, num_key_value_heads=8,
        head_dim=64, num_local_experts=128, num_experts_per_tok=4, vocab_size=201088), []),
    'qwen3-coder-next': ('Qwen3NextForCausalLM', 'qwen3', dict(
        hidden_size=2048, intermediate_size=5120, num_hidden_layers=48, num_attention_heads=16, num_key_value_heads=2,
        head_dim=256, num_experts=512, num_experts_per_tok=10, moe_intermediate_size=512,
        shared_expert_intermediate_size=512, linear_num_value_heads=32, vocab_size=151936, **LINEAR), ['--no-mtp']),
    'qwen3.6-27b': ('Qwen3_5ForCausalLM', 'qwen3', dict(
        hidden_size=5120, intermediate_size=17408, num_hidden_layers=64, num_attention_heads=24, num_key_value_heads=4,
        head_dim=256, linear_num_value_heads=48, vocab_size=248320, **LINEAR), ['--no-mtp']),
    'qwen3.5-397b-a17b': ('Qwen3_5MoeForCausalLM', 'qwen3', dict(
        hidden_size=4096, num_hidden_layers=60, num_attention_heads=32, num_key_value_heads=2, head_dim=256,
        num_experts=512, num_experts_per_tok=10, moe_intermediate_size=1024, shared_expert_intermediate_size=1024,
        linear_num_value_heads=64, vocab_size=248320, **LINEAR), ['--no-mtp']),
    'glm-4.6v': ('Glm4vMoeForConditionalGeneration', 'smollm2', dict(
        text_config=dict(hidden_size=4096, intermediate_size=10944, num_hidden_layers=46, num_attention_heads=96,
                         num_key_value_heads=8, head_dim=128, n_routed_experts=128, num_experts_per_tok=8,
                         moe_intermediate_size=1408, n_shared_experts=1, first_k_dense_replace=1, attention_bias=True,
                         vocab_size=151552, pad_token_id=0, eos_token_id=[2, 3]),
        vision_config=dict(hidden_size=64, depth=1, num_heads=2, intermediate_size=64, out_hidden_size=4096)), []),
    'nvidia-nemotron-3-nano-30b-a3b': ('NemotronHForCausalLM', 'smollm2', dict(
        {**nemotron_h.BASE, **nemotron_h.MOE}, hidden_size=2688, num_hidden_layers=52, num_attention_heads=32,
        num_key_value_heads=2, attention_head_dim=128, n_routed_experts=128, num_experts_per_tok=6,
        moe_intermediate_size=1856, moe_shared_expert_intermediate_size=3712, intermediate_size=1856, mamba_num_heads=64,
        ssm_state_size=128, n_groups=8, vocab_size=131072,
        hybrid_override_pattern='MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME'), []),
}
# Classes that transformers does not have: their tensors as the conformance rows say them.
TENSORS = {'NemotronHForCausalLM': nemotron_h.tensors}



def names_and_shapes(cls, config):
    """What save_pretrained would write: (name, shape) of every tensor, and config.json."""
    if cls in TENSORS:
        shapes = TENSORS[cls](config)
        return ({k: list(v[0] if isinstance(v, tuple) else v) for k, v in shapes.items()},
                dict(architectures=[cls], torch_dtype='bfloat16', **config))
    import torch
    import transformers
    from transformers.core_model_loading import revert_weight_conversion
    made = getattr(transformers, cls)
    with torch.device('meta'):
        model = made(made.config_class(**config))
    state = revert_weight_conversion(model, model.state_dict())
    tied = 'lm_head.weight' if model.config.get_text_config().tie_word_embeddings else '-'
    text = json.loads(model.config.to_json_string())
    text.update(architectures=[cls], torch_dtype='bfloat16')
    return {k: list(v.shape) for k, v in state.items() if not k.endswith(tied)}, text


def write_holes(out, shapes):
    """One safetensors file with room for every tensor and nothing in it."""
    header, at = {'__metadata__': {'format': 'pt'}}, 0
    for name, shape in sorted(shapes.items()):
        size = 2 * math.prod(shape)
        header[name] = dict(dtype='BF16', shape=shape, data_offsets=[at, at + size])
        at += size
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(out + '/model.safetensors', 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text)
        f.truncate(8 + len(text) + at)


def add_tokens(out, tokens):
    """Special tokens that a converter asks for, behind those of the tokenizer."""
    with open(out + '/tokenizer.json') as f:
        tokenizer = json.load(f)
    first = max([*tokenizer['model']['vocab'].values(), *(t['id'] for t in tokenizer['added_tokens'])]) + 1
    tokenizer['added_tokens'] += [dict(id=first + i, content=token, single_word=False, lstrip=False, rstrip=False,
                                       normalized=False, special=True) for i, token in enumerate(tokens)]
    with open(out + '/tokenizer.json', 'w') as f:
        json.dump(tokenizer, f)


def make(name, top):
    cls, tokenizer, config, _ = MODELS[name]
    out = f'{top}/{name}'
    shutil.copytree(f'{TOKENIZERS}/{tokenizer}', out)
    if cls.startswith('Glm'):
        add_tokens(out, ['[gMASK]', '<|user|>', '<|observation|>', '<unk>', '<|startoftext|>'])
    shapes, text = names_and_shapes(cls, config)
    write_holes(out, shapes)
    with open(out + '/config.json', 'w') as f:
        json.dump(text, f, indent=2)
    return out


def read_schema(path):
    """{type of a view: (type of its tensors, {tensor: type where another})}"""
    sections = {}
    with open(path) as f:
        for line in f:
            words = line.split()
            if line.startswith('['):
                section = sections.setdefault(words[0][1:-1], (words[1], {}))
            elif len(words) == 2 and not line.startswith('#'):
                section[1][words[0]] = words[1]
    return sections


def run(*args):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f'{" ".join(args)}: {done.stderr[-500:]}')
    return done.stdout


def compare(quantfs, model, schema, *options):
    """Prints what differs; how many types do. Views that need an importance matrix are left out: one of this size
    would be larger than most models."""
    views, differ, checked, lacking = run(quantfs, 'ls', *options, model), 0, 0, []
    for kind, (default, others) in read_schema(schema).items():
        if f'-{kind}.gguf' not in views:
            lacking.append(kind)
            continue
        tensors = {t['name']: t['type'].lower() for t in json.loads(run(quantfs, 'plan', '--json', *options, model, kind))['tensors']}
        for name, got in tensors.items():
            expected = others.get(name, default).lower()
            if got == 'f32' and expected != 'f32' and name not in others:
                continue  # what is never quantized is not listed
            checked += 1
            if got != expected:
                differ += 1
                print(f'{kind}: {name} is {got}, the snapshot says {expected}')
        for name in set(others) - set(tensors):
            differ += 1
            print(f'{kind}: {name} is missing')
    print(f'{os.path.basename(schema)}: {checked} types compared, {differ} differ; need an importance matrix: '
          f'{" ".join(lacking) or "none"}')
    return differ


def main():
    if len(sys.argv) == 5 and sys.argv[1] == 'compare':
        return compare(*sys.argv[2:])
    if len(sys.argv) < 4 or sys.argv[1] != 'run':
        sys.exit(__doc__)
    quantfs, snapshots, names = os.path.abspath(sys.argv[2]), sys.argv[3], sys.argv[4:] or MODELS
    differ = 0
    for name in names:
        with tempfile.TemporaryDirectory() as top:
            differ += compare(quantfs, make(name, top), f'{snapshots}/{name}.schema', *MODELS[name][3])
    return differ


if __name__ == '__main__':
    sys.exit(main() != 0)
