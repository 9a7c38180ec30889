import json

from conformance import Row

PIECES = ['<unk>', '<s>', '</s>', *(f'<0x{b:02X}>' for b in range(256)), '▁', *'theandsor', '▁t', 'he', '▁the', 'an', '▁<PRE>', '▁<MID>', '▁<SUF>', '▁<EOT>']
VOCAB = {piece: i for i, piece in enumerate(dict.fromkeys(PIECES))}
# CodeLlama without tokenizer.model: its class builds another pipeline than Llama's
CODE = {'tokenizer.json': json.dumps(dict(
    version='1.0', truncation=None, padding=None, normalizer=None, pre_tokenizer=None, post_processor=None,
    added_tokens=[dict(id=VOCAB[t], content=t, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
                  for t in ('<unk>', '<s>', '</s>', '▁<PRE>', '▁<MID>', '▁<SUF>', '▁<EOT>')],
    decoder=dict(type='Sequence', decoders=[dict(type='ByteFallback'), dict(type='Fuse')]),
    model=dict(type='BPE', dropout=None, unk_token='<unk>', continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=True,
               byte_fallback=True, vocab=VOCAB, merges=['▁ t', 'h e', '▁t he', 'a n']))),
        'tokenizer_config.json': json.dumps(dict(
            tokenizer_class='CodeLlamaTokenizer', bos_token='<s>', eos_token='</s>', unk_token='<unk>', prefix_token='▁<PRE>',
            middle_token='▁<MID>', suffix_token='▁<SUF>', eot_token='▁<EOT>', fill_token='<FILL_ME>',
            additional_special_tokens=['▁<PRE>', '▁<MID>', '▁<SUF>', '▁<EOT>']))}

ROWS = [
    Row('code-llama-json', 'LlamaForCausalLM', config=dict(vocab_size=320), files=CODE),
    Row('llama', 'LlamaForCausalLM', tokenizer='llama-2'),
    Row('llama-3.1', 'LlamaForCausalLM', tokenizer='llama-3.1', config=dict(rope_parameters=dict(
        rope_theta=500000.0, rope_type='llama3', factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=8192))),
    Row('mistral', 'MistralForCausalLM', tokenizer='llama-2'),
    Row('mixtral', 'MixtralForCausalLM', tokenizer='llama-2', config=dict(num_local_experts=4)),
]
