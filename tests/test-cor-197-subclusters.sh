#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Small clusters: only what is touched is copied.
cor_form=plugin
. "${0%/*}/cor-197.sh"
case_subclusters
done_testing
