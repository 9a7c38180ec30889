from conformance import Row


def tensors(config):
    h, f, v = config['hidden_size'], config['intermediate_size'], config['vocab_size']
    kv = h // config['num_attention_heads'] * config['num_key_value_heads']
    names = {'model.embed_tokens.weight': [v, h], 'model.norm.weight': [h]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        names.update({p + 'input_layernorm.weight': [h], p + 'post_attention_layernorm.weight': [h],
                      p + 'self_attn.q_proj.weight': [h, h], p + 'self_attn.k_proj.weight': [kv, h],
                      p + 'self_attn.v_proj.weight': [kv, h], p + 'self_attn.o_proj.weight': [h, h],
                      p + 'mlp.gate_proj.weight': [f, h], p + 'mlp.up_proj.weight': [f, h], p + 'mlp.down_proj.weight': [h, f]})
    return names


def tensors3(config):
    h, f, v, n = config['hidden_size'], config['intermediate_size'], config['vocab_size'], config['num_attention_heads']
    nope, rope, value = config['qk_nope_head_dim'], config['qk_rope_head_dim'], h // n
    names = {'model.embed_tokens.weight': [v, h], 'model.norm.weight': [h]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        names.update({p + 'input_layernorm.weight': [h], p + 'post_attention_layernorm.weight': [h],
                      p + 'self_attn.q_a_proj.weight': [config['q_lora_rank'], h],
                      p + 'self_attn.q_a_layernorm.weight': [config['q_lora_rank']],
                      p + 'self_attn.q_b_proj.weight': [n * (nope + rope), config['q_lora_rank']],
                      p + 'self_attn.kv_a_proj_with_mqa.weight': [config['kv_lora_rank'] + rope, h],
                      p + 'self_attn.kv_a_layernorm.weight': [config['kv_lora_rank']],
                      p + 'self_attn.kv_b_proj.weight': [n * (nope + value), config['kv_lora_rank']],
                      p + 'self_attn.o_proj.weight': [h, n * value],
                      p + 'mlp.gate_proj.weight': [f, h], p + 'mlp.up_proj.weight': [f, h], p + 'mlp.down_proj.weight': [h, f]})
    return names


BASE = dict(model_type='minicpm', hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=4, max_position_embeddings=4096, rms_norm_eps=1e-05, scale_emb=12, dim_model_base=256,
            scale_depth=1.4, bos_token_id=1, eos_token_id=2, auto_map={'AutoConfig': 'configuration_minicpm.MiniCPMConfig'})
FACTORS = [1 + i / 7 for i in range(32)]

ROWS = [
    Row('minicpm', 'MiniCPMForCausalLM', tokenizer='tiny', bare=True, tensors=tensors, config=BASE),
    Row('minicpm-4', 'MiniCPMForCausalLM', tokenizer='tiny', bare=True, tensors=tensors,
        config=dict(BASE, num_key_value_heads=2, rope_scaling=dict(
            rope_type='longrope', long_factor=FACTORS, short_factor=FACTORS, original_max_position_embeddings=32768))),
    Row('minicpm-3', 'MiniCPM3ForCausalLM', tokenizer='tiny', bare=True, tensors=tensors3,
        config=dict(BASE, model_type='minicpm3', q_lora_rank=256, kv_lora_rank=256, qk_nope_head_dim=64, qk_rope_head_dim=32,
                    rope_scaling=dict(type='longrope', long_factor=FACTORS[:16], short_factor=FACTORS[:16],
                                      original_max_position_embeddings=32768))),
]
