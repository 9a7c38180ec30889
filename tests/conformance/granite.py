from conformance import Row

SCALES = dict(attention_multiplier=0.015625, embedding_multiplier=12.0, residual_multiplier=0.22, logits_scaling=8.0)
MOE = dict(num_local_experts=4, num_experts_per_tok=2, intermediate_size=256, **SCALES)

ROWS = [
    Row('granite', 'GraniteForCausalLM', tokenizer='tiny', config=SCALES),
    Row('granite-moe', 'GraniteMoeForCausalLM', tokenizer='tiny', config=MOE),
    Row('granite-moe-shared', 'GraniteMoeSharedForCausalLM', tokenizer='tiny',
        config=dict(shared_intermediate_size=256, **MOE)),
    Row('granite-swa', 'GraniteSWAForCausalLM', tokenizer='tiny', config=dict(num_hidden_layers=4, sliding_window=512, **SCALES)),
    Row('granite-moe-swa', 'GraniteMoeSWAForCausalLM', tokenizer='tiny', config=dict(
        num_hidden_layers=4, sliding_window=512, shared_intermediate_size=256, **MOE)),
]
