import torch

from conformance import Row

LINEAR = dict(linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=64, linear_value_head_dim=64)
MOE = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=256, shared_expert_intermediate_size=256)


def with_draft(state):
    """A draft head made of copies of the last layer's tensors, as labs release it and transformers leaves it out."""
    out = dict(state)
    layers = [name for name in state if '.layers.' in name]
    last = max(int(name.split('.layers.')[1].split('.')[0]) for name in layers)
    for name in layers:
        number, rest = name.split('.layers.')[1].split('.', 1)
        if int(number) == last:
            out['mtp.layers.0.' + rest] = state[name].clone() + 0.25
    size = state[next(name for name in state if name.endswith('embed_tokens.weight'))].shape[1]
    for name, shape in {'fc': (size, 2 * size), 'norm': (size,), 'pre_fc_norm_embedding': (size,),
                        'pre_fc_norm_hidden': (size,)}.items():
        out[f'mtp.{name}.weight'] = torch.normal(0.0, 0.05, shape).to(torch.bfloat16)
    return out


ROWS = [
    Row('qwen3-next', 'Qwen3NextForCausalLM', tokenizer='smollm2', patch=with_draft,
        config=dict(num_hidden_layers=4, head_dim=64, **LINEAR, **MOE)),
    Row('qwen3.5', 'Qwen3_5ForCausalLM', tokenizer='smollm2', patch=with_draft,
        config=dict(num_hidden_layers=4, head_dim=64, **LINEAR)),
    Row('qwen3.5-moe', 'Qwen3_5MoeForCausalLM', tokenizer='qwen3', patch=with_draft,
        config=dict(num_hidden_layers=4, head_dim=64, **LINEAR, **MOE)),
    Row('qwen3.5-vl', 'Qwen3_5ForConditionalGeneration', tokenizer='smollm2', text='text_config', patch=with_draft,
        config=dict(text_config=dict(num_hidden_layers=4, head_dim=64, **LINEAR),
                    vision_config=dict(depth=1, hidden_size=64, intermediate_size=128, num_heads=2, out_hidden_size=256,
                                       num_position_embeddings=16))),
]
