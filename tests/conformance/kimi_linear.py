from conformance import Row

ROWS = [
    Row('kimi-linear', 'KimiLinearForCausalLM', tokenizer='smollm2', config=dict(
        pad_token_id=0, num_hidden_layers=4, num_experts=4, num_experts_per_token=2, num_shared_experts=1, first_k_dense_replace=0,
        num_key_value_heads=4, kv_lora_rank=256, q_lora_rank=None, qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64, head_dim=64,
        linear_attn_config=dict(full_attn_layers=[4], kda_layers=[1, 2, 3], head_dim=64, num_heads=4, short_conv_kernel_size=4))),
]
