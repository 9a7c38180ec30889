from conformance import Row


def exaone3(config):
    h, f, v = config['hidden_size'], config['intermediate_size'], config['vocab_size']
    names = {'transformer.wte.weight': [v, h], 'transformer.ln_f.weight': [h], 'lm_head.weight': [v, h]}
    for i in range(config['num_layers']):
        p = f'transformer.h.{i}.'
        names.update({p + 'ln_1.weight': [h], p + 'ln_2.weight': [h], p + 'attn.attention.q_proj.weight': [h, h],
                      p + 'attn.attention.k_proj.weight': [h // 2, h], p + 'attn.attention.v_proj.weight': [h // 2, h],
                      p + 'attn.attention.out_proj.weight': [h, h], p + 'mlp.c_fc_0.weight': [f, h],
                      p + 'mlp.c_fc_1.weight': [f, h], p + 'mlp.c_proj.weight': [h, f]})
    return names


ROPE = dict(factor=8.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=8192, rope_type='llama3')

ROWS = [
    Row('exaone-3.5', 'ExaoneForCausalLM', tokenizer='smollm2', bare=True, tensors=exaone3,
        config=dict(model_type='exaone', activation_function='silu', hidden_size=256, intermediate_size=512,
                    layer_norm_epsilon=1e-05, max_position_embeddings=4096, num_attention_heads=4, num_key_value_heads=2,
                    num_layers=2, rope_theta=1000000, rope_scaling=ROPE, tie_word_embeddings=False,
                    auto_map={'AutoConfig': 'configuration_exaone.ExaoneConfig'})),
    Row('exaone-4', 'Exaone4ForCausalLM', tokenizer='smollm2',
        config=dict(head_dim=64, num_hidden_layers=4, sliding_window=512, sliding_window_pattern=4,
                    rope_parameters=dict(rope_theta=1000000.0, **ROPE))),
    Row('exaone-4-small', 'Exaone4ForCausalLM', tokenizer='smollm2',
        config=dict(head_dim=64, sliding_window=None, layer_types=['full_attention'] * 2)),
    Row('exaone-moe', 'ExaoneMoeForCausalLM', tokenizer='smollm2',
        config=dict(head_dim=64, num_hidden_layers=4, num_experts=4, num_experts_per_tok=2, num_shared_experts=1,
                    first_k_dense_replace=1, sliding_window=512, sliding_window_pattern=4, n_group=1, topk_group=1)),
    Row('exaone-4.5', 'Exaone4_5_ForConditionalGeneration', tokenizer='smollm2', text='text_config', config=dict(
        text_config=dict(model_type='exaone4', head_dim=64, num_hidden_layers=4, sliding_window=512, sliding_window_pattern=4),
        vision_config=dict(depth=1, hidden_size=64, intermediate_size=128, num_heads=2, num_key_value_heads=1,
                           out_hidden_size=256, fullatt_block_indexes=[0]))),
]
