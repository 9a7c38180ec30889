from conformance import Row, draft

GLM = ('<|endoftext|>', '[gMASK]', '<|user|>', '<|observation|>', '<unk>', '<|startoftext|>')
PAD = dict(pad_token_id=0, eos_token_id=[2, 3])
MLA = dict(PAD, num_key_value_heads=4, n_routed_experts=4, num_experts_per_tok=2, n_group=1, topk_group=1, kv_lora_rank=256, q_lora_rank=256,
           qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64)
MOE = dict(PAD, n_routed_experts=4, num_experts_per_tok=2, first_k_dense_replace=1, head_dim=64)

ROWS = [
    Row('glm-4', 'Glm4ForCausalLM', tokenizer='smollm2', added=GLM[1:], config=dict(PAD, head_dim=64)),
    Row('glm-4v', 'Glm4vForConditionalGeneration', tokenizer='smollm2', added=GLM[1:], text='text_config', config=dict(
        text_config=dict(PAD, head_dim=64, attention_bias=True, rope_parameters=dict(
            rope_type='default', mrope_section=[4, 4, 8], partial_rotary_factor=0.5, rope_theta=10000.0)),
        vision_config=dict(hidden_size=64, depth=1, num_heads=2, intermediate_size=64, out_hidden_size=256, image_size=56))),
    Row('glm-4.5', 'Glm4MoeForCausalLM', tokenizer='smollm2', added=GLM[1:], patch=draft(2, 256), config=dict(
        MOE, use_qk_norm=True, attention_bias=True, num_nextn_predict_layers=1)),
    Row('glm-4.5v', 'Glm4vMoeForConditionalGeneration', tokenizer='smollm2', added=GLM[1:], text='text_config', config=dict(
        text_config=MOE, vision_config=dict(hidden_size=64, depth=1, num_heads=2, intermediate_size=64, out_hidden_size=256, image_size=56))),
    Row('glm-4.7-flash', 'Glm4MoeLiteForCausalLM', tokenizer='smollm2', added=GLM[1:], patch=draft(2, 256), config=dict(MLA, num_nextn_predict_layers=1)),
    Row('glm-5', 'GlmMoeDsaForCausalLM', tokenizer='llama-3.1', added=GLM, config=dict(MLA, index_n_heads=4, index_head_dim=64, index_topk=64)),
    Row('solar-open', 'SolarOpenForCausalLM', tokenizer='smollm2', added=GLM[1:], config=dict(MOE)),
]
