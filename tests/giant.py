#!/usr/bin/env python3
"""A sparse directory of DeepSeek-V3's real size, and how long views of it take.

    giant.py make DIR                  61 layers, 256 experts, FP8 with block scales, 163 parts of holes
    giant.py measure BUILD DIR         ls of all views: time and memory; single reads of any view: time

Weights are holes in the files (zeros), so 690 GB need some megabytes of disk. The tokenizer is that of the shared
models (--tokenizer FOLDER: another).
"""
import argparse
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))

CONFIG = dict(
    architectures=['DeepseekV3ForCausalLM'], attention_bias=False, attention_dropout=0.0,
    auto_map=dict(AutoConfig='configuration_deepseek.DeepseekV3Config', AutoModel='modeling_deepseek.DeepseekV3Model',
                  AutoModelForCausalLM='modeling_deepseek.DeepseekV3ForCausalLM'),
    bos_token_id=0, eos_token_id=1, ep_size=1, first_k_dense_replace=3, hidden_act='silu', hidden_size=7168,
    initializer_range=0.02, intermediate_size=18432, kv_lora_rank=512, max_position_embeddings=163840,
    model_type='deepseek_v3', moe_intermediate_size=2048, moe_layer_freq=1, n_group=8, n_routed_experts=256,
    n_shared_experts=1, norm_topk_prob=True, num_attention_heads=128, num_experts_per_tok=8, num_hidden_layers=61,
    num_key_value_heads=128, num_nextn_predict_layers=1, q_lora_rank=1536, qk_nope_head_dim=128, qk_rope_head_dim=64,
    quantization_config=dict(activation_scheme='dynamic', fmt='e4m3', quant_method='fp8', weight_block_size=[128, 128]),
    rms_norm_eps=1e-06,
    rope_scaling=dict(beta_fast=32, beta_slow=1, factor=40, mscale=1.0, mscale_all_dim=1.0,
                      original_max_position_embeddings=4096, type='yarn'),
    rope_theta=10000, routed_scaling_factor=2.5, scoring_func='sigmoid', tie_word_embeddings=False, topk_group=4,
    topk_method='noaux_tc', torch_dtype='bfloat16', transformers_version='4.33.1', use_cache=True, v_head_dim=128,
    vocab_size=129280)

SIZE = dict(F32=4, BF16=2, F8_E4M3=1)
PARTS = 163


