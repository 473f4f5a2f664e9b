# Statistics of measurements: elapsed time, the order of rounds, medians, least values, and the interval of a median ratio. Source it.
# shellcheck shell=bash
set -euo pipefail

# since MOMENT: seconds since that EPOCHREALTIME.
since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.4f\n", b - a }'; }

# in_turn ROUND NAME...: the names in the order of a round (0: as they are): each is the first one in turn, and in each second lap they go backwards, so
# that each follows others.
in_turn() {
    local round=$1 place
    shift
    local names=("$@") lap=$((round / $#))
    for ((place = 0; place < $#; place++)); do echo "${names[(round + (lap % 2 ? $# - place : place)) % $#]}"; done
}

# median < NUMBERS
median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# least < NUMBERS: what the machine can do; others on it only add.
least() { sort -n | awk 'NR == 1 { printf "%.2f", $1 }'; }

# median_ratio FILE BASE: the median of FILE's numbers divided by BASE's, line by line, with its 95 % interval: of the sorted ratios
# the k-th and the k-th last, with the largest k for which P(Binomial(n, 1/2) < k) is at most 2.5 %.
median_ratio() {
    paste "$1" "$2" | awk '{ printf "%.4f\n", $1 / $2 }' | sort -n | awk '
        { v[NR] = $1 }
        END {
            n = NR; p = exp(-n * log(2)); sum = 0; k = 0
            for (i = 0; i <= n; i++) { sum += p; if (sum > 0.025) break; k = i + 1; p = p * (n - i) / (i + 1) }
            middle = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
            if (k < 1) printf "%.3f (%.3f to %.3f, too few for 95 %%)", middle, v[1], v[n]
            else printf "%.3f (%.3f to %.3f)", middle, v[k], v[n + 1 - k]
        }'
}
