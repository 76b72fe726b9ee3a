#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# How nbdctl makes arguments of words.
. "${0%/*}/functions.sh"
. "${0%/*}/control-functions.sh"
start_demo

# gives EXPECTED-JSON WORD...
gives()
{
    local expected=$1
    shift
    run_nbdctl --json echo "$@"
    is "$(tr -d ' \n' <<< "$out")$err" "$expected" "echo $*"
}
# refuses REGEX WORD...
refuses()
{
    local regex=$1
    shift
    run_nbdctl echo "$@"
    is "$status" 2 "echo $*: wrong usage"
    like "$err" "$regex" "echo $*: says why"
}

gives '{"text":"a"}' a
gives '{"text":"a"}' text=a
gives '{"text":"a=b"}' text=a=b
gives '{"text":""}' text=
gives '{"text":"5"}' 5
gives '{"text":"nbd://host/x?a=b"}' 'nbd://host/x?a=b'
gives '{"count":65536,"text":"a"}' count=64K a
gives '{"count":-3,"text":"a"}' count=-3 a
gives '{"count":9223372036854775807,"text":"a"}' count=9223372036854775807 a
gives '{"count":18446744073709551615,"text":"a"}' count=18446744073709551615 a
gives '{"yes":true,"text":"a"}' yes=on a
gives '{"yes":false,"text":"a"}' yes=false a
gives '{"ratio":0.5,"text":"a"}' ratio=0.5 a
gives '{"value":[1,{"x":null}],"text":"a"}' 'value=[1,{"x":null}]' a
gives '{"value":"word","text":"a"}' value=word a

refuses "no argument 'zz'; its arguments are: text, second" zz=1
refuses "one word too many: 'b'" a b
refuses "given twice" text=a text=b
refuses "count=x: must be an integer" count=x a
refuses "must be an integer" count=9223372036854775807K a
refuses "must be an integer" count= a
refuses "must be true or false" yes=maybe a
refuses "must be a number" ratio=1x a

run_nbdctl echo
is "$status: $err" "1: nbdctl: Parameter 'text' is missing" \
    'a missing argument: in the server'\''s words'
run_nbdctl query-status x
is "$status" 2 'a command without arguments takes no words'
done_testing
