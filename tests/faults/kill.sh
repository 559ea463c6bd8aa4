#!/bin/sh
# X5: the embedded store's process killed 200 times. Prints pass or fail; some minutes.
set -u
cd "$(dirname "$0")/../.." || exit 2
if timeout 1800 cargo test --quiet --test gateway -- --ignored --exact store::kill::x5_two_hundred_kills; then
    echo "pass: x5_two_hundred_kills"
else
    echo "fail: x5_two_hundred_kills"
    exit 1
fi
