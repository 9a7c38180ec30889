from conformance import Row
from llama_kin import llama


def tensors(config):
    out = llama(config)
    for i in range(config['num_hidden_layers']):
        out |= {f'model.layers.{i}.self_attn.q_norm.weight': [64], f'model.layers.{i}.self_attn.k_norm.weight': [64]}
    return out


ROWS = [
    Row('maincoder', 'MaincoderForCausalLM', tokenizer='gpt-2', tensors=tensors, config=dict(
        model_type='maincoder', head_dim=64, rms_norm_eps=1e-5, rope_theta=1000000.0)),
]
