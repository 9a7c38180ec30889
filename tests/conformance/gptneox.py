from conformance import Row


def released(part):
    """As EleutherAI wrote it, with the names of then. transformers drops rotary_pct, without which the converter
    stops; it goes on where a value of a wrong type makes it read the file itself."""
    return lambda config: {**config, 'rotary_pct': part, 'rotary_emb_base': 10000, 'initializer_range': '0.02',
                           'layer_norm_eps': 1e-5, 'max_position_embeddings': 2048}


ROWS = [
    Row('pythia', 'GPTNeoXForCausalLM', tokenizer='gpt-2', released=released(0.25)),
    Row('dolly', 'GPTNeoXForCausalLM', tokenizer='gpt-2', released=released(0.5), config=dict(
        use_parallel_residual=False, rotary_pct=0.5, attention_bias=False)),
    Row('bloom', 'BloomForCausalLM', tokenizer='gpt-2', bare=True, config=dict(
        hidden_size=256, n_layer=2, n_head=4)),
]
