#!/usr/bin/env python3
"""Fails unless a mount's status says that chunks came from the disk cache and nothing of size was computed."""
import json
import sys

status = json.load(open(sys.argv[1]))
chunks, disk, mount = status['chunks'], status['disk_cache'], status['mount']
assert disk['hits'] > 0 and disk['stored'] == 0, status
# Tensors of a few hundred bytes are not worth a file: they are computed each time.
assert chunks['produced_bytes'] * 20 < mount['read_bytes'], status
