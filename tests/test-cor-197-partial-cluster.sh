#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The last cluster of an image is a short one.
cor_form=plugin
. "${0%/*}/cor-197.sh"
case_partial_cluster
done_testing
