"""Checkpoints as labs release them: the same small models, their matrices packed as quantizers pack them, and other
containers than safetensors files. A row's `checkpoint` is called with the directory of the finished model."""
import base64
import json
import os

from conformance import Row, in_parts

BLOCK = [128, 128]


def edit(out, change, quantization=None):
    """model.safetensors once more, as change(tensors) gives it, and what config.json says of it."""
    from safetensors.torch import load_file, save_file
    path = out + '/model.safetensors'
    tensors = change(load_file(path))
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata={'format': 'pt'})
    if quantization:
        edit_config(out, lambda config: config.update(quantization_config=quantization))


def edit_config(out, change):
    with open(out + '/config.json') as f:
        config = json.load(f)
    change(config)
    with open(out + '/config.json', 'w') as f:
        json.dump(config, f, indent=2)


def projections(pack, quantization=None):
    """A checkpoint of which pack(tensors, name of a projection without .weight, its matrix) replaces each projection."""
    def checkpoint(out):
        import torch
        torch.manual_seed(1)

        def change(tensors):
            for name in [n for n in tensors if n.endswith('_proj.weight')]:
                pack(tensors, name[:-len('.weight')], tensors.pop(name))
            return tensors
        edit(out, change, quantization)
    return checkpoint


# -- FP8


