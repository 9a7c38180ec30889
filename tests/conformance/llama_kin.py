from conformance import Row

ROWS = [
    Row('smollm3', 'SmolLM3ForCausalLM', tokenizer='smollm2', config=dict(pad_token_id=0)),
    Row('llama-embed-nemotron', 'LlamaBidirectionalModel', tokenizer='llama-3.1', tensors=lambda c: embed(c), config=dict(
        model_type='llama_bidirec', head_dim=64, rms_norm_eps=1e-5, pooling='avg', rope_theta=500000.0,
        rope_scaling=dict(factor=8.0, high_freq_factor=4.0, low_freq_factor=1.0,
                          original_max_position_embeddings=8192, rope_type='llama3'))),
    Row('nanbeige', 'NanbeigeForCausalLM', tokenizer='tiny', tensors=lambda c: llama(c), config=dict(
        model_type='nanbeige', head_dim=64, rms_norm_eps=1e-5, rope_theta=70000000.0, num_loops=2,
        skip_loop_final_norm=True)),
    Row('sarashina2-vision', 'Sarashina2VisionForCausalLM', tokenizer='tiny', text='text_config', bare=False,
        tensors=lambda c: {**{'llm.' + k: v for k, v in llama(c['text_config']).items()}, 'norm.weight': [256],
                           'visual.blocks.0.norm1.weight': [256]},
        config=dict(model_type='sarashina2_vision', text_config=dict(
            model_type='llama', architectures=['LlamaForCausalLM'], rms_norm_eps=1e-5, rope_theta=500000))),
    Row('cogvlm2', 'CogVLMForCausalLM', tokenizer='llama-3.1', config=dict(
        model_type='cogvlm', num_multi_query_heads=2, rms_norm_eps=1e-5, vision_config=dict(hidden_size=256)),
        tensors=lambda c: cogvlm(c)),
]


def llama(config):
    n, kv = config['hidden_size'], 64 * config['num_key_value_heads']
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'model.norm.weight': [n],
           'lm_head.weight': [config['vocab_size'], n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        out |= {p + 'self_attn.q_proj.weight': [n, n], p + 'self_attn.k_proj.weight': [kv, n],
                p + 'self_attn.v_proj.weight': [kv, n], p + 'self_attn.o_proj.weight': [n, n],
                p + 'mlp.gate_proj.weight': [512, n], p + 'mlp.up_proj.weight': [512, n],
                p + 'mlp.down_proj.weight': [n, 512], p + 'input_layernorm.weight': [n],
                p + 'post_attention_layernorm.weight': [n]}
    return out


def embed(config):
    return {k: v for k, v in llama(config).items() if k != 'lm_head.weight'}


def cogvlm(config):
    n = config['hidden_size']
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'model.norm.weight': [n],
           'lm_head.weight': [config['vocab_size'], n], 'model.vision.boi': [1, 1, n]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        for kind in ('language', 'vision'):
            out |= {f'{p}self_attn.{kind}_expert_query_key_value.weight': [n + 256, n],
                    f'{p}self_attn.{kind}_expert_dense.weight': [n, n],
                    f'{p}mlp.{kind}_mlp.gate_proj.weight': [512, n], f'{p}mlp.{kind}_mlp.up_proj.weight': [512, n],
                    f'{p}mlp.{kind}_mlp.down_proj.weight': [n, 512]}
        out |= {p + 'input_layernorm.weight': [n], p + 'post_attention_layernorm.weight': [n]}
    return out
