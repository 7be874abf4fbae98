# SPDX-License-Identifier: Apache-2.0 OR MIT
# Each recipe is one script that works by itself too.

# Everything that CI runs
check:
    .ci/run

# The suite on Debian's 6.1, 6.12 and newest kernels and on this one, and docs/measured/kernels.md
kernels *WORDS:
    .ci/kernels --table {{WORDS}}

# The tests under each seccomp filter, and .ci/baseline/filters.tsv
filters *WORDS:
    .ci/filters --page {{WORDS}}

# Each fuzz target for SECONDS
fuzz SECONDS="60":
    .ci/fuzz {{SECONDS}}
