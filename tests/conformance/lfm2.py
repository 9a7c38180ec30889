from conformance import Row

TYPES = ['conv', 'full_attention', 'conv', 'conv']


def released(config):
    """As Liquid released the first ones: which layers attend, and the width before it is adjusted."""
    config.pop('layer_types', None)
    return dict(config, full_attn_idxs=[1], block_ff_dim=config.pop('intermediate_size', 512), block_dim=256, block_use_swiglu=True)


ROWS = [
    Row('lfm2', 'Lfm2ForCausalLM', tokenizer='llama-3.1', config=dict(layer_types=TYPES, num_hidden_layers=4), released=released),
    Row('lfm2-moe', 'Lfm2MoeForCausalLM', tokenizer='llama-3.1', config=dict(
        layer_types=TYPES, num_hidden_layers=4, num_experts=4, num_experts_per_tok=2, num_dense_layers=1)),
    Row('lfm2-colbert', 'Lfm2Model', tokenizer='llama-3.1', config=dict(layer_types=TYPES, num_hidden_layers=4)),
]
