#!/bin/sh
# Install Debian's Chromium, unless this machine has Chromium or Chrome. On Ubuntu, the package would install a snap.
set -eu

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
        exit 0
    fi
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "install_browser: no Chromium on the PATH. Install it (on Debian: apt-get install chromium)." >&2
    exit 1
fi
echo "install_browser: installing chromium with apt-get" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o DPkg::Lock::Timeout=120 update
apt-get -qq -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends chromium >/dev/null
