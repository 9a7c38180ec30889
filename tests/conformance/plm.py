from conformance import Row


def tensors(config):
    n = config['hidden_size']
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'model.norm.weight': [n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        out |= {p + 'self_attn.q_proj.weight': [4 * 96, n], p + 'self_attn.kv_a_proj_with_mqa.weight': [128 + 32, n],
                p + 'self_attn.kv_a_layernorm.weight': [128], p + 'self_attn.kv_b_proj.weight': [4 * 128, 128],
                p + 'self_attn.o_proj.weight': [n, 256], p + 'mlp.up_proj.weight': [512, n],
                p + 'mlp.down_proj.weight': [n, 512], p + 'input_layernorm.weight': [n],
                p + 'post_attention_layernorm.weight': [n]}
    return out


ROWS = [
    Row('plm-1.8b', 'PLMForCausalLM', tokenizer='gpt-2', tensors=tensors, config=dict(
        model_type='plm', kv_lora_rank=128, q_lora_rank=None, qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64,
        rms_norm_eps=1e-6, rope_theta=100000.0, hidden_act='relu2', tie_word_embeddings=True)),
]
