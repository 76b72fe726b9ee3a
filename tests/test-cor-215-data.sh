#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Data are copied in whole clusters, and the base can go.
cor_form=filter
. "${0%/*}/cor-197.sh"
case_data
done_testing
