# What the rigs written in shell share: a gateway on loopback, a Python environment, counting. To be sourced, with
# `root` set. Sets `work` (a folder that is removed at the end), `binary`, `addr`.
work=$(mktemp -d)
gateway=
cleanup() {
    if [ -n "$gateway" ]; then kill "$gateway" 2>/dev/null && wait "$gateway" 2>/dev/null; fi
    rm -rf "$work"
}
trap cleanup EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok   $*"; }
bad() { failed=$((failed + 1)); echo "FAIL $*"; }
finish() { echo "$passed passed, $failed failed"; [ "$failed" = 0 ] && [ "$passed" -gt 0 ]; exit; }

binary_of() { # binary_of ARGUMENTS…: --binary PATH, or a fresh debug build
    binary=
    if [ "${1:-}" = --binary ] && [ -n "${2:-}" ]; then
        binary=$(realpath "$2") || { bad "there is no $2"; finish; }
        return
    fi
    [ $# = 0 ] || { echo "usage: $0 [--binary PATH]" >&2; exit 2; }
    cargo build --quiet --bin jiaoying --manifest-path "$root/Cargo.toml" || { bad "the program does not build"; finish; }
    binary=$(cargo metadata --format-version 1 --no-deps --manifest-path "$root/Cargo.toml" |
        python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')/debug/jiaoying
}

python_env() { # python_env DIRECTORY REQUIREMENTS: made once for a list of requirements
    local stamp
    stamp=$(sha256sum "$2" | cut -c1-16)
    [ -x "$1/bin/python" ] && [ "$(cat "$1/.stamp" 2>/dev/null)" = "$stamp" ] && return 0
    rm -rf "$1"
    mkdir -p "$(dirname "$1")"
    { python3 -m venv "$1" && "$1/bin/pip" install --quiet --disable-pip-version-check -r "$2"; } >"$work/pip" 2>&1 ||
        { tail -5 "$work/pip"; return 1; }
    echo "$stamp" >"$1/.stamp"
}

serve() { # serve CONFIG: starts a gateway and waits until it tells its address
    "$binary" serve --config "$1" --print-addr >"$work/addr" 2>"$work/gateway.log" &
    gateway=$!
    for _ in $(seq 400); do
        [ -s "$work/addr" ] && break
        kill -0 "$gateway" 2>/dev/null || break
        sleep 0.05
    done
    addr=$(python3 -c 'import json,sys; print(json.loads(open(sys.argv[1]).readline())["listen"])' "$work/addr" 2>/dev/null)
    [ -n "$addr" ] && return 0
    cat "$work/gateway.log"
    bad "the gateway did not tell its address"
    return 1
}

tally() { # tally NAME COMMAND…: a command whose last line is `N passed, N failed`
    local name=$1 out status
    shift
    out=$("$@" 2>&1)
    status=$?
    printf '%s\n' "$out" | grep -vE '^[0-9]+ passed, [0-9]+ failed$'
    if [[ ${out##*$'\n'} =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
        [ "$status" = 0 ] || [ "$failed" -gt 0 ] || bad "$name exited $status"
    else
        bad "$name broke off (exit $status)"
    fi
}
