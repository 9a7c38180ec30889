from conformance import Row, unigram

T5 = dict(d_model=256, d_ff=512, d_kv=64, num_layers=2, num_heads=4, vocab_size=512, decoder_start_token_id=0)
PIECES = {'spiece.model': unigram(400)}

ROWS = [
    Row('t5', 'T5ForConditionalGeneration', bare=True, config=T5, files=PIECES),
    Row('flan-t5', 'T5ForConditionalGeneration', bare=True, files=PIECES, config=dict(
        T5, num_decoder_layers=1, feed_forward_proj='gated-gelu', tie_word_embeddings=False, n_positions=512)),
    Row('mt5', 'MT5ForConditionalGeneration', bare=True, config=dict(T5, tie_word_embeddings=False),
        files={'spiece.model': PIECES['spiece.model'], 'added_tokens.json': '{"<extra>": 410, "<far>": 600}'}),
    Row('umt5', 'UMT5ForConditionalGeneration', bare=True, config=T5, files=PIECES),
    Row('umt5-model', 'UMT5Model', bare=True, config=T5, files=PIECES),
    Row('t5-encoder', 'T5EncoderModel', bare=True, config=T5, files=PIECES),
]
