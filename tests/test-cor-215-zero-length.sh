#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A read of no bytes is no read.
cor_form=filter
. "${0%/*}/cor-197.sh"
case_zero_length
done_testing
