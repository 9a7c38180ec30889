#!/usr/bin/env python3
"""questions.py URL DIR: an lm_eval task, `answers`, of what the server at URL answers: a server that gives the same answers scores 1."""
import json, sys, urllib.request
from pathlib import Path

url, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
rows = []
for question in ('Hello', 'The capital of France is', '2 + 2 =', 'def main():', 'Once upon a time', 'A file that nobody wrote', 'Water boils at', 'La vie est'):
    body = json.dumps({'prompt': question, 'max_tokens': 12}).encode()
    request = urllib.request.Request(url + '/v1/completions', body, {'content-type': 'application/json'})
    rows.append({'question': question, 'answer': json.load(urllib.request.urlopen(request))['choices'][0]['text'].strip()})
(folder / 'answers.jsonl').write_text(''.join(json.dumps(row) + '\n' for row in rows))
(folder / 'answers.yaml').write_text(f'''task: answers
dataset_path: json
dataset_kwargs:
  data_files:
    test: {folder.resolve()}/answers.jsonl
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs:
  max_gen_toks: 12
  do_sample: false
  until: []
filter_list:
  - name: stripped
    filter:
      - function: remove_whitespace
      - function: take_first
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
''')
