"""What a conformance list is written with: see run.py.

A file of this folder, named as the family's file in arch/, says in ROWS which tiny models to make:

    from conformance import Row

    ROWS = [
        Row('granite', 'GraniteForCausalLM', tokenizer='llama-2', config=dict(embedding_multiplier=12.0)),
    ]

Prefer tokenizers with few tokens (tiny: 320, minilm and llama-2: 30,000, gpt-2 and smollm2: 50,000): each row's
vocabulary is converted and quantized several times.

A model whose class is in transformers is made by it (random weights, BF16, save_pretrained); one whose code lives in
the model's own folder says its tensors:

        Row('xverse', 'XverseForCausalLM', tokenizer='llama-2', config=dict(model_type='xverse', …),
            tensors=lambda config: {'model.embed_tokens.weight': [config['vocab_size'], 256], …}),
"""
import dataclasses
import json
from typing import Callable, Optional


@dataclasses.dataclass
class Row:
    name: str  # of the row and of the model's directory: lower case, unique
    cls: str  # architectures[0]
    tokenizer: Optional[str] = None  # a folder of the shared tokenizers; 'tiny': our own SentencePiece vocabulary
    config: dict = dataclasses.field(default_factory=dict)  # what differs from SMALL (see run.py) and the defaults
    text: Optional[str] = None  # name of the sub-configuration that SMALL and vocab_size go to: 'text_config'
    released: Optional[Callable] = None  # config (stripped already) → config.json as the lab released it
    tensors: Optional[Callable] = None  # config → {name: shape} or {name: (shape, dtype)}
    make: Optional[Callable] = None  # config → model, where transformers' AutoModel mappings do not know cls
    files: dict = dataclasses.field(default_factory=dict)  # further files: name → text or bytes
    patch: Optional[Callable] = None  # state dict → state dict, before it is saved (names as labs released them)
    checkpoint: Optional[Callable] = None  # directory of the finished model → None: changes its files in place
    options: tuple = ()  # of the reference's converter
    ours: tuple = ()  # of quantfs, where it needs them too
    added: tuple = ()  # special tokens added to tokenizer.json
    types: tuple = ('SOURCE', 'Q4_K_M')
    mmproj: bool = False  # compare the projector's file as well
    bare: bool = False  # SMALL is not added to config
    note: str = ''  # for the table


def layer(i, config, attention=(), mlp=None, norms=('input_layernorm', 'post_attention_layernorm')):
    """Tensors of model.layers.i for rows that say their tensors: grouped-query attention under self_attn unless
    `attention` names all of it, a gated MLP under mlp unless `mlp` names all of it."""
    p, n = f'model.layers.{i}.', config['hidden_size']
    dim = config.get('head_dim') or n // config['num_attention_heads']
    q, kv = config['num_attention_heads'] * dim, config['num_key_value_heads'] * dim
    out = {p + norm + '.weight': [n] for norm in norms}
    out.update(attention or {f'{p}self_attn.q_proj.weight': [q, n], f'{p}self_attn.k_proj.weight': [kv, n],
                             f'{p}self_attn.v_proj.weight': [kv, n], f'{p}self_attn.o_proj.weight': [n, q]})
    out.update(gated(p + 'mlp', n, config['intermediate_size']) if mlp is None else mlp)
    return out


def gated(prefix, n, inner, names=('gate_proj', 'up_proj', 'down_proj')):
    gate, up, down = names
    return {f'{prefix}.{gate}.weight': [inner, n], f'{prefix}.{up}.weight': [inner, n], f'{prefix}.{down}.weight': [n, inner]}


def experts(prefix, count, n, inner, names=('gate_proj', 'up_proj', 'down_proj')):
    return {k: v for e in range(count) for k, v in gated(f'{prefix}.{e}', n, inner, names).items()}


def ends(config, embedding='model.embed_tokens', norm='model.norm', head='lm_head'):
    v, n = config['vocab_size'], config['hidden_size']
    return {k + '.weight': shape for k, shape in ((embedding, [v, n]), (norm, [n]), (head, [v, n])) if k}


def in_parts(out, parts=3):
    """A checkpoint: model.safetensors becomes model-…-of-0000N.safetensors and their index."""
    import os
    from safetensors.torch import load_file, save_file
    items = list(load_file(out + '/model.safetensors').items())
    index = {}
    for i in range(parts):
        part = dict(items[i::parts])
        name = f'model-{i + 1:05d}-of-{parts:05d}.safetensors'
        save_file(part, f'{out}/{name}', metadata={'format': 'pt'})
        index.update({n: name for n in part})
    with open(out + '/model.safetensors.index.json', 'w') as f:
        json.dump(dict(metadata={}, weight_map=index), f)
    os.remove(out + '/model.safetensors')


def unigram(size, specials=('<pad>', '</s>', '<unk>'), unknown=2):
    """A SentencePiece model of kind unigram with `size` pieces, as bytes."""
    import os
    import sys
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + '/../golden')
    from make_model import field
    pieces = [(s, 0.0, 2 if i == unknown else 3) for i, s in enumerate(specials)]
    words = ['▁', '▁the', 's', 'e', 't', 'a', '▁and', 'ing', 'er', 'å', '日', '本', '🙂', '▁1', '2', '▁of']
    pieces += [(w, -float(i) / 3, 1) for i, w in enumerate(words)]
    pieces += [(f'▁w{i}', -float(i), 1) for i in range(len(pieces), size)]
    out = b''.join(field(1, field(1, p.encode()) + field(2, s) + field(3, t)) for p, s, t in pieces[:size])
    out += field(2, field(3, 1) + field(4, size) + field(40, unknown))  # unigram, vocabulary size, unk_id
    normalizer = sentencepiece.SentencePieceNormalizer(rule_name='nmt_nfkc').serialized_model_proto()
    charsmap = sentencepiece_model_pb2.ModelProto.FromString(normalizer).normalizer_spec.precompiled_charsmap
    return out + field(3, field(1, b'nmt_nfkc') + field(2, charsmap) + field(3, 1) + field(4, 1))


def draft(nlayers, hidden, vocab=None, more=('shared_head.norm',)):
    """A patch that adds a draft head: the last layer once more behind the others, with its own tensors."""
    def patch(state):
        import torch
        last, extra = f'model.layers.{nlayers - 1}.', f'model.layers.{nlayers}.'
        for name in [n for n in state if n.startswith(last)]:
            state[extra + name[len(last):]] = state[name].flip(0).contiguous()
        shapes = {'enorm': [hidden], 'hnorm': [hidden], 'eh_proj': [hidden, 2 * hidden], **{m: [hidden] for m in more}}
        if vocab:
            shapes.update({'embed_tokens': [vocab, hidden], 'shared_head.head': [vocab, hidden]})
        for name, shape in shapes.items():
            state[f'{extra}{name}.weight'] = torch.normal(0.0, 0.05, tuple(shape)).to(torch.bfloat16)
        return state
    return patch
