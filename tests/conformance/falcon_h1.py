from conformance import Row

ROWS = [
    Row('falcon-h1', 'FalconH1ForCausalLM', tokenizer='gpt-2', config=dict(
        mamba_d_ssm=512, mamba_d_head=64, mamba_n_heads=8, mamba_n_groups=2, mamba_d_state=64, head_dim=64, key_multiplier=0.39,
        attention_in_multiplier=0.83, attention_out_multiplier=1.17, ssm_in_multiplier=1.25, ssm_out_multiplier=0.2361,
        lm_head_multiplier=0.0195, embedding_multiplier=5.656854249492381, mlp_multipliers=[0.8838834764831844, 0.5859375],
        ssm_multipliers=[0.3535533905932738, 0.25, 0.3535533905932738, 0.5, 0.3535533905932738], rope_theta=100000000000.0)),
]
