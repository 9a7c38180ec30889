from conformance import Row


def tensors(config):
    h, f, v, n, r = (config[k] for k in ('hidden_size', 'shared_intermediate_size', 'vocab_size', 'num_adapters',
                                         'max_lora_rank'))
    kv = h // config['num_attention_heads'] * config['num_key_value_heads']
    names = {'model.embed_tokens.weight': [v, h], 'model.norm.weight': [h], 'model.switch.gain': [1]}
    for i in range(config['num_hidden_layers'] - 1):
        p = f'model.layers.{i}.'
        names.update({p + 'input_layernorm.weight': [h], p + 'post_attention_layernorm.weight': [h],
                      p + 'self_attn.qkv_proj.base_layer.weight': [h + 2 * kv, h],
                      p + 'self_attn.o_proj.base_layer.weight': [h, h], p + 'self_attn.o_proj.lora_A': [n, 1, r, h],
                      p + 'self_attn.o_proj.lora_B': [n, 1, h, r],
                      p + 'shared_mlp.input_linear.base_layer.weight': [2 * f, h],
                      p + 'shared_mlp.output_linear.base_layer.weight': [h, f],
                      p + 'shared_mlp.output_linear.lora_A': [n, 1, r, f],
                      p + 'shared_mlp.output_linear.lora_B': [n, 1, h, r]})
        for k, rows in enumerate((h, kv, kv)):
            names[p + f'self_attn.qkv_proj.lora_A_slices.{k}'] = [n, 1, r, h]
            names[p + f'self_attn.qkv_proj.lora_B_slices.{k}'] = [n, 1, rows, r]
        for k in range(2):
            names[p + f'shared_mlp.input_linear.lora_A_slices.{k}'] = [n, 1, r, h]
            names[p + f'shared_mlp.input_linear.lora_B_slices.{k}'] = [n, 1, f, r]
    return names


ROWS = [
    Row('granite-switch', 'GraniteSwitchForCausalLM', tokenizer='tiny', bare=True, tensors=tensors, config=dict(
        model_type='granite_switch', hidden_size=256, intermediate_size=512, shared_intermediate_size=512,
        num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=4096, rms_norm_eps=1e-05,
        rope_theta=10000.0, num_local_experts=0, num_experts_per_tok=0, num_adapters=2, max_lora_rank=32,
        adapter_token_ids=[5, 6], adapter_substitute_token_ids=[7, 8], attention_multiplier=0.015625,
        embedding_multiplier=12.0, residual_multiplier=0.22, logits_scaling=8.0, bos_token_id=1, eos_token_id=2)),
]
