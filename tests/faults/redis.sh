#!/bin/sh
# X1, X2: Redis killed and frozen for half a minute under 300 requests a second. Prints pass or fail; about 90 s.
set -u
cd "$(dirname "$0")/../.." || exit 2
command -v redis-server >/dev/null || { echo "fail: redis-server is missing"; exit 2; }
failed=0
for test in x1_redis_killed_for_28_s_under_load x2_redis_frozen_for_28_s_under_load; do
    if timeout 600 cargo test --quiet --test gateway -- --ignored --nocapture --exact "edge::long::$test"; then
        echo "pass: $test"
    else
        echo "fail: $test"
        failed=1
    fi
done
exit $failed
