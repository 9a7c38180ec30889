from conformance import Row

ROWS = [
    Row('dbrx', 'DbrxForCausalLM', tokenizer='smollm2', bare=True, config=dict(
        d_model=256, n_heads=4, n_layers=2, max_seq_len=2048,
        attn_config=dict(kv_n_heads=2, rope_theta=500000.0, clip_qkv=8.0),
        ffn_config=dict(ffn_hidden_size=256, moe_num_experts=4, moe_top_k=2, hidden_size=256, ffn_act_fn={'name': 'silu'}))),
]
