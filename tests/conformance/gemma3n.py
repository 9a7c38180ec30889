from conformance import Row

TEXT = dict(head_dim=64, hidden_size_per_layer_input=32, vocab_size_per_layer_input=300, num_kv_shared_layers=2,
            num_hidden_layers=4, layer_types=['sliding_attention', 'full_attention'] * 2, laurel_rank=16,
            activation_sparsity_pattern=[0.95, 0.5, 0.0, 0.0], intermediate_size=[512] * 4)

ROWS = [
    Row('gemma-3n', 'Gemma3nForCausalLM', tokenizer='tiny', config=TEXT),
]
