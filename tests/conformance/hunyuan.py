from conformance import Row, draft

ROWS = [
    Row('hunyuan-ocr', 'HunYuanVLForConditionalGeneration', tokenizer='smollm2', text='text_config', config=dict(
        text_config=dict(head_dim=64, rope_parameters=dict(rope_type='xdrope', factor=1.0, alpha=1000.0, rope_theta=10000.0, xdrope_section=[8, 8, 8, 8])),
        vision_config=dict(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2, patch_size=14,
                           out_hidden_size=256, text_hidden_size=256))),
    Row('hunyuan-dense', 'HunYuanDenseV1ForCausalLM', tokenizer='smollm2', config=dict(head_dim=64)),
    Row('hy3', 'HYV3ForCausalLM', tokenizer='smollm2', patch=draft(2, 256, more=('final_layernorm',)), config=dict(
        num_nextn_predict_layers=1, num_experts=4, num_experts_per_tok=2, head_dim=64, first_k_dense_replace=1)),
]
