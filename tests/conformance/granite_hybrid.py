from conformance import Row

SCALES = dict(attention_multiplier=0.015625, embedding_multiplier=12.0, residual_multiplier=0.22, logits_scaling=8.0)
MAMBA = dict(mamba_n_heads=8, mamba_d_head=64, mamba_d_state=16, mamba_n_groups=1, mamba_expand=2, mamba_d_conv=4)
LAYERS = ['mamba', 'mamba', 'attention', 'mamba']


def released(config):
    """As IBM writes it: sizes of Mamba are always there."""
    return {**config, **MAMBA, 'num_local_experts': config.get('num_local_experts', 0)}


ROWS = [
    Row('granite-4-h-micro', 'GraniteMoeHybridForCausalLM', tokenizer='smollm2', released=released, config=dict(
        num_hidden_layers=4, layer_types=LAYERS, shared_intermediate_size=512, num_local_experts=0, num_experts_per_tok=0,
        position_embedding_type='nope', **SCALES, **MAMBA)),
    Row('granite-4-h-tiny', 'GraniteMoeHybridForCausalLM', tokenizer='smollm2', released=released, config=dict(
        num_hidden_layers=4, layer_types=LAYERS, shared_intermediate_size=512, intermediate_size=256, num_local_experts=4,
        num_experts_per_tok=2, position_embedding_type='nope', **SCALES, **MAMBA)),
    Row('granite-4-micro', 'GraniteMoeHybridForCausalLM', tokenizer='smollm2', released=released, config=dict(
        layer_types=['attention'] * 2, shared_intermediate_size=512, num_local_experts=0, num_experts_per_tok=0,
        position_embedding_type='rope', **SCALES, **MAMBA)),
    Row('bamba', 'BambaForCausalLM', tokenizer='smollm2', released=released, config=dict(
        num_hidden_layers=4, attn_layer_indices=[2], attn_rotary_emb=32, **MAMBA)),
]
