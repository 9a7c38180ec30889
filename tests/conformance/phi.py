from conformance import Row


def factors(count, first):
    return [first + 0.37 * i for i in range(count)]


# As Microsoft writes it: rope_scaling of type longrope, with lists, the original context beside it.
LONG = dict(
    pad_token_id=0, original_max_position_embeddings=4096, max_position_embeddings=131072, sliding_window=262144,
    vocab_size=32064,
    rope_parameters=dict(rope_type='longrope', rope_theta=10000.0, long_factor=factors(32, 1.05),
                         short_factor=factors(32, 1.0), original_max_position_embeddings=4096))


def longrope(config, kind='longrope'):
    config.pop('rope_scaling', None)
    config.pop('rope_parameters', None)
    return {**config, 'rope_theta': 10000.0, 'original_max_position_embeddings': 4096, 'auto_map': {
        'AutoConfig': 'configuration_phi3.Phi3Config', 'AutoModelForCausalLM': 'modeling_phi3.Phi3ForCausalLM'},
        'rope_scaling': dict(type=kind, long_factor=factors(32, 1.05), short_factor=factors(32, 1.0))}


def phi4_mini(config):
    config.pop('rope_parameters', None)
    return {**config, 'partial_rotary_factor': 0.75, 'rope_theta': 10000.0, 'rope_scaling': dict(
        type='longrope', long_factor=factors(24, 1.1), short_factor=[1.0] * 24)}


ROWS = [
    Row('phi-2', 'PhiForCausalLM', tokenizer='gpt-2'),
    Row('phi-3-mini-4k', 'Phi3ForCausalLM', tokenizer='phi-3', config=dict(
        pad_token_id=0, original_max_position_embeddings=2048, sliding_window=2047, vocab_size=32064)),
    Row('phi-3-mini-128k', 'Phi3ForCausalLM', tokenizer='phi-3', config=LONG, released=longrope),
    Row('phi-3-medium-128k', 'Phi3ForCausalLM', tokenizer='phi-3', config=dict(LONG, num_key_value_heads=1),
        released=lambda config: {**longrope(config, 'su'), 'rms_norm_eps': 1e-5, 'sliding_window': 262144}),
    Row('phi-4', 'Phi3ForCausalLM', tokenizer='smollm2', config=dict(
        pad_token_id=0, max_position_embeddings=16384, original_max_position_embeddings=16384, sliding_window=None,
        rope_theta=250000)),
    Row('phi-4-mini', 'Phi3ForCausalLM', tokenizer='smollm2', config=dict(
        pad_token_id=0, tie_word_embeddings=True, original_max_position_embeddings=4096,
        max_position_embeddings=131072, partial_rotary_factor=0.75,
        rope_parameters=dict(rope_type='longrope', rope_theta=10000.0, long_factor=factors(24, 1.1),
                             partial_rotary_factor=0.75, short_factor=[1.0] * 24,
                             original_max_position_embeddings=4096)), released=phi4_mini),
    Row('phi-3.5-moe', 'PhiMoEForCausalLM', tokenizer='phi-3', config=dict(
        model_type='phimoe', hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2, max_position_embeddings=131072,
        original_max_position_embeddings=4096, rms_norm_eps=1e-5, rope_theta=10000.0, sliding_window=131072, vocab_size=32064,
        tie_word_embeddings=False, lm_head_bias=True, attention_bias=True,
        rope_scaling=dict(type='longrope', long_factor=factors(32, 1.05), short_factor=factors(32, 1.0),
                          long_mscale=1.243163121016122, short_mscale=1.243163121016122,
                          original_max_position_embeddings=4096)),
        tensors=lambda config: phimoe(config)),
]


def phimoe(config):
    n = config['hidden_size']
    out = {'model.embed_tokens.weight': [config['vocab_size'], n], 'model.norm.weight': [n], 'model.norm.bias': [n],
           'lm_head.weight': [config['vocab_size'], n], 'lm_head.bias': [config['vocab_size']]}
    for i in range(config['num_hidden_layers']):
        p = f'model.layers.{i}.'
        for part, rows in (('q', n), ('k', n // 2), ('v', n // 2), ('o', n)):
            out[f'{p}self_attn.{part}_proj.weight'] = [rows, n]
            out[f'{p}self_attn.{part}_proj.bias'] = [rows]
        for norm in ('input_layernorm', 'post_attention_layernorm'):
            out[f'{p}{norm}.weight'] = [n]
            out[f'{p}{norm}.bias'] = [n]
        out[f'{p}block_sparse_moe.gate.weight'] = [config['num_local_experts'], n]
        for e in range(config['num_local_experts']):
            for w in ('w1', 'w2', 'w3'):
                shape = [n, 512] if w == 'w2' else [512, n]
                out[f'{p}block_sparse_moe.experts.{e}.{w}.weight'] = shape
    return out
