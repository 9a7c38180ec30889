from conformance import Row


def tensors2(config):
    h, f, v = config['hidden_size'], config['intermediate_size'], config['vocab_size']
    groups, queries = config['num_key_value_heads'], config['num_attention_heads'] // config['num_key_value_heads']
    dim = h // config['num_attention_heads']
    names = {'model.tok_embeddings.weight': [v, h], 'model.norm.weight': [h], 'output.weight': [v, h]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        names.update({p + 'attention_norm.weight': [h], p + 'ffn_norm.weight': [h],
                      p + 'attention.wqkv.weight': [groups * (queries + 2) * dim, h], p + 'attention.wo.weight': [h, h],
                      p + 'feed_forward.w1.weight': [f, h], p + 'feed_forward.w2.weight': [h, f],
                      p + 'feed_forward.w3.weight': [f, h]})
    return names


def tensors3(config):
    h, f, v = config['hidden_size'], config['intermediate_size'], config['vocab_size']
    kv = config['head_dim'] * config['num_key_value_heads']
    names = {'model.embed_tokens.weight': [v, h], 'model.norm.weight': [h], 'lm_head.weight': [v, h]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        names.update({p + 'input_layernorm.weight': [h], p + 'post_attention_layernorm.weight': [h],
                      p + 'self_attn.q_proj.weight': [h, h], p + 'self_attn.k_proj.weight': [kv, h],
                      p + 'self_attn.v_proj.weight': [kv, h], p + 'self_attn.o_proj.weight': [h, h],
                      p + 'mlp.gate_proj.weight': [f, h], p + 'mlp.up_proj.weight': [f, h], p + 'mlp.down_proj.weight': [h, f]})
    return names


BASE = dict(model_type='internlm2', hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=4096, rms_norm_eps=1e-05, rope_theta=1000000, bos_token_id=1,
            eos_token_id=2, bias=False, rope_scaling=dict(type='dynamic', factor=2.0))

ROWS = [
    Row('internlm-2', 'InternLM2ForCausalLM', tokenizer='tiny', bare=True, tensors=tensors2, config=BASE),
    Row('internlm-3', 'InternLM3ForCausalLM', tokenizer='tiny', bare=True, tensors=tensors3,
        config=dict(BASE, model_type='internlm3', head_dim=64, rope_scaling=dict(rope_type='dynamic', factor=6.0))),
]
