from conformance import Row

BASE = dict(
    model_type='qwen4_exp_text', hidden_size=256, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    head_dim=64, intermediate_size=512, moe_intermediate_size=256, shared_expert_intermediate_size=256, num_experts=2,
    num_experts_per_tok=1, max_position_embeddings=4096, rms_norm_eps=1e-06, eos_token_id=[1, 2], bos_token_id=1,
    layer_types=['linear_attention', 'full_attention'], linear_conv_kernel_dim=4, linear_num_key_heads=2,
    linear_num_value_heads=4, linear_key_head_dim=64, linear_value_head_dim=64, full_attention_interval=2,
    rope_parameters=dict(rope_type='default', rope_theta=1000000.0, partial_rotary_factor=0.25), hc_count=2, hc_lowrank=32,
    indexer_n_heads=2, indexer_kv_heads=1, indexer_head_dim=32, indexer_budget=64, indexer_compress_ratio=4, ple_layer_ids=[1],
    ngram_size=3, heads_per_ngram=2, ple_conv_kernel_size=4, split_ngram_parts=2, image_token_id=7)


def tensors(config):
    h, v = config['hidden_size'], config['vocab_size']
    names = {'model.embed_tokens.weight': [v, h], 'lm_head.weight': [v, h], 'mtp.fc.weight': [h, 2 * h]}
    for p in ('model.hyper_connection_mixer.',
              *(f'model.layers.{i}.{part}_hyper_connection.' for i in (0, 1) for part in ('attn', 'mlp'))):
        names.update({p + 'hc_norm.weight': [2 * h], p + 'input_mix_weight_down': [32, 2 * h],
                      p + 'input_mix_weight_up': [h, 32]})
        if 'layers' in p:
            names[p + 'block_inject_weight'] = [2, h]
    for i in (0, 1):
        p = f'model.layers.{i}.mlp.'
        names.update({p + 'gate.weight': [2, h], p + 'experts.gate_up_proj': [2, 512, h],
                      p + 'experts.down_proj': [2, h, 256], p + 'shared_expert.gate_proj.weight': [256, h],
                      p + 'shared_expert.up_proj.weight': [256, h], p + 'shared_expert.down_proj.weight': [h, 256],
                      p + 'shared_expert_gate.weight': [1, h]})
    p = 'model.layers.0.linear_attn.'
    names.update({p + 'in_proj_qkv.weight': [512, h], p + 'in_proj_z.weight': [256, h], p + 'in_proj_a.weight': [4, h],
                  p + 'in_proj_b.weight': [4, h], p + 'A_log': [4], p + 'dt_bias': [4], p + 'norm.weight': [64],
                  p + 'conv1d.weight': [512, 1, 4], p + 'out_proj.weight': [h, 256]})
    p = 'model.layers.0.ple.'
    names.update({p + 'key_proj.weight': [h, 64], p + 'value_proj.weight': [h, 64], p + 'norm_key.weight': [h],
                  p + 'norm_query.weight': [h], p + 'norm_conv.weight': [h], p + 'conv1d.weight': [h, 1, 4],
                  p + 'ple_embedding.layer_multipliers': ([3], 'int64'),
                  p + 'ple_embedding.ngram_heads_offsets': ([4], 'int64'),
                  p + 'ple_embedding.ngram_heads_vocab_sizes': ([4], 'int64'),
                  p + 'ple_embedding.ngram_embedding.shard_0.weight': [40, 256],
                  p + 'ple_embedding.ngram_embedding.shard_1.weight': [24, 256]})
    p = 'model.layers.1.self_attn.'
    names.update({p + 'q_proj.weight': [512, h], p + 'k_proj.weight': [128, h], p + 'v_proj.weight': [128, h],
                  p + 'o_proj.weight': [h, 256], p + 'q_norm.weight': [64], p + 'k_norm.weight': [64],
                  p + 'indexer.index_qk_proj.weight': [96, h], p + 'indexer.q_layernorm.weight': [32],
                  p + 'indexer.k_layernorm.weight': [32]})
    return names


ROWS = [
    Row('qwen3.8-flash-next', 'Qwen4ExpForCausalLM', tokenizer='smollm2', bare=True, tensors=tensors, config=BASE),
]
