#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A read that is longer than 2 GiB with its clusters.
cor_form=plugin
. "${0%/*}/cor-197.sh"
case_large_read
done_testing
