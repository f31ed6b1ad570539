#!/usr/bin/env bash
# Everything that a build or the tests need, on a fresh Debian-like machine:
#   scripts/setup.sh build    compiler, CMake, libraries, oneDNN 3.x
#   scripts/setup.sh test     also cmocka and the Python oracles (build/venv)
# Says what it does on stderr, does nothing when nothing is to do, and exits 1 with one line when
# it may not install. RINGKAS_NO_VENV=1 leaves the oracles out; their tests are then skipped.
# Details of the last run are in build/setup.log.
set -u

what=${1:-build}
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build
log=$build/setup.log
onednn=$build/deps/onednn
venv=$build/venv

# The wheels that hold oneDNN 3.2 with GNU OpenMP, for systems whose own is older.
onednn_wheels="onednn-devel-cpu-gomp==2023.2.0 onednn-cpu-gomp==2023.2.0"
# torch goes first and alone: the others would pull in a build of their own choice.
venv_first="torch==2.13.0"
venv_rest="transformers==5.24.0 tokenizers==0.23.3 onnx==1.23.2 onnxruntime==1.32.0
    onnxscript==0.7.2 openvino==2026.4.1 scikit-learn==1.9.1 scipy==1.17.1 PySastrawi==1.2.1
    safetensors==0.8.0 numpy==2.4.6"

