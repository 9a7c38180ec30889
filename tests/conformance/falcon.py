from conformance import Row

SIZES = dict(hidden_size=256, num_hidden_layers=2, num_attention_heads=4, bos_token_id=11, eos_token_id=11)


def old(config):
    """RefinedWeb, as Falcon 7B was called when it came out."""
    return dict(architectures=['RWForCausalLM'], model_type='RefinedWebModel', alibi=False, apply_residual_connection_post_layernorm=False,
                attention_dropout=0.0, bias=False, bos_token_id=11, eos_token_id=11, hidden_dropout=0.0,
                hidden_size=256, initializer_range=0.02, layer_norm_epsilon=1e-05, multi_query=True, n_head=4,
                n_layer=2, parallel_attn=True, torch_dtype='bfloat16', use_cache=True, vocab_size=config['vocab_size'],
                auto_map={'AutoConfig': 'configuration_RW.RWConfig', 'AutoModel': 'modelling_RW.RWModel'})


def big(config):
    return {**config, 'num_kv_heads': 2, 'new_decoder_architecture': True}


ROWS = [
    Row('falcon-rw', 'FalconForCausalLM', tokenizer='gpt-2', bare=True, config=dict(
        alibi=True, bias=True, parallel_attn=False, multi_query=False, **SIZES)),
    Row('falcon-11b', 'FalconForCausalLM', tokenizer='gpt-2', bare=True, config=dict(
        new_decoder_architecture=True, num_kv_heads=1, num_ln_in_parallel_attn=1, **SIZES)),
    Row('falcon-7b', 'FalconForCausalLM', tokenizer='gpt-2', bare=True, config=dict(multi_query=True, **SIZES),
        released=old),
    Row('falcon-40b', 'FalconForCausalLM', tokenizer='gpt-2', bare=True, config=dict(
        new_decoder_architecture=True, num_kv_heads=2, **SIZES), released=big),
]
