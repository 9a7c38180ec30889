from conformance import Row
from llada import experts

ROWS = [
    Row('maple', 'MapleForCausalLM', tokenizer='gpt-2', tensors=experts, config=dict(
        model_type='maple', head_dim=64, num_experts=4, num_experts_per_tok=2, num_key_value_heads=4,
        rms_norm_eps=1e-5, hidden_act='silu', norm_topk_prob=True, nope_on_global_attention=True, sliding_window=512,
        layer_types=['sliding_attention', 'full_attention'], rope_theta=10000.0, partial_rotary_factor=0.5)),
]
