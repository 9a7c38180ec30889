from conformance import Row

TYPES = ['conv', 'full_attention', 'conv', 'conv']
ROWS = [
    Row('lfm2', 'Lfm2ForCausalLM', tokenizer='llama-3.1', config=dict(layer_types=TYPES, num_hidden_layers=4)),
    Row('lfm2-moe', 'Lfm2MoeForCausalLM', tokenizer='llama-3.1', config=dict(
        layer_types=TYPES, num_hidden_layers=4, num_experts=4, num_experts_per_tok=2, num_dense_layers=1)),
    Row('lfm2-colbert', 'Lfm2Model', tokenizer='llama-3.1', config=dict(layer_types=TYPES, num_hidden_layers=4)),
]
