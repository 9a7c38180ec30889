from conformance import Row

YARN = dict(rope_type='yarn', type='yarn', factor=16.0, beta_fast=32.0, beta_slow=1.0, llama_4_scaling_beta=0.1, mscale=1.0,
            mscale_all_dim=1.0, original_max_position_embeddings=128, rope_theta=1000000.0)
VISION = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2, head_dim=32,
              image_size=56, patch_size=14)

ROWS = [
    Row('ministral-3', 'Ministral3ForCausalLM', tokenizer='tiny', config=dict(head_dim=64, rope_parameters=YARN)),
    Row('mistral-small-3.1', 'Mistral3ForConditionalGeneration', tokenizer='tiny', text='text_config',
        config=dict(text_config=dict(model_type='mistral', head_dim=64), vision_config=VISION)),
    Row('ministral-3-vl', 'Mistral3ForConditionalGeneration', tokenizer='tiny', text='text_config',
        config=dict(text_config=dict(model_type='ministral3', head_dim=64, rope_parameters=YARN), vision_config=VISION)),
    Row('mistral-4', 'Mistral3ForConditionalGeneration', tokenizer='smollm2', text='text_config', config=dict(
        text_config=dict(model_type='mistral4', q_lora_rank=64, kv_lora_rank=64, qk_rope_head_dim=32, qk_nope_head_dim=64,
                         v_head_dim=64, n_routed_experts=4, num_experts_per_tok=2, n_shared_experts=1,
                         first_k_dense_replace=1, moe_intermediate_size=256, n_group=1, topk_group=1),
        vision_config=VISION)),
]
