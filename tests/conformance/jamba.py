from conformance import Row

LAYERS = dict(attn_layer_offset=1, attn_layer_period=3, expert_layer_offset=1, expert_layer_period=2, num_hidden_layers=4,
              mamba_d_state=16, mamba_dt_rank=16, use_mamba_kernels=False)
ROWS = [
    Row('jamba', 'JambaForCausalLM', tokenizer='llama-2', config=dict(LAYERS, num_experts=4)),
    Row('jamba-hf', 'JambaForCausalLM', tokenizer='llama-2', config=dict(LAYERS, num_experts=2)),
]