def in_blocks(matrix, block, scale_type):
    """E4M3 in blocks, those at the edges cut short, and their scales."""
    import torch
    rows, columns = matrix.shape
    down, across = -(-rows // block[0]), -(-columns // block[1])
    padded = torch.zeros(down * block[0], across * block[1])
    padded[:rows, :columns] = matrix.float()
    blocks = padded.view(down, block[0], across, block[1])
    scale = (blocks.abs().amax((1, 3)) / 448).clamp(min=1e-9).to(scale_type)
    values = (blocks / scale.float()[:, None, :, None]).view(padded.shape)[:rows, :columns]
    return values.clamp(-448, 448).to(torch.float8_e4m3fn), scale


def by_row(matrix, whole):
    import torch
    peak = matrix.float().abs().amax() if whole else matrix.float().abs().amax(1, keepdim=True)
    scale = peak / 448
    return (matrix.float() / scale).clamp(-448, 448).to(torch.float8_e4m3fn), scale


def fp8_blocks(block, scale_type, suffix='weight_scale_inv'):
    def pack(tensors, name, matrix):
        import torch
        tensors[name + '.weight'], tensors[f'{name}.{suffix}'] = in_blocks(matrix, block, getattr(torch, scale_type))
    return pack


def fp8_scales(suffix, whole, scale_type='float32', shape=None, more=()):
    """One scale a matrix (`whole`) or a row; `more`: further tensors of the projection, one number each."""
    def pack(tensors, name, matrix):
        import torch
        tensors[name + '.weight'], scale = by_row(matrix, whole)
        tensors[f'{name}.{suffix}'] = (scale.reshape(shape) if shape is not None else scale).to(getattr(torch, scale_type))
        for other in more:
            tensors[f'{name}.{other}'] = torch.tensor(0.5)
    return pack


# -- integers


def packed(values, bits, axis):
    """Fields of int32 words along an axis, lowest first."""
    import torch
    per = 32 // bits
    values = values.to(torch.int64)
    values = values.movedim(axis, 0)
    short = -len(values) % per
    values = torch.cat([values, values.new_zeros(short, *values.shape[1:])])
    words = sum(values[k::per] << (bits * k) for k in range(per))
    return torch.where(words >= 2 ** 31, words - 2 ** 32, words).to(torch.int32).movedim(0, axis)


def gptq(bits, group, scale_type='float16', act_order=False):
    def pack(tensors, name, matrix):
        import torch
        outputs, inputs = matrix.shape
        groups = torch.arange(inputs) // group
        tensors[name + '.qweight'] = packed(torch.randint(0, 2 ** bits, (inputs, outputs)), bits, 0)
        tensors[name + '.qzeros'] = packed(torch.randint(0, 2 ** bits, (inputs // group, outputs)), bits, 1)
        tensors[name + '.scales'] = (torch.rand(inputs // group, outputs) * 0.01).to(getattr(torch, scale_type))
        tensors[name + '.g_idx'] = (groups[torch.randperm(inputs)] if act_order else groups).to(torch.int32)
    return pack


def gptq_config(bits, group, **more):
    return dict(quant_method='gptq', bits=bits, group_size=group, sym=False, **more)


def awq(tensors, name, matrix):
    import torch
    outputs, inputs = matrix.shape
    tensors[name + '.qweight'] = packed(torch.randint(0, 16, (inputs, outputs)), 4, 1)
    tensors[name + '.qzeros'] = packed(torch.randint(0, 16, (inputs // 128, outputs)), 4, 1)
    tensors[name + '.scales'] = (torch.rand(inputs // 128, outputs) * 0.01).half()


def nf4(tensors, name, matrix):
    import torch
    tensors[name + '.weight'] = torch.randint(0, 256, (matrix.numel() // 2, 1), dtype=torch.uint8)
    tensors[name + '.weight.absmax'] = torch.randint(0, 256, (matrix.numel() // 64,), dtype=torch.uint8)
    tensors[name + '.weight.quant_map'] = torch.linspace(-1, 1, 16)


def bitnet(tensors, name, matrix):
    import torch
    rows, columns = matrix.shape
    tensors[name + '.weight'] = torch.randint(0, 256, (rows // 4, columns), dtype=torch.uint8)
    tensors[name + '.weight_scale'] = torch.tensor([1.7], dtype=torch.bfloat16)


# -- compressed-tensors and ModelOpt


def compressed(form, strategy, bits, group=None, kind='int', **more):
    weights = dict(num_bits=bits, group_size=group, strategy=strategy, symmetric=True, type=kind, **more)
    return dict(quant_method='compressed-tensors', format=form, quantization_status='compressed', ignore=['lm_head'],
                config_groups=dict(group_0=dict(targets=['Linear'], weights=weights, input_activations=None)))


def packed_integers(bits, group, zeros=False, only=''):
    def pack(tensors, name, matrix):
        import torch
        if only not in name:
            tensors[name + '.weight'] = matrix
            return
        rows, columns = matrix.shape
        tensors[name + '.weight_packed'] = packed(torch.randint(0, 2 ** bits, (rows, columns)), bits, 1)
        tensors[name + '.weight_scale'] = (torch.rand(rows, columns // group) * 0.01).to(matrix.dtype)
        tensors[name + '.weight_shape'] = torch.tensor([rows, columns])
        if zeros:
            tensors[name + '.weight_zero_point'] = packed(torch.randint(0, 2 ** bits, (rows, columns // group)), bits, 0)
    return pack


def int8_channels(tensors, name, matrix):
    import torch
    tensors[name + '.weight'] = torch.randint(-127, 128, matrix.shape, dtype=torch.int8)
    tensors[name + '.weight_scale'] = (torch.rand(len(matrix), 1) * 0.001).to(matrix.dtype)


def nvfp4(tensors, name, matrix, own=False):
    """ModelOpt's names, or compressed-tensors' (`own`), whose second scale is the reciprocal."""
    import torch
    rows, columns = matrix.shape
    tensors[name + ('.weight_packed' if own else '.weight')] = torch.randint(0, 256, (rows, columns // 2), dtype=torch.uint8)
    tensors[name + '.weight_scale'] = (torch.rand(rows, columns // 16) * 400).to(torch.float8_e4m3fn)
    if own:
        tensors[name + '.weight_global_scale'] = torch.tensor([813.0])
        tensors[name + '.input_global_scale'] = torch.tensor([321.5])
    else:
        tensors[name + '.weight_scale_2'] = torch.tensor(0.00123)
        tensors[name + '.input_scale'] = torch.tensor(0.0032)


def modelopt(pack, algorithm):
    """What ModelOpt says stands in a file of its own; scales of the KV cache are there too."""
    def checkpoint(out):
        import torch
        projections(pack)(out)
        edit(out, lambda tensors: {**tensors, **{
            n.replace(f'{k}_proj.weight', f'{k}_proj.{k}_scale'): torch.tensor(1.0)
            for k in 'kv' for n in tensors if n.endswith(f'{k}_proj.weight')}})
        with open(out + '/hf_quant_config.json', 'w') as f:
            json.dump(dict(producer=dict(name='modelopt', version='0.29.0'), quantization=dict(
                quant_algo=algorithm, kv_cache_quant_algo='FP8', group_size=16, exclude_modules=['lm_head'])), f)
    return checkpoint


def mxfp4(out):
    """gpt-oss: experts as blocks of 16 bytes and a scale each, rows of the transposed matrices."""
    import torch

    def change(tensors):
        for name in [n for n in tensors if n.endswith(('gate_up_proj', 'down_proj'))]:
            experts, inputs, outputs = tensors.pop(name).shape
            tensors[name + '_blocks'] = torch.randint(0, 256, (experts, outputs, inputs // 32, 16), dtype=torch.uint8)
            tensors[name + '_scales'] = torch.randint(110, 125, (experts, outputs, inputs // 32), dtype=torch.uint8)
        return tensors
    edit(out, change, dict(quant_method='mxfp4', modules_to_not_convert=['model.layers.*.self_attn', 'lm_head']))


# -- containers


def as_torch(parts, zipped=True):
    """pytorch_model.bin, one or several with their index; some tensors are views of others' storage."""
    def checkpoint(out):
        import torch
        from safetensors.torch import load_file
        tensors = load_file(out + '/model.safetensors')
        both = torch.cat([tensors[f'model.layers.0.mlp.{n}_proj.weight'] for n in ('gate', 'up')])
        rows = len(both) // 2
        tensors['model.layers.0.mlp.gate_proj.weight'], tensors['model.layers.0.mlp.up_proj.weight'] = both[:rows], both[rows:]
        down = 'model.layers.1.mlp.down_proj.weight'
        tensors[down] = tensors[down].t().contiguous().t()
        items = list(tensors.items())
        cut = [items[len(items) * i // parts:len(items) * (i + 1) // parts] for i in range(parts)]
        names = ['pytorch_model.bin'] if parts == 1 else [f'pytorch_model-{i + 1:05d}-of-{parts:05d}.bin' for i in range(parts)]
        for name, part in zip(names, cut):
            torch.save(dict(part), f'{out}/{name}', _use_new_zipfile_serialization=zipped)
        if parts > 1:
            with open(out + '/pytorch_model.bin.index.json', 'w') as f:
                json.dump(dict(metadata={}, weight_map={n: name for name, part in zip(names, cut) for n, _ in part}), f)
        os.remove(out + '/model.safetensors')
    return checkpoint


def tekken():
    """A Tekken vocabulary: 40 special tokens, 256 bytes, 24 words."""
    words = [bytes([b]) for b in range(256)] + [f'w{chr(97 + i)}'.encode() for i in range(24)]
    special = ['<unk>', '<s>', '</s>', '[INST]', '[/INST]', '[AVAILABLE_TOOLS]', '[/AVAILABLE_TOOLS]', '[TOOL_RESULTS]',
               '[/TOOL_RESULTS]', '[TOOL_CALLS]', '[IMG]', '<pad>', '[IMG_BREAK]', '[IMG_END]', '[PREFIX]', '[MIDDLE]',
               '[SUFFIX]', '[SYSTEM_PROMPT]', '[/SYSTEM_PROMPT]', '[TOOL_CONTENT]']
    return json.dumps(dict(
        config=dict(pattern=r'[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+', version='v7',
                    num_vocab_tokens=len(words), default_vocab_size=40 + len(words), default_num_special_tokens=40),
        vocab=[dict(rank=i, token_bytes=base64.b64encode(w).decode(), token_str=w.decode() if w.isascii() else None)
               for i, w in enumerate(words)],
        special_tokens=[dict(rank=i, token_str=t, is_control=True) for i, t in enumerate(special)]))


MISTRAL = {'tok_embeddings': [320, 256], 'norm': [256], 'output': [320, 256]}
for i in range(2):
    MISTRAL.update({f'layers.{i}.{k}': v for k, v in {
        'attention_norm': [256], 'ffn_norm': [256], 'attention.wq': [256, 256], 'attention.wk': [128, 256],
        'attention.wv': [128, 256], 'attention.wo': [256, 256], 'feed_forward.w1': [512, 256],
        'feed_forward.w2': [256, 512], 'feed_forward.w3': [512, 256]}.items()})


def mistral_format(out):
    """params.json, consolidated.safetensors and tekken.json, as Mistral AI puts them beside the other files."""
    os.rename(out + '/model.safetensors', out + '/consolidated.safetensors')
    with open(out + '/params.json', 'w') as f:
        json.dump(dict(dim=256, n_layers=2, head_dim=64, hidden_dim=512, n_heads=4, n_kv_heads=2, norm_eps=1e-5,
                       vocab_size=320, rope_theta=1e6, max_position_embeddings=4096), f)
    os.remove(out + '/config.json')


def both_formats(out):
    """The same beside config.json and model.safetensors, which say something else."""
    import shutil
    shutil.copy(out + '/model.safetensors', out + '/kept')
    shutil.copy(out + '/config.json', out + '/kept.json')
    mistral_format(out)
    os.rename(out + '/kept', out + '/model.safetensors')
    os.rename(out + '/kept.json', out + '/config.json')
    edit(out, lambda tensors: {'model.norm.weight': tensors['norm.weight']})


def llama(name, checkpoint, cls='LlamaForCausalLM', tokenizer='tiny', **more):
    return Row(name, cls, tokenizer=tokenizer, checkpoint=checkpoint, **more)


FP8 = dict(quant_method='fp8', fmt='e4m3', activation_scheme='dynamic')
NVFP4 = dict(quant_method='compressed-tensors', format='nvfp4-pack-quantized', config_groups=dict(group_0=dict(
    format='nvfp4-pack-quantized', weights=dict(num_bits=4, group_size=16, type='float', strategy='tensor_group'))))
MOE = dict(num_experts=4, num_experts_per_tok=2, head_dim=64, moe_intermediate_size=256)

ROWS = [
    llama('fp8-blocks', projections(fp8_blocks(BLOCK, 'float32'), dict(FP8, weight_block_size=BLOCK))),
    llama('fp8-blocks-cut', projections(fp8_blocks([128, 96], 'bfloat16'), dict(FP8, weight_block_size=[128, 96]))),
    llama('fp8-blocks-experts', projections(fp8_blocks(BLOCK, 'bfloat16'), dict(FP8, weight_block_size=BLOCK)),
          'Qwen3MoeForCausalLM', tokenizer='smollm2', config=MOE),
    llama('fp8-tensors', projections(fp8_scales('weight_scale_inv', True, more=['activation_scale']),
                                     dict(FP8, activation_scheme='static', weight_block_size=None))),
    llama('fp8-channels', projections(fp8_scales('weight_scale', False, 'bfloat16'),
                                      compressed('float-quantized', 'channel', 8, kind='float'))),
    llama('fp8-compressed-blocks', projections(fp8_blocks(BLOCK, 'bfloat16', 'weight_scale'), compressed(
        'float-quantized', 'block', 8, kind='float', block_structure=BLOCK))),
    llama('fp8-compressed-tensors', projections(fp8_scales('weight_scale', True, shape=[1]),
                                                compressed('float-quantized', 'tensor', 8, kind='float'))),
    llama('fp8-modelopt', modelopt(fp8_scales('weight_scale', True, more=['input_scale']), 'FP8')),
    llama('int8-channels', projections(int8_channels, compressed('int-quantized', 'channel', 8))),
    llama('int4-packed', projections(packed_integers(4, 128), compressed('pack-quantized', 'group', 4, 128))),
    llama('int4-packed-zeros', projections(packed_integers(4, 32, True), compressed('pack-quantized', 'group', 4, 32))),
    llama('int8-packed', projections(packed_integers(8, 64), compressed('pack-quantized', 'group', 8, 64))),
    llama('int4-packed-experts', projections(packed_integers(4, 32, only='.experts.'), compressed('pack-quantized', 'group', 4, 32)),
          'Qwen3MoeForCausalLM', tokenizer='smollm2', config=MOE),
    llama('gptq-4', projections(gptq(4, 128), gptq_config(4, 128, desc_act=False))),
    llama('gptq-4-act-order', projections(gptq(4, 64, act_order=True), gptq_config(4, 64, desc_act=True))),
    llama('gptq-4-v2', projections(gptq(4, 128, 'bfloat16', True), gptq_config(4, 128, desc_act=True, checkpoint_format='gptq_v2'))),
    llama('gptq-8', projections(gptq(8, 64), gptq_config(8, 64, desc_act=False))),
    llama('gptq-8-act-order', projections(gptq(8, 128, act_order=True), gptq_config(8, 128, desc_act=True))),
    llama('gptq-3', projections(gptq(4, 128), gptq_config(3, 128, desc_act=False))),
    llama('awq', projections(awq, dict(quant_method='awq', bits=4, group_size=128, version='gemm', zero_point=True))),
    llama('bitsandbytes', projections(nf4, dict(quant_method='bitsandbytes', load_in_4bit=True, bnb_4bit_quant_type='nf4'))),
    llama('bitnet-packed', projections(bitnet, dict(quant_method='bitnet', linear_class='bitlinear', quantization_mode='offline'))),
    llama('nvfp4-modelopt', modelopt(nvfp4, 'NVFP4')),
    llama('nvfp4-compressed', projections(lambda *a: nvfp4(*a, own=True), NVFP4)),
    Row('mxfp4-experts', 'GptOssForCausalLM', tokenizer='gpt-2', checkpoint=mxfp4, config=dict(
        head_dim=64, num_local_experts=4, num_experts_per_tok=2, intermediate_size=256)),
    llama('torch-bin', as_torch(1)),
    llama('torch-bin-parts', as_torch(3)),
    llama('torch-bin-old', as_torch(1, zipped=False)),
    llama('safetensors-parts', in_parts),
    Row('mistral-format', 'MistralForCausalLM', bare=True, checkpoint=mistral_format, options=('--mistral-format',),
        config=dict(vocab_size=320), files={'tekken.json': tekken()},
        tensors=lambda config: {k + '.weight': v for k, v in MISTRAL.items()}),
    Row('mistral-format-beside', 'MistralForCausalLM', bare=True, checkpoint=both_formats, options=('--mistral-format',),
        ours=('--mistral-format',), config=dict(vocab_size=320, model_type='mistral', _name_or_path='mistralai/Some-Model-7B-v0.3'),
        files={'tekken.json': tekken()}, tensors=lambda config: {k + '.weight': v for k, v in MISTRAL.items()}),
]
