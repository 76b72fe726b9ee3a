#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Clusters that are local are neither fetched nor written again.
cor_form=plugin
. "${0%/*}/cor-197.sh"
case_allocated
done_testing
