from conformance import Row

ROWS = [
    Row('dots3-note', 'Dots3NoteForCausalLM', tokenizer='smollm2', added=('<|endofassistant|>',), config=dict(
        pad_token_id=0,
        num_key_value_heads=4, n_routed_experts=4, num_experts_per_tok=2, n_group=1, topk_group=1, kv_lora_rank=256, q_lora_rank=256,
        qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64, index_n_heads=4, index_head_dim=64, index_topk=64)),
]
