from conformance import Row

GLM = dict(hidden_size=256, num_layers=2, num_attention_heads=4, kv_channels=64, ffn_hidden_size=512,
           multi_query_attention=True, multi_query_group_num=2, seq_length=8192, layernorm_epsilon=1e-5,
           add_bias_linear=False, add_qkv_bias=True, rmsnorm=True, rope_ratio=500, original_rope=True,
           eos_token_id=[0], pad_token_id=0)


def tensors(config):
    n, p = config['hidden_size'], 'transformer.'
    out = {p + 'embedding.word_embeddings.weight': [config['padded_vocab_size'], n],
           p + 'encoder.final_layernorm.weight': [n], p + 'output_layer.weight': [config['padded_vocab_size'], n],
           p + 'rotary_pos_emb.inv_freq': [16]}
    for i in range(config['num_layers']):
        q = f'{p}encoder.layers.{i}.'
        rows = n + 2 * 64 * config['multi_query_group_num']
        out |= {q + 'self_attention.query_key_value.weight': [rows, n], q + 'self_attention.query_key_value.bias': [rows],
                q + 'self_attention.dense.weight': [n, n], q + 'mlp.dense_h_to_4h.weight': [1024, n],
                q + 'mlp.dense_4h_to_h.weight': [n, 512], q + 'input_layernorm.weight': [n],
                q + 'post_attention_layernorm.weight': [n]}
    return out


ADDED = ('[gMASK]', '<|user|>')

ROWS = [
    Row('glm-4-hf', 'GlmForCausalLM', tokenizer='smollm2', added=ADDED, config=dict(head_dim=64, pad_token_id=0)),
    Row('chatglm4', 'ChatGLMModel', tokenizer='gpt-2', added=ADDED, bare=True, tensors=tensors, config=dict(
        model_type='chatglm', padded_vocab_size=50304, vocab_size=50304, **GLM)),
]