def tensors():
    """(name, dtype, shape) of every tensor, layer by layer."""
    c = CONFIG
    n, heads = c['hidden_size'], c['num_attention_heads']
    nope, rope, value = c['qk_nope_head_dim'], c['qk_rope_head_dim'], c['v_head_dim']

    def fp8(name, rows, cols):
        yield name + '.weight', 'F8_E4M3', [rows, cols]
        yield name + '.weight_scale_inv', 'F32', [-(-rows // 128), -(-cols // 128)]

    def gated(name, size):
        for w in ('gate_proj', 'up_proj'):
            yield from fp8(f'{name}.{w}', size, n)
        yield from fp8(f'{name}.down_proj', n, size)

    yield 'model.embed_tokens.weight', 'BF16', [c['vocab_size'], n]
    for i in range(c['num_hidden_layers']):
        p = f'model.layers.{i}.'
        a = p + 'self_attn.'
        yield p + 'input_layernorm.weight', 'BF16', [n]
        yield from fp8(a + 'q_a_proj', c['q_lora_rank'], n)
        yield a + 'q_a_layernorm.weight', 'BF16', [c['q_lora_rank']]
        yield from fp8(a + 'q_b_proj', heads * (nope + rope), c['q_lora_rank'])
        yield from fp8(a + 'kv_a_proj_with_mqa', c['kv_lora_rank'] + rope, n)
        yield a + 'kv_a_layernorm.weight', 'BF16', [c['kv_lora_rank']]
        yield from fp8(a + 'kv_b_proj', heads * (nope + value), c['kv_lora_rank'])
        yield from fp8(a + 'o_proj', n, heads * value)
        yield p + 'post_attention_layernorm.weight', 'BF16', [n]
        if i < c['first_k_dense_replace']:
            yield from gated(p + 'mlp', c['intermediate_size'])
            continue
        yield p + 'mlp.gate.weight', 'BF16', [c['n_routed_experts'], n]
        yield p + 'mlp.gate.e_score_correction_bias', 'F32', [c['n_routed_experts']]
        yield from gated(p + 'mlp.shared_experts', c['moe_intermediate_size'] * c['n_shared_experts'])
        for e in range(c['n_routed_experts']):
            yield from gated(f'{p}mlp.experts.{e}', c['moe_intermediate_size'])
    yield 'model.norm.weight', 'BF16', [n]
    yield 'lm_head.weight', 'BF16', [c['vocab_size'], n]


def make(out, tokenizer):
    os.makedirs(out)
    for file in os.listdir(tokenizer):
        shutil.copy(f'{tokenizer}/{file}', out)
    with open(out + '/config.json', 'w') as f:
        json.dump(CONFIG, f, indent=2)
    every = list(tensors())
    weight_map, total = {}, 0
    for i in range(PARTS):
        name = f'model-{i + 1:05d}-of-{PARTS:06d}.safetensors'
        header, at = {'__metadata__': {'format': 'pt'}}, 0
        for tensor, dtype, shape in every[len(every) * i // PARTS:len(every) * (i + 1) // PARTS]:
            size = SIZE[dtype]
            for axis in shape:
                size *= axis
            header[tensor] = dict(dtype=dtype, shape=shape, data_offsets=[at, at + size])
            weight_map[tensor] = name
            at += size
        text = json.dumps(header, separators=(',', ':')).encode()
        text += b' ' * (-len(text) % 8)
        with open(f'{out}/{name}', 'wb') as f:
            f.write(struct.pack('<Q', len(text)) + text)
            f.truncate(8 + len(text) + at)
        total += at
    with open(out + '/model.safetensors.index.json', 'w') as f:
        json.dump(dict(metadata=dict(total_size=total), weight_map=weight_map), f)
    print(f'{len(every)} tensors, {total / 1e9:.0f} GB of holes')


def run(*args, **kwargs):
    """The command's output, its seconds of real and processor time, its peak memory in MB."""
    with tempfile.TemporaryFile() as out:
        start = time.monotonic()
        pid = subprocess.Popen(args, stdout=out, stderr=subprocess.STDOUT, **kwargs).pid
        _, status, use = os.wait4(pid, 0)
        took = time.monotonic() - start
        out.seek(0)
        text = out.read()
    if status:
        sys.exit(f'{" ".join(args)}: {text.decode(errors="replace")[-500:]}')
    return text.decode(errors='replace'), took, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024


def measure(build, model):
    subprocess.run(['ninja', '-C', build, 'quantfs', 'tests/giant_read'], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as cache:
        env = dict(os.environ, XDG_CACHE_HOME=cache)
        for again in ('', ' again'):
            text, took, cpu, memory = run(build + '/quantfs', 'ls', model, env=env)
            print(f'ls{again}: {took:.2f} s, {cpu:.2f} s of processor time, {memory:.0f} MB, {text.count(".gguf")} views')
        plan = json.loads(run(build + '/quantfs', 'plan', '--json', model, 'Q4_K_M', env=env)[0])
        places = []
        for part in ('token_embd', 'blk.3.attn_k_b', 'blk.3.attn_v_b', 'blk.60.ffn_down_exps', 'blk.60.ffn_gate_inp', 'output'):
            tensor = next(t for t in plan['tensors'] if t['name'] == part + '.weight')
            places += ['Q4_K_M', str(tensor['offset'] + tensor['bytes'] // 2)]
        print(run(build + '/tests/giant_read', model, '-', '8', *places, env=env)[0], end='')


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--tokenizer', default=os.path.abspath(HERE + '/../../shared/models/tokenizers/deepseek-v3'))
    sub = p.add_subparsers(dest='what', required=True)
    m = sub.add_parser('make')
    m.add_argument('dir')
    m = sub.add_parser('measure')
    m.add_argument('build')
    m.add_argument('dir')
    a = p.parse_args()
    if a.what == 'make':
        make(a.dir, a.tokenizer)
    else:
        measure(os.path.abspath(a.build), a.dir)


if __name__ == '__main__':
    main()
