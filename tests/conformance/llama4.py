from conformance import Row

TEXT = dict(intermediate_size_mlp=512, intermediate_size=256, num_local_experts=4, num_experts_per_tok=1, head_dim=64,
            interleave_moe_layer_step=2)

ROWS = [
    Row('llama-4-text', 'Llama4ForCausalLM', tokenizer='smollm2', config=dict(TEXT)),
    Row('llama-4', 'Llama4ForConditionalGeneration', tokenizer='llama-3.1', text='text_config', config=dict(
        text_config=dict(TEXT, rope_parameters=dict(rope_type='llama3', rope_theta=500000.0, factor=8.0, low_freq_factor=1.0,
                                                    high_freq_factor=4.0, original_max_position_embeddings=8192)),
        vision_config=dict(hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=256,
                           vision_output_dim=64, image_size=28, patch_size=14, projector_input_dim=64, projector_output_dim=64))),
]
