#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A read-only base and a read-only client: the copy is made all the same.
cor_form=filter
. "${0%/*}/cor-197.sh"
case_read_only
done_testing
