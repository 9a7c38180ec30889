from conformance import Row

ROWS = [
    Row('command-r', 'CohereForCausalLM', tokenizer='smollm2', config=dict(logit_scale=0.0625)),
    Row('command-r-plus', 'CohereForCausalLM', tokenizer='smollm2',
        config=dict(use_qk_norm=True, model_max_length=131072, num_key_value_heads=4)),
    Row('command-r7b', 'Cohere2ForCausalLM', tokenizer='smollm2', config=dict(head_dim=64, sliding_window=512, rotary_pct=1.0)),
    Row('command-r7b-bias', 'Cohere2ForCausalLM', tokenizer='smollm2', config=dict(attention_bias=True, rotary_pct=1.0)),
    Row('north', 'Cohere2MoeForCausalLM', tokenizer='smollm2', config=dict(
        num_hidden_layers=4, head_dim=64, sliding_window=512, num_experts=4, num_experts_per_tok=2, num_shared_experts=1,
        first_k_dense_replace=1, logit_scale=0.25)),
]