say() { echo "setup: $*" >&2; }
die() { echo "setup: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# run WHAT COMMAND...: quietly; on failure the end of the log and one line.
run() {
    local name=$1
    shift
    "$@" >>"$log" 2>&1 && return 0
    tail -n 15 "$log" >&2
    die "$name failed; see $log"
}

# The packages that are lacking, one a line.
missing_build() {
    if ! have gcc && ! have clang; then
        echo gcc
        echo libc6-dev
    elif ! have gcc && ! ls /usr/lib/llvm-*/lib/libomp.so >/dev/null 2>&1; then
        echo libomp-dev
    fi
    have cmake || echo cmake
    have make || echo make
    if ! have pkg-config; then
        echo pkg-config
    fi
    have protoc-c || echo protobuf-c-compiler
    have protoc || echo protobuf-compiler
    have_lib libprotobuf-c || echo libprotobuf-c-dev
    have_lib jansson || echo libjansson-dev
    have_lib libutf8proc || echo libutf8proc-dev
    have_lib libzip || echo libzip-dev
    [ -f /usr/include/onnx/onnx.proto ] || [ -f /usr/local/include/onnx/onnx.proto ] ||
        echo libonnx-dev
}

missing_test() {
    have_lib cmocka || echo libcmocka-dev
    # venv is a package of its own on Debian: python3 alone cannot make one.
    if ! have python3; then
        echo python3
        echo python3-venv
    elif [ -z "${RINGKAS_NO_VENV:-}" ] && ! python3 -c 'import ensurepip' 2>/dev/null; then
        echo python3-venv
    fi
}

have_lib() { have pkg-config && pkg-config --exists "$1" 2>/dev/null; }

# install PACKAGE...: through apt-get, as root or by sudo; the list is fetched at most once.
apt_patience="-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300"
listed=
# shellcheck disable=SC2086
install() {
    local sudo=
    [ $# -gt 0 ] || return 0
    have apt-get || die "lacking and no apt-get to install them with: $*"
    if [ "$(id -u)" != 0 ]; then
        have sudo || die "lacking, and not root to install them: $*"
        sudo="sudo"
    fi
    if [ -z "$listed" ]; then
        say "fetching the package lists"
        run "apt-get update" $sudo apt-get -q $apt_patience update
        listed=1
    fi
    say "installing $*"
    run "apt-get install $*" $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y $apt_patience --no-install-recommends install "$@"
}

# The major version of the oneDNN whose headers lie under the folders given; empty: none.
onednn_major() {
    cat "${@/%//oneapi/dnnl/dnnl_version.h}" 2>/dev/null |
        sed -n 's/^#define DNNL_VERSION_MAJOR *\([0-9]*\).*/\1/p' | head -n 1
}

have_onednn() {
    [ "$(onednn_major "$onednn/include")" = 3 ] && [ -f "$onednn/lib/libdnnl.so.3" ] && return 0
    [ "$(onednn_major /usr/local/include /usr/include /usr/include/"$(uname -m)"-linux-gnu)" = 3 ]
}

setup_onednn() {
    local candidate new
    have_onednn && return 0
    if have apt-cache; then
        candidate=$(apt-cache policy libdnnl-dev 2>/dev/null |
            sed -n 's/^ *Candidate: *//p')
        case $candidate in
        3.* | 1:3.*)
            install libdnnl-dev
            have_onednn || die "libdnnl-dev $candidate installed, but no oneDNN 3 headers found"
            return 0
            ;;
        esac
    fi
    [ "$(uname -m)" = x86_64 ] ||
        die "lacking oneDNN 3.x (libdnnl-dev), and there are no wheels of it for $(uname -m)"
    have python3 || install python3 python3-pip
    python3 -m pip --version >/dev/null 2>&1 || install python3-pip
    say "unpacking oneDNN 3.2 into build/deps"
    # Made aside and renamed, so that a broken download never looks like a finished one.
    new=$build/deps/onednn.new
    rm -rf "$new" "$onednn"
    mkdir -p "$new/wheels" "$new/prefix" || die "cannot write to $new"
    # shellcheck disable=SC2086
    run "the download of oneDNN" python3 -m pip download -q --disable-pip-version-check \
        --no-deps -d "$new/wheels" $onednn_wheels
    for wheel in "$new"/wheels/*.whl; do
        run "unpacking $wheel" python3 -m zipfile -e "$wheel" "$new/unpacked"
    done
    for data in "$new"/unpacked/*.data/data; do
        run "merging $data" cp -a "$data/." "$new/prefix"
    done
    # A zip holds no links: one file in place of three copies of 50 MB.
    (cd "$new/prefix/lib" && mv libdnnl.so.3.* libdnnl.keep && rm -f libdnnl.so libdnnl.so.3 &&
        mv libdnnl.keep libdnnl.so.3.2 && ln -s libdnnl.so.3.2 libdnnl.so.3 &&
        ln -s libdnnl.so.3 libdnnl.so) || die "the oneDNN wheel holds no lib/libdnnl.so.3"
    mv "$new/prefix" "$onednn" || die "cannot write to $onednn"
    rm -rf "$new"
    have_onednn || die "the oneDNN that was unpacked is not version 3"
}

setup_venv() {
    local pins=$venv_first\ $venv_rest
    if [ -n "${RINGKAS_NO_VENV:-}" ]; then
        say "RINGKAS_NO_VENV is set: no Python oracles, the parity tests will be skipped"
        return 0
    fi
    [ "$(cat "$venv/.pins" 2>/dev/null)" = "$pins" ] && [ -x "$venv/bin/python" ] && return 0
    say "installing the Python oracles into build/venv (torch and others, some minutes)"
    rm -f "$venv/.pins"
    [ -x "$venv/bin/pip" ] || run "python3 -m venv" python3 -m venv --clear "$venv"
    # shellcheck disable=SC2086
    run "the installation of torch" "$venv/bin/pip" install -q --disable-pip-version-check \
        $venv_first
    # shellcheck disable=SC2086
    run "the installation of the oracles" "$venv/bin/pip" install -q \
        --disable-pip-version-check $venv_rest
    echo "$pins" >"$venv/.pins"
}

case $what in
build | test) ;;
*) die "no such set-up: $what; use build or test" ;;
esac

# The stamp names this script's own bytes and whether the oracles were wanted.
stamp=$build/.setup-$what
key=$(cksum <"$0")
[ "$what" = build ] || key="$key ${RINGKAS_NO_VENV:+no venv}"
ready() {
    [ "$(cat "$stamp" 2>/dev/null)" = "$key" ] || return 1
    have cmake && have make && have protoc-c && have_onednn || return 1
    [ "$what" = build ] || [ -n "${RINGKAS_NO_VENV:-}" ] || [ -x "$venv/bin/python" ]
}
if ready; then
    [ "$what" = build ] || [ -z "${RINGKAS_NO_VENV:-}" ] ||
        say "RINGKAS_NO_VENV is set: the parity tests will be skipped"
    exit 0
fi

mkdir -p "$build" || die "cannot write to $build"
if have flock; then    # two builds at once: the second waits and finds all done
    exec 9>"$build/.setup.lock"
    flock 9
fi
: >"$log"
# shellcheck disable=SC2046
install $(missing_build)
left=$(missing_build | tr '\n' ' ')
[ -z "$left" ] || die "installed, but still not found: $left"
setup_onednn
if [ "$what" = test ]; then
    # shellcheck disable=SC2046
    install $(missing_test)
    left=$(missing_test | tr '\n' ' ')
    [ -z "$left" ] || die "installed, but still not found: $left"
    setup_venv
fi
echo "$key" >"$stamp"
say "$what: ready"
