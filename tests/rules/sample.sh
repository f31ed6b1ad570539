#!/usr/bin/env bash
# The sample data keeps what its README promises.
exec python3 "$(dirname "$0")/check_sample.py"
