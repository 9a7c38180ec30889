from conformance import Row, draft

ROWS = [
    Row('hunyuan-dense', 'HunYuanDenseV1ForCausalLM', tokenizer='smollm2', config=dict(head_dim=64)),
    Row('hy3', 'HYV3ForCausalLM', tokenizer='smollm2', patch=draft(2, 256, more=('final_layernorm',)), config=dict(
        num_nextn_predict_layers=1, num_experts=4, num_experts_per_tok=2, head_dim=64, first_k_dense_replace=1)),
]
