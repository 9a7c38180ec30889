from conformance import Row

ROWS = [
    Row('mimo-v2-flash', 'MiMoV2FlashForCausalLM', tokenizer='smollm2', config=dict(
        topk_method='noaux_tc',
        n_routed_experts=4, num_experts_per_tok=2, head_dim=64, v_head_dim=32, swa_head_dim=64, swa_v_head_dim=32, swa_num_attention_heads=4,
        swa_num_key_value_heads=4)),
]
